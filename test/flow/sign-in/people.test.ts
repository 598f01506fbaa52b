import { expect, test } from 'bun:test'
import { openSessionState } from '../../../src/process/session-state.ts'
import type { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { eventually } from '../../kit/gate.ts'
import {
  APP,
  AUTH,
  accept,
  PASSWORD,
  type PasskeyGate,
  signInBy,
  startPasskeyGate,
  user,
} from '../../kit/passkey-gate.ts'

const ROLES = `admin_role = "admin"
requests = { roles = ["root"] }
roles.admin = { groups = ["admins"] }
roles.root = { groups = ["roots"] }`

/** What the role opens: it can be asked for. */
const ROOT = `[[routes]]\nhost = "${APP}"\npath = "/root"\nrespond = { body = "root" }\nportal = "home"\nallow = ["root"]\n`

const USERS = [
  user('ada', 'groups = ["admins"]\ndisplay_name = "Ada L"'),
  user('grace', 'groups = ["users"]'),
  user('root', 'groups = ["admins", "roots"]'),
].join('')

const start = (more: Parameters<typeof startPasskeyGate>[0] = {}) =>
  startPasskeyGate({ users: USERS, portal: ROLES, more: ROOT, ...more })

const PEOPLE = '/.sallyport/people'

async function signedIn(gate: PasskeyGate, name: string): Promise<BrowserLite> {
  const browser = gate.browser()
  await browser.submit(await browser.open(`${gate.portal}/.sallyport/login`), { name, password: PASSWORD })
  return browser
}

/** Sends the form of the page that invites this user, as the page has it for any of them. */
async function invite(browser: BrowserLite, gate: PasskeyGate, name: string, by = name) {
  const page = await browser.open(gate.portal + PEOPLE)
  return browser.submit(page, { name }, by)
}

const linkIn = (text: string) => /http[^\s<]*link=si_[A-Za-z0-9_-]{43}/.exec(text)?.[0] ?? ''

test('an admin sees the users of the file, and makes an invitation that is shown once', async () => {
  await using gate = await start()
  const ada = await signedIn(gate, 'ada')
  expect((await ada.open(`${gate.portal}/.sallyport/admin`)).html.link('Users')).toBe(PEOPLE)
  const page = await ada.open(gate.portal + PEOPLE)
  expect(page.html.texts('main li h2')).toEqual(['Ada L', 'grace', 'root'])
  const made = await invite(ada, gate, 'grace')
  expect(made.html.text).toContain('Give this link to grace')
  expect(linkIn((await ada.open(gate.portal + PEOPLE)).text)).toBe('')
  const grace = gate.browser()
  const { passkey } = await accept(grace, linkIn(made.text))
  expect((await signInBy(gate.browser(), `${gate.app}/`, passkey)).text).toContain('htpasswd:grace')
  expect((await ada.open(gate.portal + PEOPLE)).html.text).toContain('1 passkey')
  expect(gate.told('invitation.made', 'htpasswd:ada')).toHaveLength(1)
  expect(gate.told('invitation.used', '"by":"htpasswd:ada"')).toHaveLength(1)
})

test('who is no admin sees nothing of it, and invites nobody', async () => {
  await using gate = await start()
  const grace = await signedIn(gate, 'grace')
  expect((await grace.open(gate.portal + PEOPLE)).response.status).toBe(403)
  const sent = await grace.visit(gate.portal + PEOPLE, {
    method: 'POST',
    body: new URLSearchParams({ act: 'invite', name: 'grace' }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' },
  })
  expect([sent.status, gate.told('invitation.made').length]).toEqual([403, 0])
  expect((await gate.browser().visit(gate.portal + PEOPLE)).status).toBe(302)
})

test('nobody invites who has a role that they do not have', async () => {
  await using gate = await start()
  const ada = await signedIn(gate, 'ada')
  const page = await ada.open(gate.portal + PEOPLE)
  expect(page.html.text).toContain('has roles that you do not have')
  const refused = await invite(ada, gate, 'root', 'grace')
  expect([refused.response.status, linkIn(refused.text)]).toEqual([403, ''])
  expect(gate.told('invitation.made')).toHaveLength(0)
  const root = await signedIn(gate, 'root')
  expect(linkIn((await invite(root, gate, 'ada')).text)).not.toBe('')
})

test('nobody invites who has a role at another portal that they do not have there: what is set by the link counts there, too', async () => {
  const other = (who: string) => `[portals.office]
insecure_cookies = true
providers = ["people"]
roles.boss = { users = [${who}] }
[[routes]]
host = "office.localhost"
respond = { body = "office" }
portal = "office"
allow = ["boss"]
${ROOT}`
  {
    await using gate = await start({ more: other('"grace"') })
    const ada = await signedIn(gate, 'ada')
    const page = await ada.open(gate.portal + PEOPLE)
    const refused = await ada.submit(page, { name: 'grace' }, 'ada')
    expect([refused.response.status, linkIn(refused.text)]).toEqual([403, ''])
    expect(gate.told('invitation.made')).toHaveLength(0)
  }
  await using gate = await start({ more: other('"grace", "ada"') })
  expect(linkIn((await invite(await signedIn(gate, 'ada'), gate, 'grace')).text)).not.toBe('')
})

test.each([
  ['a member of another portal', (who: string) => `providers = ["people"]\nmembers = [{ users = [${who}] }]`],
  [
    'of another portal by HTTP Basic',
    (who: string) => `htpasswd = "users.toml"\nroles.boss = { provider = "htpasswd", users = [${who}] }`,
  ],
])('nobody invites who is %s, where they are not', async (_, portal) => {
  const other = (who: string) => `[portals.office]
insecure_cookies = true
${portal(who)}
[[routes]]
host = "office.localhost"
respond = { body = "office" }
portal = "office"
allow = "authenticated"
${portal(who).includes('htpasswd') ? 'passwords = true' : ''}
${ROOT}`
  {
    await using gate = await start({ more: other('"grace"') })
    const ada = await signedIn(gate, 'ada')
    const refused = await ada.submit(await ada.open(gate.portal + PEOPLE), { name: 'grace' }, 'ada')
    expect([refused.response.status, linkIn(refused.text)]).toEqual([403, ''])
    expect(gate.told('invitation.made')).toHaveLength(0)
  }
  await using gate = await start({ more: other('"grace", "ada"') })
  expect(linkIn((await invite(await signedIn(gate, 'ada'), gate, 'grace')).text)).not.toBe('')
})

test('an admin for a limited time invites nobody: who comes by the link stays that user for good', async () => {
  await using gate = await start({
    users: USERS + user('mary', 'groups = ["users"]'),
    portal: ROLES.replace('["root"]', '["root", "admin"]'),
    more: ROOT.replace('["root"]', '["root", "admin"]'),
  })
  const grace = await signedIn(gate, 'grace')
  const { sessions } = openSessionState(gate.server.config, quietPorts({ now: Date.now }))
  const [entry] = (await sessions.list('home', { after: null, limit: 5 })).entries
  if (entry === undefined) throw new Error('grace is signed in')
  const grant = async (forMs: number | null) => {
    const asked = await sessions.grants.ask(entry.session, { name: 'Grace', role: 'admin', route: 'x', text: '' })
    if (asked.kind !== 'asked') throw new Error('the role was asked for')
    await sessions.grants.grant('home', asked.request.id, { forMs, by: 'operator' })
  }
  await grant(3_600_000)
  await eventually(async () => (await grace.visit(gate.portal + PEOPLE)).status === 200, 'the gate has heard of it')
  const page = await grace.open(gate.portal + PEOPLE)
  expect([page.html.hasButton('Invite'), page.html.text.includes('Sign in again')]).toEqual([false, false])
  const { hidden } = (await grace.open(`${gate.portal}/.sallyport/sessions`)).html.form()
  const body = new URLSearchParams({ proof: hidden.proof ?? '', act: 'invite', name: 'mary' }).toString()
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }
  const refused = await grace.visit(gate.portal + PEOPLE, { method: 'POST', body, headers })
  expect([refused.status, linkIn(await refused.text())]).toEqual([403, ''])
  await grant(null)
  await sessions.close()
  const mayInvite = async () => (await grace.open(gate.portal + PEOPLE)).html.hasButton('Invite')
  await eventually(mayInvite, 'the gate has heard that it is for good')
  expect(linkIn((await invite(grace, gate, 'mary')).text)).not.toBe('')
})

test('a role that was granted for a time makes nobody an equal of who has it for good', async () => {
  await using gate = await start()
  const ada = await signedIn(gate, 'ada')
  const { sessions } = openSessionState(gate.server.config, quietPorts({ now: Date.now }))
  const [entry] = (await sessions.list('home', { after: null, limit: 5 })).entries
  if (entry === undefined) throw new Error('ada is signed in')
  const asked = await sessions.grants.ask(entry.session, { name: 'Ada', role: 'root', route: 'x', text: '' })
  if (asked.kind !== 'asked') throw new Error('the role was asked for')
  await sessions.grants.grant('home', asked.request.id, { forMs: 3_600_000, by: 'operator' })
  await sessions.close()
  const isGranted = async () => (await ada.open(`${gate.portal}/.sallyport/sessions`)).html.text.includes('root')
  await eventually(isGranted, 'the gate has heard of it')
  const refused = await invite(ada, gate, 'root', 'grace')
  expect([refused.response.status, linkIn(refused.text)]).toEqual([403, ''])
})

test('after half an hour an admin signs in again first', async () => {
  const clock = fakeClock(Date.now())
  await using gate = await start({ ports: { now: clock.now } })
  const ada = await signedIn(gate, 'ada')
  const page = await ada.open(gate.portal + PEOPLE)
  clock.advance(31 * 60_000)
  const again = await ada.submit(page, { name: 'grace' }, 'grace')
  expect([again.address.pathname, again.address.searchParams.get('max_age')]).toEqual(['/.sallyport/login', '1800'])
  expect((await ada.open(gate.portal + PEOPLE)).html.hasButton('Invite')).toBe(false)
  const back = await ada.submit(again, { name: 'ada', password: PASSWORD })
  expect([back.address.pathname, gate.told('invitation.made').length]).toEqual([PEOPLE, 0])
  expect(linkIn((await invite(ada, gate, 'grace')).text)).not.toBe('')
})

test('a cookie from before an admin signed in again is not as fresh as the one after: it invites nobody', async () => {
  const clock = fakeClock(Date.now())
  await using gate = await start({ ports: { now: clock.now } })
  const ada = gate.browser()
  const before = await twoCookies(ada, gate)
  const page = await before.open(gate.portal + PEOPLE)
  clock.advance(31 * 60_000)
  const login = await ada.open(`${gate.portal}/.sallyport/login?max_age=1800&return=${encodeURIComponent(PEOPLE)}`)
  await ada.submit(login, { name: 'ada', password: PASSWORD })
  const made = await before.submit(page, { name: 'grace' }, 'grace')
  expect([made.address.pathname, linkIn(made.text)]).toEqual(['/.sallyport/login', ''])
  expect(gate.told('invitation.made')).toHaveLength(0)
  expect(linkIn((await invite(ada, gate, 'grace')).text)).not.toBe('')
})

/** Signs a browser in by two tabs at once, so that its session has two cookies; answers another browser with the first. */
async function twoCookies(browser: BrowserLite, gate: PasskeyGate): Promise<BrowserLite> {
  const tabs = [
    await browser.open(`${gate.portal}/.sallyport/login`),
    await browser.open(`${gate.portal}/.sallyport/login`),
  ]
  const cookies: string[] = []
  for (const tab of tabs) {
    browser.forget(AUTH, 'sallyport')
    await browser.submit(tab, { name: 'ada', password: PASSWORD })
    cookies.push(browser.cookie(AUTH, 'sallyport') ?? '')
  }
  const other = gate.browser()
  other.plant(AUTH, 'sallyport', cookies[0] ?? '')
  expect((await other.open(`${gate.portal}/.sallyport/sessions`)).html.texts('main li.row')).toHaveLength(1)
  return other
}

test('a form of another site, and one without the proof of this session, makes no invitation', async () => {
  await using gate = await start()
  const ada = await signedIn(gate, 'ada')
  const send = (fields: Record<string, string>, headers: Record<string, string>) =>
    ada.visit(gate.portal + PEOPLE, {
      method: 'POST',
      body: new URLSearchParams({ act: 'invite', name: 'grace', ...fields }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    })
  const root = await signedIn(gate, 'root')
  const { hidden } = (await root.open(gate.portal + PEOPLE)).html.form('grace')
  for (const [fields, headers] of [
    [{}, { 'sec-fetch-site': 'cross-site' }],
    [{}, { 'sec-fetch-site': 'same-origin' }],
    [{ proof: hidden.proof ?? '' }, { 'sec-fetch-site': 'same-origin' }],
  ] as const) {
    expect((await send(fields, headers)).status).toBe(403)
  }
  expect(gate.told('invitation.made')).toHaveLength(0)
})

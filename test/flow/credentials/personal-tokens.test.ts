import { beforeEach, expect, test } from 'bun:test'
import { runSessions } from '../../../src/cli/sessions.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { aheadClock, quietPorts } from '../../kit/clock.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { commandPorts, runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startProviderFor, type TestAccount } from '../../kit/provider/provider.ts'
import { providerTable, routeTo } from '../../kit/toml.ts'

/** Little, so that the provider's clock, which nobody moves, stays within the tolerance of ours. */
const STEP_MS = 11_000
const APP = 'http://app.example'
const ADA = { sub: 'ada', name: 'Ada', groups: ['staff'] }
const ROOT = { sub: 'root', name: 'Root', groups: ['admins'] }

const clock = aheadClock()
const accounts: TestAccount[] = []

const keep = untilTheEnd()
const upstream = keep(
  startAnswering(
    request => new Response(`${request.headers.get('x-token-subject')}: ${request.headers.get('x-token-user-roles')}`),
  ),
)
const provider = keep(await startProviderFor(accounts, `${APP}/.sallyport/callback`))
const route = (more: string) =>
  routeTo(upstream, 'app.example', `portal = "home"\nheaders = "x-token"\ntokens = true\n${more}`)
const gate = keep(
  await startGate(
    `
${providerTable(provider)}
[portals.home]
providers = ["id"]
insecure_cookies = true
refresh = "10s"
admin_role = "admin"
personal_tokens = true

[portals.home.roles]
staff = { groups = ["staff"] }
admin = { groups = ["admins"] }
user = { any = true }

${route('allow = ["user"]')}
${route('path = "/staff"\nallow = ["staff"]')}
${route('path = "/hook"\nallow = ["user"]\nmethods = ["POST"]')}
${route('path = "/fresh"\nallow = [{ roles = ["user"], max_age = "15m" }]')}
${route('path = "/people"\nallow = ["user"]').replace('tokens = true', '')}
`,
    { ports: clock },
  ),
)
beforeEach(() => {
  clock.setAhead(0)
  accounts.splice(0, accounts.length, ADA, ROOT)
})

async function signIn(login: string): Promise<BrowserLite> {
  const browser = browserAt(gate, 'app.example')
  expect((await browser.signIn(`${APP}/`, login)).response.status).toBe(200)
  return browser
}

/** Fills in the page's own form for a new token. */
async function makeToken(browser: BrowserLite): Promise<string> {
  const page = await browser.open(`${APP}/.sallyport/tokens`)
  const proof = /name="proof" value="([^"]+)"/.exec(page.text)?.[1] ?? ''
  const made = await browser.open(`${APP}/.sallyport/tokens`, {
    method: 'POST',
    body: new URLSearchParams({ act: 'create', proof, name: 'script', days: '30' }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: APP, 'sec-fetch-site': 'same-origin' },
  })
  return /sp_[A-Za-z0-9_-]{43}/.exec(made.text)?.[0] ?? ''
}

async function ask(token: string, path = '/'): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${gate.port}${path}`, {
    headers: { host: 'app.example', authorization: `Bearer ${token}` },
  })
  return answer.status === 200 ? answer.text() : `${answer.status}`
}

test('a personal token loses a group that its owner lost at the provider, and has it again when they have', async () => {
  const browser = await signIn('ada')
  const token = await makeToken(browser)
  expect(await ask(token, '/staff')).toBe('ada: staff user')
  for (const [groups, expected] of [
    [[], '403'],
    [['staff'], 'ada: staff user'],
  ] as const) {
    accounts.splice(0, 1, { ...ADA, groups })
    clock.advance(STEP_MS)
    await browser.visit(`${APP}/`)
    await eventually(async () => (await ask(token, '/staff')) === expected, `the groups are ${groups.join()}`)
  }
  expect(await ask(token)).toBe('ada: staff user')
})

test('a personal token of someone whom the provider no longer knows rests until they sign in again', async () => {
  const browser = await signIn('ada')
  const token = await makeToken(browser)
  expect(await ask(token)).toBe('ada: staff user')
  accounts.splice(0, 1)
  clock.advance(STEP_MS)
  await browser.visit(`${APP}/`)
  await eventually(async () => (await ask(token)) === '401', 'the token rests')
  accounts.splice(0, 0, ADA)
  expect(await ask(token)).toBe('401')
  await signIn('ada')
  expect(await ask(token)).toBe('ada: staff user')
})

test('a personal token follows the roles of the file in force', async () => {
  const token = await makeToken(await signIn('ada'))
  const body = await Bun.file(gate.configPath).text()
  await Bun.write(gate.configPath, body.replace('groups = ["staff"]', 'groups = ["crew"]'))
  expect(gate.server.reload()).toBe('changed')
  expect(await ask(token, '/staff')).toBe('403')
  await Bun.write(gate.configPath, body)
  gate.server.reload()
  expect(await ask(token, '/staff')).toBe('ada: staff user')
})

test('an admin who ends a session puts its owner’s tokens to rest, on the page and by command; signing out does not', async () => {
  const admin = await signIn('root')
  const browser = await signIn('ada')
  const token = await makeToken(browser)
  await browser.submit(await browser.open(`${APP}/.sallyport/logout`))
  expect(await ask(token)).toBe('ada: staff user')

  const byCommand = async (...whom: readonly string[]) => {
    const argv = ['revoke', ...whom]
    return (await runIn(gate.folder, io => runSessions(argv, io, { ...commandPorts(io), ...quietPorts(clock) }))).code
  }
  const bySubject = () => byCommand('--subject', 'ada')
  const byId = async () => {
    const { out } = await runIn(gate.folder, io =>
      runSessions(['list', '--json'], io, { ...commandPorts(io), ...quietPorts(clock) }),
    )
    const all: readonly { readonly id: string; readonly subject: string }[] = JSON.parse(out)
    return byCommand('--', all.find(({ subject }) => subject === 'ada')?.id ?? '')
  }
  const onPage = async () => {
    const page = await admin.open(`${APP}/.sallyport/sessions?all=1&q=ada`)
    const form = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)]
      .map(([text]) => text)
      .find(text => text.includes('value="end"'))
    const value = (name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(form ?? '')?.[1] ?? ''
    const body = new URLSearchParams({ act: 'end', all: '1', id: value('id'), proof: value('proof'), q: 'ada' })
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      origin: APP,
      'sec-fetch-site': 'same-origin',
    }
    const answer = await admin.visit(`${APP}/.sallyport/sessions`, { method: 'POST', body: body.toString(), headers })
    return answer.status === 303 ? 0 : answer.status
  }
  for (const end of [bySubject, byId, onPage]) {
    await signIn('ada')
    expect(await ask(token)).toBe('ada: staff user')
    expect(await end()).toBe(0)
    await eventually(async () => (await ask(token)) === '401', 'the token rests')
  }
})

test('the page names the places that would take the token of whoever looks at it', async () => {
  const page = await (await signIn('ada')).open(`${APP}/.sallyport/tokens`)
  expect(/Taken at ([^<]*)\./.exec(page.text)?.[1]).toBe('app.example, app.example/staff, app.example/hook')
  const admins = await (await signIn('root')).open(`${APP}/.sallyport/tokens`)
  expect(/Taken at ([^<]*)\./.exec(admins.text)?.[1]).toBe('app.example, app.example/hook')
})

import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { plainUser } from '../../../src/config/values/users-file.ts'
import { providerTrustOf } from '../../../src/session/provider-trust.ts'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { type BrowserLite, browserAt, type Page } from '../../kit/browser/browser-lite.ts'
import { fakeClock } from '../../kit/clock.ts'
import { basic } from '../../kit/fields.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { plant } from '../../kit/log/planted.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { providerTable, routeTo, SILENT } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(startTellingFields())
const PASSWORD = 'correct horse battery'
plant(PASSWORD, 'a password of a form')
const hash = await Bun.password.hash(PASSWORD, { algorithm: 'bcrypt', cost: 4 })

const HOME = 'home.test'
const LOGIN = `http://${HOME}/.sallyport/login`
const FILE = `${providerTable(SILENT)}
[providers.people]
users = "users.htpasswd"
[portals.home]
url = "http://${HOME}"
insecure_cookies = true
providers = ["id", "people"]
htpasswd = "users.htpasswd"
roles.user = { any = true }
roles.root = { providers = ["id"], subjects = ["root"] }
${routeTo(upstream, 'app.test', 'portal = "home"\nallow = ["user"]\nheaders = "x-token"\npasswords = true')}`
const USERS = { 'users.htpasswd': `ada:${hash}\nroot:${hash}\n` }

async function start({ store = 'sqlite:sallyport.db', clock = fakeClock(Date.now()) } = {}) {
  return Object.assign(await startGate(FILE, { store, ports: { now: clock.now }, files: USERS, askAgainMs: 20 }), {
    clock,
  })
}

const browserOf = (gate: Gate) => browserAt(gate, HOME, 'app.test')

/** A form sent as it came, but for what a test says. */
async function send(browser: BrowserLite, fields: Record<string, string>, headers: Record<string, string> = {}) {
  return browser.visit(LOGIN, {
    method: 'POST',
    body: new URLSearchParams(fields).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  })
}

const hasSession = (response: Response) => response.headers.getSetCookie().some(line => /^sallyport=[^;]/.test(line))
const OWN = { 'sec-fetch-site': 'same-origin' }

test('guessing: the form and Basic count together, for names that exist and those that do not, and the right one waits too', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  for (let times = 0; times < 5; times++) {
    expect(
      (await send(browser, { name: times % 2 ? 'ada' : 'nobody', password: `wrong password ${times}` }, OWN)).status,
    ).toBe(403)
    const headers = { host: 'app.test', ...basic(`ada:wrong password ${times}`) }
    expect((await fetch(`http://127.0.0.1:${gate.port}/`, { headers })).status).toBe(401)
  }
  for (const password of ['no', PASSWORD]) {
    const answer = await send(browser, { name: 'ada', password }, OWN)
    expect([answer.status, hasSession(answer)]).toEqual([429, false])
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  }
  gate.clock.advance(60_000)
  expect(hasSession(await send(browser, { name: 'ada', password: PASSWORD }, OWN))).toBe(true)
})

test('guessing is no faster by several processes: they count together, also what was right, and a restart forgets nothing', async () => {
  using folder = temporaryFolder()
  const shared = { store: `sqlite:${join(folder.path, 'sallyport.db')}`, clock: fakeClock(Date.now()) }
  const asBasic = (gate: Gate, pair: string) =>
    fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: 'app.test', ...basic(pair) } })
  {
    await using one = await start(shared)
    await using two = await start(shared)
    for (let times = 0; times < 10; times++) {
      const gate = times % 2 === 0 ? one : two
      // Nothing that was right counts, by whichever of them.
      expect(hasSession(await send(browserOf(gate), { name: 'ada', password: PASSWORD }, OWN))).toBe(true)
      expect((await asBasic(gate, `ada:wrong password ${times}`)).status).toBe(401)
    }
    for (const gate of [one, two]) {
      expect((await asBasic(gate, 'ada:another guess')).status).toBe(429)
      expect(hasSession(await send(browserOf(gate), { name: 'ada', password: PASSWORD }, OWN))).toBe(false)
    }
  }
  await using again = await start(shared)
  expect((await asBasic(again, 'ada:another guess')).status).toBe(429)
  again.clock.advance(30_000)
  expect((await asBasic(again, 'ada:another guess')).status).toBe(401)
  expect((await asBasic(again, 'ada:another guess')).status).toBe(429)
})

test('what is wrong is answered the same for a name that exists and for one that does not', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  const answers = await Promise.all(
    ['ada', 'nobody'].map(async name => {
      const answer = await send(browser, { name, password: 'wrong' }, OWN)
      const plain = (text: string) =>
        text.replaceAll(/name="(?:browser|proof)" value="[^"]*"/g, '').replace(`value="${name}"`, 'value="NAME"')
      return [answer.status, plain(await answer.text()).replaceAll(/provider=id[^"]*|login\?[^"]*/g, '')]
    }),
  )
  expect(answers[1]).toEqual(answers[0] ?? [])
})

describe('a form of another page signs nobody in', () => {
  const given = { name: 'ada', password: PASSWORD }
  test.each<[string, Record<string, string>]>([
    ['of another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' }],
    ['of another host of this site', { 'sec-fetch-site': 'same-site', origin: 'http://app.test' }],
    ['by its Origin alone', { origin: 'http://app.test' }],
    ['that hides where it is from', { origin: 'null' }],
    ['of a browser that says nothing', {}],
  ])('%s', async (_, headers) => {
    await using gate = await start()
    const browser = browserOf(gate)
    await browser.open(`http://app.test/`)
    const answer = await send(browser, given, headers)
    expect([answer.status, hasSession(answer)]).toEqual([403, false])
  })

  test('and the proof of one browser is none in another, while its own is', async () => {
    await using gate = await start()
    const [attacker, victim] = [browserOf(gate), browserOf(gate)]
    const [page, own] = [await attacker.open('http://app.test/'), await victim.open('http://app.test/')]
    const proofOf = ({ html }: Page) => {
      const { browser = '', proof = '' } = html.form().hidden
      return { browser, proof }
    }
    const forged = await send(victim, { ...given, ...proofOf(page) })
    expect([forged.status, hasSession(forged)]).toEqual([403, false])
    const mixed = await send(victim, { ...given, ...proofOf(page), browser: proofOf(own).browser })
    expect([mixed.status, hasSession(mixed)]).toEqual([403, false])
    expect(hasSession(await send(victim, { ...given, ...proofOf(own) }))).toBe(true)
  })
})

test('no provider makes anybody one of these people, and nobody of these is taken for somebody of a provider', async () => {
  await using gate = await start()
  await expect(gate.signIn('app.test', { sub: 'htpasswd:ada' })).rejects.toThrow()
  const browser = browserOf(gate)
  const page = await browser.submit(await browser.open('http://app.test/'), { name: 'root', password: PASSWORD })
  const told = JSON.parse(page.text)
  expect([told['x-token-subject'], told['x-token-user-roles'], told['x-token-provider']]).toEqual([
    'htpasswd:root',
    'user',
    'people',
  ])
})

test('a stored sign-in counts only with what the file has for it now', () => {
  const users = { entries: new Map([['ada', plainUser(hash)]]), totp: new Map(), groups: [] }
  const { counts, keys } = providerTrustOf({
    portals: new Map([['home', { name: 'home', providers: ['people'] }]]),
    providers: new Map([['people', { issuer: 'users:people', users }]]),
  })
  const [credential] = [...keys].map(key => (JSON.parse(key) as string[])[4])
  const ada = { provider: 'people', issuer: 'users:people', subject: 'htpasswd:ada', credential: credential ?? '' }
  const someone = (over: object) => ({
    portal: 'home',
    identity: {
      name: null,
      preferredUsername: null,
      email: null,
      emailVerified: null,
      groups: [],
      claims: {},
      ...ada,
      ...over,
    },
  })
  expect(counts(someone({}))).toBe(true)
  for (const over of [
    { subject: 'htpasswd:root' },
    { credential: 'other' },
    { credential: '' },
    { provider: 'id' },
    { issuer: 'https://id.example' },
  ]) {
    expect([over, counts(someone(over))]).toEqual([over, false])
  }
  const { credential: _, ...without } = someone({}).identity
  expect(counts({ portal: 'home', identity: without })).toBe(false)
})

test('a new sign-in is a new session: the one that this browser had is over', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  const first = await send(browser, { name: 'ada', password: PASSWORD }, OWN)
  const old =
    first.headers
      .getSetCookie()
      .find(line => line.startsWith('sallyport='))
      ?.split(';')[0] ?? ''
  await send(browser, { name: 'root', password: PASSWORD }, OWN)
  const answer = await fetch(`http://127.0.0.1:${gate.port}/.sallyport/sessions`, {
    headers: { host: HOME, cookie: old, accept: 'application/json' },
    redirect: 'manual',
  })
  expect(answer.status).toBe(401)
})

test('nothing in an address signs anybody in, leads away, or turns up in a page', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  const query = new URLSearchParams({ name: 'ada', password: PASSWORD, return: '//evil.test/' })
  const page = await browser.open(`${LOGIN}?${query}`)
  expect(page.text).not.toContain(PASSWORD)
  expect(page.text).not.toContain(encodeURIComponent(PASSWORD))
  const answer = await send(browser, { name: 'ada', password: PASSWORD, return: '//evil.test/' }, OWN)
  expect(new URL(answer.headers.get('location') ?? '', LOGIN).host).toBe(HOME)
  const wrong = await send(browser, { name: '"><script>alert(1)</script>', password: 'wrong' }, OWN)
  expect(await wrong.text()).not.toContain('<script>alert')
})

test('a form that is too long, or sent to an application’s host, is refused', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  const long = await send(browser, { name: 'ada', password: PASSWORD.repeat(1000) }, OWN)
  expect([long.status, hasSession(long)]).toEqual([403, false])
  const elsewhere = await browser.visit('http://app.test/.sallyport/login', {
    method: 'POST',
    body: new URLSearchParams({ name: 'ada', password: PASSWORD }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...OWN },
  })
  expect([elsewhere.status, hasSession(elsewhere)]).toEqual([404, false])
})

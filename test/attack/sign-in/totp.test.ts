import { expect, spyOn, test } from 'bun:test'
import { join } from 'node:path'
import { TOTP } from 'otpauth'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { fakeClock } from '../../kit/clock.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { plant } from '../../kit/log/planted.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { codeAt, SECOND_FACTOR } from '../../kit/totp.ts'

const keep = untilTheEnd()
const upstream = keep(startTellingFields())
const PASSWORD = 'correct horse battery'
plant(PASSWORD, 'a password of a form')
const hash = await Bun.password.hash(PASSWORD, { algorithm: 'bcrypt', cost: 4 })

const HOME = 'home.test'
const LOGIN = `http://${HOME}/.sallyport/login`
const FILE = `[providers.people]
users = "users.htpasswd"
totp = "users.totp"
[portals.home]
url = "http://${HOME}"
insecure_cookies = true
providers = ["people"]
roles.user = { any = true }
${routeTo(upstream, 'app.test', 'portal = "home"\nallow = ["user"]')}`
const USERS = { 'users.htpasswd': `ada:${hash}\nbob:${hash}\n`, 'users.totp': `ada:${SECOND_FACTOR}\n` }

async function start(server = '') {
  const clock = fakeClock(Date.now())
  const trusted = `trusted_proxies = ["127.0.0.1"]\n${server}`
  const options = { server: trusted, ports: { now: clock.now }, files: USERS, askAgainMs: 20 }
  return Object.assign(await startGate(FILE, options), { clock })
}

const browserOf = (gate: Gate) => browserAt(gate, HOME, 'app.test')

interface Given {
  readonly name?: string
  readonly password?: string
  readonly code?: string
}

/** The form as a browser sends it, from this address. */
function send(browser: BrowserLite, { name = 'ada', password = PASSWORD, code = '' }: Given, client = '192.0.2.1') {
  return browser.visit(LOGIN, {
    method: 'POST',
    body: new URLSearchParams({ name, password, code }).toString(),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'sec-fetch-site': 'same-origin',
      'x-forwarded-for': client,
    },
  })
}

const hasSession = (response: Response) => response.headers.getSetCookie().some(line => /^sallyport=[^;]/.test(line))
const wrongOf = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0')

test('RFC 6238 §5.2: a code that was taken is taken no second time, not even in the same moment', async () => {
  await using gate = await start()
  const code = codeAt(gate.clock.now())
  const both = await Promise.all([send(browserOf(gate), { code }), send(browserOf(gate), { code })])
  expect(both.map(hasSession).sort()).toEqual([false, true])
  gate.clock.advance(20_000)
  expect(hasSession(await send(browserOf(gate), { code }))).toBe(false)
  gate.clock.advance(40_000)
  expect(hasSession(await send(browserOf(gate), { code: codeAt(gate.clock.now()) }))).toBe(true)
})

test('nor by another process that shares the store', async () => {
  await using gate = await start()
  const { clock } = gate
  const store = `sqlite:${join(gate.folder, 'sallyport.db')}`
  await using other = await startGate(FILE, { store, ports: { now: clock.now }, files: USERS })
  const code = codeAt(clock.now())
  expect(hasSession(await send(browserOf(gate), { code }))).toBe(true)
  expect(hasSession(await send(browserOf(other), { code }))).toBe(false)
})

test('a code without the password uses nothing up, and tells nothing', async () => {
  await using gate = await start()
  const code = codeAt(gate.clock.now())
  const plain = async (response: Response) =>
    [response.status, (await response.text()).replaceAll(/name="(?:browser|proof)" value="[^"]*"/g, '')] as const
  const browser = browserOf(gate)
  const answers = [
    await plain(await send(browser, { password: 'wrong', code })),
    await plain(await send(browser, { password: 'wrong', code: wrongOf(code) })),
    await plain(await send(browser, { code: wrongOf(code) })),
    await plain(await send(browser, { code: '' })),
    await plain(await send(browser, { name: 'bob', password: 'wrong', code })),
    await plain(await send(browser, { name: 'nobody', code })),
  ]
  for (const answer of answers) expect(answer).toEqual([403, answers[0]?.[1] ?? ''])
  expect(hasSession(await send(browser, { code }))).toBe(true)
})

test('wrong codes count with wrong passwords, and the right one waits too', async () => {
  await using gate = await start()
  const code = codeAt(gate.clock.now())
  const browser = browserOf(gate)
  for (let times = 0; times < 5; times++) {
    expect((await send(browser, { code: wrongOf(code) })).status).toBe(403)
    expect((await send(browser, { password: 'wrong', code })).status).toBe(403)
  }
  const answer = await send(browser, { code })
  expect([answer.status, hasSession(answer)]).toEqual([429, false])
  expect(gate.told('the code was not').length).toBe(5)
  expect(gate.log.join()).not.toContain(code)
})

test('from many addresses, codes beside the right password are held up for that name, and it looks like any wrong one', async () => {
  await using gate = await start()
  const code = codeAt(gate.clock.now())
  for (let times = 0; times < 10; times++) {
    expect((await send(browserOf(gate), { code: wrongOf(code) }, `192.0.2.${times + 10}`)).status).toBe(403)
  }
  const right = await send(browserOf(gate), { code }, '192.0.2.99')
  expect([right.status, hasSession(right)]).toEqual([403, false])
  expect(gate.told('too many wrong codes').length).toBe(1)
  expect(hasSession(await send(browserOf(gate), { name: 'bob' }, '192.0.2.98'))).toBe(true)
  gate.clock.advance(5 * 60_000)
  expect(hasSession(await send(browserOf(gate), { code: codeAt(gate.clock.now()) }, '192.0.2.97'))).toBe(true)
})

test('and several processes hold them up together', async () => {
  await using gate = await start()
  const { clock } = gate
  const store = `sqlite:${join(gate.folder, 'sallyport.db')}`
  const others = { store, ports: { now: clock.now }, files: USERS, server: 'trusted_proxies = ["127.0.0.1"]' }
  await using one = await startGate(FILE, others)
  await using two = await startGate(FILE, others)
  const code = codeAt(clock.now())
  for (let times = 0; times < 10; times++) {
    const gate = times % 2 === 0 ? one : two
    expect((await send(browserOf(gate), { code: wrongOf(code) }, `192.0.2.${times + 10}`)).status).toBe(403)
  }
  for (const [index, gate] of [one, two].entries()) {
    expect(hasSession(await send(browserOf(gate), { code }, `192.0.2.${index + 90}`))).toBe(false)
    expect(gate.told('too many wrong codes').length).toBe(1)
  }
})

test('without the password nobody holds its owner up, in a browser or at a network where they have signed in', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  expect(hasSession(await send(browser, { code: codeAt(gate.clock.now()) }))).toBe(true)
  gate.clock.advance(90_000)
  const code = codeAt(gate.clock.now())
  for (let times = 0; times < 30; times++) {
    await send(browserOf(gate), { password: 'wrong', code: wrongOf(code) }, `10.0.${times}.1`)
  }
  // Elsewhere, in another browser, the name has had its thirty.
  expect((await send(browserOf(gate), { code }, '203.0.113.5')).status).toBe(429)
  expect(hasSession(await send(browser, { code }, '203.0.113.5'))).toBe(true)
  gate.clock.advance(90_000)
  expect(hasSession(await send(browserOf(gate), { code: codeAt(gate.clock.now()) }))).toBe(true)
})

test('a code of another’s secret, of none, or given twice signs nobody in', async () => {
  await using gate = await start()
  const now = gate.clock.now()
  for (const code of [
    codeAt(now, 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJA'),
    codeAt(now - 90_000),
    codeAt(now + 90_000),
    '',
  ]) {
    expect(hasSession(await send(browserOf(gate), { code }))).toBe(false)
  }
  const twice = `name=ada&password=${encodeURIComponent(PASSWORD)}&code=${wrongOf(codeAt(now))}&code=${codeAt(now)}`
  const answer = await browserOf(gate).visit(LOGIN, {
    method: 'POST',
    body: twice,
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' },
  })
  expect(hasSession(answer)).toBe(false)
})

test('a name that nobody has, and a code of nobody, cost the same work as any other', async () => {
  await using gate = await start()
  const hashed = spyOn(Bun.password, 'verify')
  const validated = spyOn(TOTP, 'validate')
  try {
    const code = wrongOf(codeAt(gate.clock.now()))
    for (const [index, name] of ['ada', 'bob', 'nobody'].entries()) {
      for (const password of ['wrong', PASSWORD]) {
        hashed.mockClear()
        validated.mockClear()
        await send(browserOf(gate), { name, password, code }, `198.51.100.${index + 1}`)
        expect([name, password, hashed.mock.calls.length, validated.mock.calls.length]).toEqual([name, password, 1, 1])
      }
    }
  } finally {
    hashed.mockRestore()
    validated.mockRestore()
  }
})

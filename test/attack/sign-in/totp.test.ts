import { expect, spyOn, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TOTP } from 'otpauth'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { fakeClock } from '../../kit/clock.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { plant } from '../../kit/log/planted.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { codeAt, SECOND_FACTOR } from '../../kit/totp.ts'

const keep = untilTheEnd()
const upstream = keep(startTellingFields())
const PASSWORD = 'correct horse battery'
plant(PASSWORD, 'a password of a form')
const [hash, otherHash] = await Promise.all(
  [PASSWORD, 'another'].map(word => Bun.password.hash(word, { algorithm: 'bcrypt', cost: 4 })),
)

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

/** A form as a browser sends it, from this address. */
function post(browser: BrowserLite, fields: Readonly<Record<string, string>>, client = '192.0.2.1') {
  return browser.visit(LOGIN, {
    method: 'POST',
    body: new URLSearchParams(fields).toString(),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'sec-fetch-site': 'same-origin',
      'x-forwarded-for': client,
    },
  })
}

/** The password alone: the fields of the form for the code, if that follows. */
async function askedBy(browser: BrowserLite, { name = 'ada', password = PASSWORD }: Given = {}, client?: string) {
  const response = await post(browser, { name, password }, client)
  const text = response.status === 200 ? await response.text() : ''
  return { response, fields: text.includes('name="code"') ? htmlPage(text).form().hidden : null }
}

/** The password, and then the code where one is asked for. */
async function send(browser: BrowserLite, given: Given, client?: string): Promise<Response> {
  const { response, fields } = await askedBy(browser, given, client)
  return fields === null ? response : post(browser, { ...fields, code: given.code ?? '' }, client)
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

test('a code without the password uses nothing up, and no answer tells who has a second factor', async () => {
  await using gate = await start()
  const code = codeAt(gate.clock.now())
  const browser = browserOf(gate)
  const plain = async (fields: Readonly<Record<string, string>>) => {
    const response = await post(browser, fields)
    const text = await response.text()
    return [
      response.status,
      text.replaceAll(/(?<=name="(?:browser|proof)" value=")[^"]*|(?<=value=")(?:ada|bob|nobody)(?=")/g, ''),
    ]
  }
  const answers = [
    await plain({ name: 'ada', password: 'wrong', code }),
    await plain({ name: 'ada', password: 'wrong' }),
    await plain({ name: 'bob', password: 'wrong', code }),
    await plain({ name: 'nobody', password: PASSWORD, code }),
  ]
  for (const answer of answers) expect(answer).toEqual([403, answers[0]?.[1] ?? ''])
  expect(hasSession(await send(browser, { code }))).toBe(true)
})

test('a code counts for nothing without the proof that this password was right, in this browser', async () => {
  await using gate = await start()
  const code = codeAt(gate.clock.now())
  const [browser, thief] = [browserOf(gate), browserOf(gate)]
  const { fields } = await askedBy(browser)
  const { passed = '', proof = '' } = fields ?? {}
  expect(passed).not.toBe('')
  await thief.open(LOGIN)
  const tries: readonly (readonly [string, BrowserLite, Record<string, string>])[] = [
    ['none', browser, { name: 'ada', passed: '' }],
    ['a forged one', browser, { name: 'ada', passed: `${passed.slice(0, -4)}AAAA` }],
    ['the proof of the form', browser, { name: 'ada', passed: proof }],
    ['that of another user', browser, { name: 'bob', passed }],
    ['that of another browser', thief, { name: 'ada', passed }],
  ]
  for (const [about, sender, given] of tries) {
    const answer = await post(sender, { ...given, code })
    expect([about, answer.status, hasSession(answer), (await answer.text()).includes('name="code"')]).toEqual([
      about,
      200,
      false,
      false,
    ])
  }
  // Another password in the file makes it worth nothing.
  const users = join(gate.folder, 'users.htpasswd')
  writeFileSync(users, USERS['users.htpasswd'].replace(`ada:${hash}`, `ada:${otherHash}`))
  gate.server.reload()
  expect(hasSession(await post(browser, { ...fields, code }))).toBe(false)
  writeFileSync(users, USERS['users.htpasswd'])
  gate.server.reload()
  // What was tried in vain used nothing up.
  expect(hasSession(await post(browser, { ...fields, code }))).toBe(true)
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
  const browser = browserOf(gate)
  const { fields } = await askedBy(browser)
  const twice = `${new URLSearchParams(fields ?? {})}&code=${wrongOf(codeAt(now))}&code=${codeAt(now)}`
  const answer = await browser.visit(LOGIN, {
    method: 'POST',
    body: twice,
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' },
  })
  expect(hasSession(answer)).toBe(false)
})

test('a name that nobody has costs the same work as one that somebody has, with a second factor or without', async () => {
  await using gate = await start()
  const hashed = spyOn(Bun.password, 'verify')
  const validated = spyOn(TOTP, 'validate')
  try {
    const code = wrongOf(codeAt(gate.clock.now()))
    for (const [index, name] of ['ada', 'bob', 'nobody'].entries()) {
      hashed.mockClear()
      validated.mockClear()
      await post(browserOf(gate), { name, password: 'wrong', code }, `198.51.100.${index + 1}`)
      expect([name, hashed.mock.calls.length, validated.mock.calls.length]).toEqual([name, 1, 0])
    }
  } finally {
    hashed.mockRestore()
    validated.mockRestore()
  }
})

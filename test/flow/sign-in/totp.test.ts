import { expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { fakeClock } from '../../kit/clock.ts'
import { basic } from '../../kit/fields.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { codeAt, SECOND_FACTOR } from '../../kit/totp.ts'

const keep = untilTheEnd()
const upstream = keep(startStreaming(({ headers }) => headers.get('x-token-user-name') ?? ''))
const hash = await Bun.password.hash('secret', { algorithm: 'bcrypt', cost: 4 })

const HOME = 'home.test'
const AWAY = 'app.test'
const FILE = `[providers.people]
users = "users.htpasswd"
totp = "users.totp"
[portals.home]
url = "http://${HOME}"
insecure_cookies = true
providers = ["people"]
htpasswd = "users.htpasswd"
roles.user = { any = true }
${routeTo(upstream, AWAY, 'portal = "home"\nheaders = "x-token"\nallow = ["user"]\npasswords = true')}
${routeTo(upstream, AWAY, 'path = "/strong"\nportal = "home"\nheaders = "x-token"\nallow = [{ roles = ["user"], amr = ["otp"] }]')}
${routeTo(upstream, AWAY, 'path = "/fresh"\nportal = "home"\nheaders = "x-token"\nallow = [{ roles = ["user"], max_age = "15m" }]')}`

async function start(totp = `ada:${SECOND_FACTOR}\n`) {
  const clock = fakeClock(Date.now())
  const files = { 'users.htpasswd': `ada:${hash}\nbob:${hash}\n`, 'users.totp': totp }
  return Object.assign(await startGate(FILE, { ports: { now: clock.now }, files }), { clock })
}

const browserOf = (gate: Gate) => browserAt(gate, HOME, AWAY)
const SECRET = { password: 'secret' }

/** The page that asks for a code, or whatever else follows the right password. */
async function afterPassword(browser: BrowserLite, name: string, path = '/') {
  return browser.submit(await browser.open(`http://${AWAY}${path}`), { name, ...SECRET })
}

test('who has a second factor is asked for its code after the password, and a rule can ask for it', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  const form = await browser.open(`http://${AWAY}/strong`)
  expect(form.html.has('input[name="code"]')).toBe(false)
  const asked = await browser.submit(form, { name: 'ada', ...SECRET })
  expect([asked.response.status, asked.html.field('Code').attribute('autocomplete')]).toEqual([200, 'one-time-code'])
  expect(asked.html.has('input[type="password"]')).toBe(false)
  expect((await browser.visit(`http://${AWAY}/strong`)).status).toBe(302)
  const wrong = await browser.submit(asked, { code: '' })
  expect([wrong.response.status, wrong.text.includes('The code is not right')]).toEqual([403, true])
  const page = await browser.submit(wrong, { code: codeAt(gate.clock.now()) })
  expect([page.address.href, page.text]).toEqual([`http://${AWAY}/strong`, 'ada'])
})

test('who has none never sees the field, and a rule that asks for a code refuses them', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  expect((await afterPassword(browser, 'bob')).text).toBe('bob')
  const strong = await afterPassword(browser, 'bob', '/strong')
  expect(strong.response.status).toBe(403)
})

test('a rule with max_age asks for password and code again', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  await browser.submit(await afterPassword(browser, 'ada'), { code: codeAt(gate.clock.now()) })
  gate.clock.advance(20 * 60_000)
  const asked = await afterPassword(browser, 'ada', '/fresh')
  const refused = await browser.submit(asked, { code: '' })
  expect(refused.response.status).toBe(403)
  expect((await browser.submit(refused, { code: codeAt(gate.clock.now()) })).text).toBe('ada')
})

test('a code that comes too late after the password leads back to the password, with the name', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  const asked = await afterPassword(browser, 'ada')
  gate.clock.advance(10 * 60_000)
  const again = await browser.submit(asked, { code: codeAt(gate.clock.now()) })
  expect([again.html.has('input[name="code"]'), again.html.field('User name').attribute('value')]).toEqual([
    false,
    'ada',
  ])
  const page = await browser.submit(await browser.submit(again, { name: 'ada', ...SECRET }), {
    code: codeAt(gate.clock.now()),
  })
  expect(page.text).toBe('ada')
})

test('a save that gives somebody a second factor, or another, ends what they signed in with before, and nobody else’s', async () => {
  await using gate = await start('')
  const [ada, bob] = [browserOf(gate), browserOf(gate)]
  for (const [browser, name] of [
    [ada, 'ada'],
    [bob, 'bob'],
  ] as const)
    expect((await afterPassword(browser, name)).text).toBe(name)
  writeFileSync(join(gate.folder, 'users.totp'), `ada:${SECOND_FACTOR}\n`)
  gate.server.reload()
  await eventually(async () => (await ada.visit(`http://${AWAY}/`)).status === 302, 'ada is out')
  expect((await bob.visit(`http://${AWAY}/`)).status).toBe(200)
})

test('HTTP Basic, which has no place for a code, is refused to who has one, and to nobody else', async () => {
  await using gate = await start()
  const ask = async (name: string) =>
    (await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: AWAY, ...basic(`${name}:secret`) } })).status
  expect([await ask('ada'), await ask('bob')]).toEqual([401, 200])
})

test('a file that is gone takes no second factor with it: what was in force stays, and is told', async () => {
  await using gate = await start()
  rmSync(join(gate.folder, 'users.totp'))
  gate.server.reload()
  await eventually(() => gate.told('has errors', 'users.totp').length > 0, 'the mistake is told')
  const browser = browserOf(gate)
  const page = await afterPassword(browser, 'ada')
  expect([page.response.status, page.html.has('input[name="code"]')]).toEqual([200, true])
})

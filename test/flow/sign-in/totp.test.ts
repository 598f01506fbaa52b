import { expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
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
const given = (gate: Awaited<ReturnType<typeof start>>, name: string, code = codeAt(gate.clock.now())) => ({
  name,
  password: 'secret',
  code,
})

test('who has a second factor signs in with a code besides, and a rule can ask for it', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  const form = await browser.open(`http://${AWAY}/strong`)
  expect(form.html.field('Code').attribute('autocomplete')).toBe('one-time-code')
  const wrong = await browser.submit(form, given(gate, 'ada', ''))
  expect([wrong.response.status, wrong.text.includes('or the code is not right')]).toEqual([403, true])
  const page = await browser.submit(wrong, given(gate, 'ada'))
  expect([page.address.href, page.text]).toEqual([`http://${AWAY}/strong`, 'ada'])
})

test('who has none leaves the field empty, and a rule that asks for a code refuses them', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  const page = await browser.submit(await browser.open(`http://${AWAY}/`), given(gate, 'bob', ''))
  expect(page.text).toBe('bob')
  const strong = await browser.submit(await browser.open(`http://${AWAY}/strong`), given(gate, 'bob', ''))
  expect(strong.response.status).toBe(403)
})

test('where nobody has one there is no such field', async () => {
  await using gate = await start('# nobody yet\n')
  expect((await browserOf(gate).open(`http://${AWAY}/`)).text).not.toContain('one-time-code')
})

test('a rule with max_age asks for password and code again', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  await browser.submit(await browser.open(`http://${AWAY}/`), given(gate, 'ada'))
  gate.clock.advance(20 * 60_000)
  const again = await browser.open(`http://${AWAY}/fresh`)
  const refused = await browser.submit(again, given(gate, 'ada', ''))
  expect(refused.response.status).toBe(403)
  expect((await browser.submit(refused, given(gate, 'ada'))).text).toBe('ada')
})

test('a save that gives somebody a second factor, or another, ends what they signed in with before, and nobody else’s', async () => {
  await using gate = await start('')
  const [ada, bob] = [browserOf(gate), browserOf(gate)]
  await ada.submit(await ada.open(`http://${AWAY}/`), { name: 'ada', password: 'secret' })
  await bob.submit(await bob.open(`http://${AWAY}/`), { name: 'bob', password: 'secret' })
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
  await eventually(() => gate.told('has mistakes', 'users.totp').length > 0, 'the mistake is told')
  const browser = browserOf(gate)
  const page = await browser.submit(await browser.open(`http://${AWAY}/`), given(gate, 'ada', ''))
  expect(page.response.status).toBe(403)
})

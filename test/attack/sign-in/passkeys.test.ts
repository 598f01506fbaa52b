import { describe, expect, test } from 'bun:test'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { fakeClock } from '../../kit/clock.ts'
import { basic } from '../../kit/fields.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import {
  APP,
  accept,
  enrol,
  optionsOf,
  PASSWORD,
  type PasskeyGate,
  sendPasskey,
  signInBy,
  startPasskeyGate,
  user,
} from '../../kit/passkey-gate.ts'
import { clonePasskey, createPasskey, showPasskey, type Wrong } from '../../kit/passkeys.ts'
import { codeAt } from '../../kit/totp.ts'

const hasSession = (response: Response) => response.headers.getSetCookie().some(line => /^sallyport=[^;]/.test(line))
const OWN = { 'sec-fetch-site': 'same-origin', 'content-type': 'application/x-www-form-urlencoded' }

/** Ada with a passkey. */
async function withAda(gate: PasskeyGate, wrong: Parameters<typeof accept>[2] = {}) {
  const { passkey } = await accept(gate.browser(), (await gate.invite('ada')).link, wrong)
  return passkey
}

/** What the log says of the last refusal. */
const why = (gate: PasskeyGate) => gate.told('A passkey was refused').at(-1) ?? ''

const gate = untilTheEnd()(await startPasskeyGate())
const shared = { gate, passkey: await withAda(gate) }

describe('a passkey signs nobody in', () => {
  test.each<[string, Wrong, string]>([
    ['at another origin', { origin: 'https://auth.localhost.evil.test' }, 'origin'],
    ['at another port of the host', { origin: 'http://auth.localhost' }, 'origin'],
    ['for another RP ID', { rpId: 'localhost' }, 'RP ID'],
    ['in another ceremony', { type: 'webauthn.create' }, 'type'],
    ['with another challenge', { challenge: 'YW5vdGhlciBjaGFsbGVuZ2U' }, 'challenge'],
    ['without user verification', { isVerified: false }, 'verif'],
    ['without anybody there', { isPresent: false }, 'present'],
    ['out of a frame of another site', { crossOrigin: true }, 'frame'],
    ['by a signature of something else', { signature: Buffer.from('no signature') }, ''],
    ['with the handle of nobody', { handle: 'bm9ib2R5' }, 'unknown user'],
    ['with no handle', { handle: null }, 'names no user'],
    ['with an unknown id', { id: 'dW5rbm93bg' }, 'unknown passkey'],
    ['that cannot be synced and says it can', { isSyncable: true }, 'synced'],
  ])('%s', async (_, wrong, reason) => {
    const { gate, passkey } = shared
    const page = await signInBy(gate.browser(), `${gate.app}/`, passkey, wrong)
    expect([page.response.status, hasSession(page.response)]).toEqual([403, false])
    expect(page.html.text).toContain('The passkey was not accepted.')
    expect(why(gate)).toContain(reason)
    // Nothing was ended by it.
    expect((await signInBy(gate.browser(), `${gate.app}/`, passkey)).response.status).toBe(200)
  })

  test('of somebody else, whose handle it names', async () => {
    await using gate = await startPasskeyGate()
    const ada = await withAda(gate)
    const { passkey: grace } = await accept(gate.browser(), (await gate.invite('grace')).link)
    const page = await signInBy(gate.browser(), `${gate.app}/`, grace, { handle: ada.handle })
    expect(page.response.status).toBe(403)
    const forged = await signInBy(gate.browser(), `${gate.app}/`, { ...grace, id: ada.id }, { handle: ada.handle })
    expect(forged.response.status).toBe(403)
  })

  test('a second time, for any browser and any gate of the store', async () => {
    using folder = temporaryFolder()
    const store = `sqlite:${folder.path}/sallyport.db`
    await using one = await startPasskeyGate({ store })
    await using two = await startPasskeyGate({ beside: { portal: one.portal, store } })
    const passkey = await withAda(one)
    const browser = one.browser()
    const page = await browser.open(`${one.app}/`)
    const answer = showPasskey(passkey, optionsOf(page), page.address.origin)
    const { action, hidden } = page.html.form(page.html.one('input[name="ceremony"]').attribute('value') ?? '')
    const body = new URLSearchParams({ ...hidden, passkey: answer }).toString()
    const cookie = browser.cookieHeader(new URL(one.portal))
    const host = new URL(one.portal).host
    const send = ({ port }: PasskeyGate, fields: Record<string, string>) =>
      fetch(`http://127.0.0.1:${port}${action}`, {
        method: 'POST',
        redirect: 'manual',
        body,
        headers: { ...OWN, host, accept: 'text/html', ...fields },
      })
    // In another browser it is not even the form of that one.
    expect((await send(two, {})).status).toBe(403)
    const statuses = await Promise.all([send(one, { cookie }), send(two, { cookie })])
    expect(statuses.map(({ status }) => status).sort()).toEqual([303, 403])
    expect((await send(two, { cookie })).status).toBe(403)
  })

  test('whose page was open for too long', async () => {
    const clock = fakeClock(Date.now())
    await using gate = await startPasskeyGate({ ports: { now: clock.now } })
    const passkey = await withAda(gate)
    const browser = gate.browser()
    const page = await browser.open(`${gate.app}/`)
    const answer = showPasskey(passkey, optionsOf(page), page.address.origin)
    clock.advance(61 * 60_000)
    const late = await sendPasskey(browser, page, answer)
    expect([late.response.status, hasSession(late.response)]).toEqual([403, false])
  })

  test('that was made on another page than one to sign in', async () => {
    await using gate = await startPasskeyGate()
    const passkey = await withAda(gate)
    const browser = gate.browser()
    const invited = await browser.submit(await browser.open((await gate.invite('grace')).link))
    const page = await browser.open(`${gate.app}/`)
    const answer = showPasskey(passkey, optionsOf(invited), page.address.origin)
    const ceremony = invited.html.one('input[name="ceremony"]').attribute('value') ?? ''
    expect((await sendPasskey(browser, page, answer, { ceremony })).response.status).toBe(403)
  })

  test('whose user left the file, or came into it anew', async () => {
    await using gate = await startPasskeyGate()
    const passkey = await withAda(gate)
    const isRefused = async () => (await signInBy(gate.browser(), `${gate.app}/`, passkey)).response.status === 403
    gate.saveUsers(user('grace'))
    await eventually(isRefused, 'ada is gone')
    gate.saveUsers(user('grace') + user('ada', '', 'another-ada'))
    expect(await isRefused()).toBe(true)
    expect(why(gate)).toContain('unknown user')
  })

  test('once its counter went back: there are two of it, and it is gone, with who came by it', async () => {
    await using gate = await startPasskeyGate()
    const passkey = await withAda(gate, { counter: 1 })
    const copy = clonePasskey(passkey)
    const [owner, thief] = [gate.browser(), gate.browser()]
    await signInBy(owner, `${gate.app}/`, passkey, { counter: 7 })
    const page = await signInBy(thief, `${gate.app}/`, copy, { counter: 6 })
    expect([page.response.status, gate.told('passkey.cloned').length]).toEqual([403, 1])
    expect((await owner.visit(`${gate.app}/`)).status).toBe(302)
    for (const counter of [8, 9]) {
      expect((await signInBy(gate.browser(), `${gate.app}/`, passkey, { counter })).response.status).toBe(403)
    }
    expect(why(gate)).toContain('unknown passkey')
  })

  test('for a counter that nobody vouches for: a wrong signature ends nothing', async () => {
    await using gate = await startPasskeyGate()
    const passkey = await withAda(gate, { counter: 5 })
    const forged = { counter: 0, signature: Buffer.from('no signature') }
    expect((await signInBy(gate.browser(), `${gate.app}/`, passkey, forged)).response.status).toBe(403)
    expect((await signInBy(gate.browser(), `${gate.app}/`, passkey, { counter: 6 })).response.status).toBe(200)
  })
})

describe('an invitation', () => {
  const post = (gate: PasskeyGate, browser: BrowserLite, fields: Record<string, string>, headers = {}) =>
    browser.visit(`${gate.portal}/.sallyport/invitation`, {
      method: 'POST',
      body: new URLSearchParams(fields).toString(),
      headers: { ...OWN, ...headers },
    })

  test('is not used by who only looks at it: scanners, previews and HEAD', async () => {
    await using gate = await startPasskeyGate()
    const { link } = await gate.invite('ada')
    for (const method of ['GET', 'HEAD', 'GET']) {
      const scanner = new BrowserLite({ hosts: { [new URL(gate.portal).host]: `127.0.0.1:${gate.port}` } })
      expect((await scanner.visit(link, { method })).status).toBe(200)
    }
    const { page } = await accept(gate.browser(), link)
    expect(page.address.pathname).toBe('/.sallyport/')
  })

  test('lets in once: who stole it comes second, also at once, and also who has the page open', async () => {
    await using gate = await startPasskeyGate()
    const { link } = await gate.invite('ada')
    const [owner, thief, late] = [gate.browser(), gate.browser(), gate.browser()]
    const pages = await Promise.all([owner, thief, late].map(async browser => browser.submit(await browser.open(link))))
    const [first, second, third] = pages
    if (first === undefined || second === undefined || third === undefined) throw new Error('three pages')
    const both = await Promise.all([enrol(owner, first), enrol(thief, second)])
    expect(both.map(({ page }) => page.response.status).sort()).toEqual([200, 404])
    const { page, passkey } = await enrol(late, third)
    expect([page.response.status, page.html.text.includes('This invitation is not valid')]).toEqual([404, true])
    expect((await signInBy(gate.browser(), `${gate.app}/`, passkey)).response.status).toBe(403)
    expect((await gate.browser().open(link)).response.status).toBe(404)
  })

  test('is ended by a newer one, and by a day', async () => {
    const clock = fakeClock(Date.now())
    await using gate = await startPasskeyGate({ ports: { now: clock.now } })
    const [older, newer] = [await gate.invite('ada'), await gate.invite('ada')]
    const statusOf = async (link: string) => (await gate.browser().open(link)).response.status
    expect([await statusOf(older.link), await statusOf(newer.link)]).toEqual([404, 200])
    const { link } = await gate.invite('grace')
    clock.advance(24 * 60 * 60_000 - 60_000)
    expect(await statusOf(link)).toBe(200)
    clock.advance(2 * 60_000)
    expect([await statusOf(link), await statusOf(newer.link)]).toEqual([404, 404])
  })

  test('is for the user, and not for the name: removed and added again, or changed by the operator, it invites nobody', async () => {
    await using gate = await startPasskeyGate()
    const { link } = await gate.invite('ada')
    const isGone = async () => (await gate.browser().open(link)).response.status === 404
    gate.saveUsers(user('grace') + user('ada', '', 'another-ada'))
    await eventually(isGone, 'the next ada is not invited')
    gate.saveUsers(user('grace') + user('ada', 'totp = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"'))
    expect(await isGone()).toBe(true)
  })

  test('is kept as a hash, and stands in no log and no page but its own', async () => {
    await using gate = await startPasskeyGate()
    const { link } = await gate.invite('ada')
    const secret = new URL(link).searchParams.get('link') ?? ''
    expect(secret).toMatch(/^si_[A-Za-z0-9_-]{43}$/)
    await accept(gate.browser(), link)
    const { link: unused } = await gate.invite('grace')
    const other = new URL(unused).searchParams.get('link') ?? ''
    const files = await Promise.all(
      ['sallyport.db', 'sallyport.db-wal'].map(name =>
        Bun.file(`${gate.folder}/${name}`)
          .text()
          .catch(() => ''),
      ),
    )
    const all = [...files, ...gate.log, ...gate.access].join('\n')
    expect([all.includes(secret), all.includes(other)]).toEqual([false, false])
  })

  test('guesses are limited, and in the trail', async () => {
    await using gate = await startPasskeyGate({ server: 'sign_in_rate = { requests = 5, per = "1m" }' })
    const browser = gate.browser()
    const guess = () => browser.open(`${gate.portal}/.sallyport/invitation?link=si_${'A'.repeat(43)}`)
    const statuses: number[] = []
    for (let times = 0; times < 8; times++) statuses.push((await guess()).response.status)
    expect(statuses.slice(0, 3)).toEqual([404, 404, 404])
    expect(statuses).toContain(429)
    await eventually(() => gate.told('invitation.refused').length > 0, 'the trail has it')
  })

  test.each<[string, Record<string, string>]>([
    ['of another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' }],
    ['of an application of this site', { 'sec-fetch-site': 'same-site', origin: 'http://app.localhost' }],
    ['by its Origin alone', { 'sec-fetch-site': '', origin: 'https://evil.test' }],
    ['without a page in this browser', {}],
  ])('is not accepted by a form %s: nobody is made to sign in as somebody else', async (_, headers) => {
    await using gate = await startPasskeyGate()
    const { link } = await gate.invite('grace')
    const secret = new URL(link).searchParams.get('link') ?? ''
    const [attacker, victim] = [gate.browser(), gate.browser()]
    // The attacker has the page, and all that it holds.
    const page = await attacker.submit(await attacker.open(link))
    const { hidden } = page.html.form(page.html.one('input[name="ceremony"]').attribute('value') ?? '')
    const { answer } = createPasskey(optionsOf(page), page.address.origin)
    for (const fields of [{ link: secret }, hidden, { ...hidden, passkey: answer }]) {
      const sent = await post(gate, victim, fields, headers)
      expect([sent.status, hasSession(sent)]).toEqual([403, false])
    }
    expect((await gate.browser().open(link)).response.status).toBe(200)
  })

  test('a passkey that is not good uses nothing', async () => {
    await using gate = await startPasskeyGate()
    const { link } = await gate.invite('ada')
    for (const wrong of [{ isVerified: false }, { origin: 'https://evil.test' }, { rpId: 'evil.test' }]) {
      const { page } = await accept(gate.browser(), link, wrong)
      expect([page.response.status, page.html.hasButton('Create a passkey')]).toEqual([403, true])
    }
    expect((await accept(gate.browser(), link)).page.response.status).toBe(200)
  })

  test('takes over what somebody has: other sessions end, the old passkey stays, and its owner is told once', async () => {
    await using gate = await startPasskeyGate({ provider: 'passwords = false' })
    const owner = gate.browser()
    const { passkey } = await accept(owner, (await gate.invite('ada')).link)
    expect((await owner.visit(`${gate.app}/`)).status).toBe(302)
    expect((await owner.open(`${gate.app}/`)).response.status).toBe(200)
    const { link, said } = await gate.invite('ada')
    expect(said).toContain('ada has a passkey')
    const thief = gate.browser()
    const { passkey: second } = await accept(thief, link)
    expect((await owner.visit(`${gate.app}/`)).status).toBe(302)
    expect((await thief.open(`${gate.app}/`)).response.status).toBe(200)
    // The one that is new has nothing to tell.
    expect((await signInBy(gate.browser(), `${gate.app}/`, second)).address.host).toContain(APP)
    const told = await signInBy(owner, `${gate.app}/deep`, passkey)
    expect(told.html.text).toContain('A passkey was added to your account')
    expect(told.html.text).toContain('laptop')
    expect((await owner.follow(told, 'Continue')).address.href).toBe(`${gate.app}/deep`)
    expect((await signInBy(gate.browser(), `${gate.app}/deep`, passkey)).address.href).toBe(`${gate.app}/deep`)
  })
})

test('who has a password is told at the next sign-in by it that somebody was invited in their name', async () => {
  await using gate = await startPasskeyGate()
  const invited = gate.browser()
  const { link } = await gate.invite('ada')
  await accept(invited, link)
  const owner = gate.browser()
  const given = { name: 'ada', password: PASSWORD }
  // Nobody is warned of their own passkey.
  expect((await invited.open(`${new URL(link).origin}/.sallyport/account`)).html.text).not.toContain('was added')
  const told = await owner.submit(await owner.open(`${gate.app}/deep`), given)
  expect(told.html.text).toContain('A passkey was added to your account')
  expect((await owner.follow(told, 'Continue')).address.href).toBe(`${gate.app}/deep`)
  const other = gate.browser()
  const again = await other.submit(await other.open(`${gate.app}/deep`), given)
  expect(again.address.href).toBe(`${gate.app}/deep`)
})

describe('where a provider takes no passwords', () => {
  test('the form, HTTP Basic and codes are closed, also for who has the page from before', async () => {
    await using gate = await startPasskeyGate({
      users: user('ada') + user('grace', `totp = "${'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'}"`),
      portal: 'htpasswd = "users.toml"',
      route: 'passwords = true',
    })
    const asBasic = async () =>
      (await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: APP, ...basic(`ada:${PASSWORD}`) } })).status
    const [ada, grace] = [gate.browser(), gate.browser()]
    const page = await ada.open(`${gate.app}/`)
    const code = await grace.submit(await grace.open(`${gate.app}/`), { name: 'grace', password: PASSWORD })
    expect([await asBasic(), code.html.has('input[name="code"]')]).toEqual([200, true])
    gate.save(gate.text.replace('users = "users.toml"', 'users = "users.toml"\npasswords = false'))
    gate.server.reload()
    await eventually(async () => (await asBasic()) === 401, 'Basic is closed')
    const sent = await ada.submit(page, { name: 'ada', password: PASSWORD })
    expect([sent.response.status, hasSession(sent.response)]).toEqual([403, false])
    const late = await grace.submit(code, { code: codeAt(Date.now()) })
    expect([late.response.status, late.html.has('input[type="password"]')]).toEqual([403, false])
  })
})

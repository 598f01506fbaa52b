import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import type { BrowserLite, Page } from '../../kit/browser/browser-lite.ts'
import { fakeClock } from '../../kit/clock.ts'
import {
  AUTH,
  accept,
  enrol,
  optionsOf,
  PASSWORD,
  type PasskeyGate,
  sendPasskey,
  signInBy,
  startPasskeyGate,
} from '../../kit/passkey-gate.ts'
import { createPasskey, showPasskey } from '../../kit/passkeys.ts'

const account = (gate: PasskeyGate) => `${gate.portal}/.sallyport/account`

async function signedIn(gate: PasskeyGate, name = 'ada'): Promise<BrowserLite> {
  const browser = gate.browser()
  await browser.submit(await browser.open(`${gate.portal}/.sallyport/login`), { name, password: PASSWORD })
  return browser
}

/** Sends one of the forms of the page, as the page has it. */
function change(browser: BrowserLite, page: Page, act: string, fields: Record<string, string> = {}) {
  return browser.submit(page, fields, act)
}

const namesOf = (page: Page) => page.html.texts('main .rows h3')
const isIn = async (gate: PasskeyGate, browser: BrowserLite) => (await browser.visit(`${gate.app}/`)).status === 200

test('a user adds a passkey with the present password, signs in by it, and removes it; others are signed out each time', async () => {
  await using gate = await startPasskeyGate()
  const [ada, other] = [await signedIn(gate), await signedIn(gate)]
  for (const browser of [ada, other]) await browser.open(`${gate.app}/`)
  const page = await ada.open(account(gate))
  const wrong = await change(ada, page, 'passkey', { present: 'wrong' })
  expect([wrong.response.status, wrong.html.has('form[data-options]')]).toEqual([403, false])
  const asked = await change(ada, page, 'passkey', { present: PASSWORD })
  expect(asked.response.headers.get('content-security-policy')).toMatch(/script-src 'sha256-/)
  expect(await isIn(gate, other)).toBe(true)
  const { page: done, passkey } = await enrol(ada, asked)
  expect([done.response.status, namesOf(done)]).toEqual([200, ['laptop']])
  expect([await isIn(gate, ada), await isIn(gate, other)]).toEqual([true, false])
  expect(gate.told('passkey.added', 'htpasswd:ada')).toHaveLength(1)
  const phone = gate.browser()
  expect((await signInBy(phone, `${gate.app}/`, passkey)).text).toContain('htpasswd:ada')
  const removed = await change(ada, await ada.open(account(gate)), 'passkey-remove', { present: PASSWORD })
  expect([removed.response.status, namesOf(removed), await isIn(gate, phone)]).toEqual([200, [], false])
  expect(gate.told('passkey.removed', 'htpasswd:ada', '"passkey":"laptop"')).toHaveLength(1)
  expect((await signInBy(gate.browser(), `${gate.app}/`, passkey)).response.status).toBe(403)
})

test('where there are passkeys alone, one that was just shown confirms a change, and the last one stays', async () => {
  const clock = fakeClock(Date.now())
  await using gate = await startPasskeyGate({ provider: 'passwords = false', ports: { now: clock.now } })
  const ada = gate.browser()
  const { passkey } = await accept(ada, (await gate.invite('ada')).link)
  const fresh = await ada.open(account(gate))
  expect([fresh.html.has('input[type="password"]'), fresh.html.has('input[value="passkey-remove"]')]).toEqual([
    false,
    false,
  ])
  clock.advance(6 * 60_000)
  const old = await ada.open(account(gate))
  expect([old.html.has('input[value="passkey"]'), old.html.link('Confirm with a passkey') === null]).toEqual([
    false,
    false,
  ])
  // The page from before confirms nothing any more.
  expect((await change(ada, fresh, 'passkey')).response.status).toBe(403)
  const login = await ada.follow(old, 'Confirm with a passkey')
  const back = await sendPasskey(ada, login, showPasskey(passkey, optionsOf(login), login.address.origin))
  expect(back.address.pathname).toBe('/.sallyport/account')
  const { page: two, passkey: second } = await enrol(ada, await change(ada, back, 'passkey'))
  expect(namesOf(two)).toHaveLength(2)
  const one = await change(ada, two, 'passkey-remove')
  expect([one.response.status, namesOf(one).length, one.html.has('input[value="passkey-remove"]')]).toEqual([
    200,
    1,
    false,
  ])
  const { hidden } = one.html.form('passkey')
  const forced = await ada.submit(one, { ...hidden, act: 'passkey-remove', id: second.id }, 'passkey')
  expect(forced.response.status).toBe(403)
  expect((await signInBy(gate.browser(), `${gate.app}/`, second)).response.status).toBe(200)
})

test('a passkey is added only as it was confirmed: by this session, for this account, with what was to end', async () => {
  await using gate = await startPasskeyGate()
  const [ada, other] = [await signedIn(gate), await signedIn(gate)]
  const asked = await change(ada, await ada.open(account(gate)), 'passkey', { present: PASSWORD })
  const { answer } = createPasskey(optionsOf(asked), asked.address.origin)
  const others = await other.open(account(gate))
  const ceremony = asked.html.one('input[name="ceremony"]').attribute('value') ?? ''
  const { hidden } = others.html.form('passkey')
  const stolen = await other.submit(others, { ...hidden, act: 'passkey-made', ceremony, passkey: answer }, 'passkey')
  expect(stolen.response.status).toBe(409)
  expect((await sendPasskey(ada, asked, answer, { tokens: '1' })).response.status).toBe(409)
  expect((await sendPasskey(ada, asked, answer)).response.status).toBe(200)
  // The same once more: the account is another by now.
  expect((await sendPasskey(ada, asked, answer)).response.status).toBe(409)
  expect(namesOf(await ada.open(account(gate)))).toHaveLength(1)
})

test('a passkey that is not good changes nothing, and the page is there again', async () => {
  await using gate = await startPasskeyGate()
  const ada = await signedIn(gate)
  const asked = await change(ada, await ada.open(account(gate)), 'passkey', { present: PASSWORD })
  const { page } = await enrol(ada, asked, { isVerified: false })
  expect([page.response.status, page.html.text.includes('The passkey was not accepted.')]).toEqual([403, true])
  expect((await enrol(ada, page)).page.response.status).toBe(200)
})

test('an invitation that is open ends with what its user changes: whoever has the link has nothing of it any more', async () => {
  await using gate = await startPasskeyGate()
  const { link } = await gate.invite('ada')
  const ada = await signedIn(gate)
  const asked = await change(ada, await ada.open(account(gate)), 'passkey', { present: PASSWORD })
  const other = gate.browser()
  const accepted = await other.submit(await other.open(link))
  expect((await enrol(ada, asked)).page.response.status).toBe(200)
  expect((await enrol(other, accepted)).page.response.status).toBe(404)
  expect((await gate.browser().open(link)).response.status).toBe(404)
  expect(namesOf(await ada.open(account(gate)))).toHaveLength(1)
})

test('an invitation is as good as before where the store could not end what its user had', async () => {
  await using gate = await startPasskeyGate()
  const before = await signedIn(gate)
  await before.open(`${gate.app}/`)
  const { link } = await gate.invite('ada')
  const ada = gate.browser()
  const page = await ada.submit(await ada.open(link))
  const database = new Database(join(gate.folder, 'sallyport.db'))
  database.run("CREATE TRIGGER keep BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'not now'); END")
  expect((await enrol(ada, page)).page.response.status).toBe(503)
  database.run('DROP TRIGGER keep')
  database.close()
  expect((await accept(ada, link)).page.response.status).toBe(200)
  expect(namesOf(await ada.open(account(gate)))).toEqual(['laptop'])
  expect(await isIn(gate, before)).toBe(false)
})

test('a passkey that was added is in the audit trail, though the store fails right after that', async () => {
  await using gate = await startPasskeyGate()
  const database = new Database(join(gate.folder, 'sallyport.db'))
  const failOnceAdded = () =>
    database.run(`CREATE TRIGGER fail BEFORE INSERT ON removed
      WHEN NEW.is_update = 2 AND EXISTS (SELECT 1 FROM accounts WHERE value LIKE '%laptop%')
      BEGIN SELECT RAISE(ABORT, 'not now'); END`)
  const mend = () => database.run('DROP TRIGGER fail')
  const ada = await signedIn(gate)
  const asked = await change(ada, await ada.open(account(gate)), 'passkey', { present: PASSWORD })
  failOnceAdded()
  expect((await enrol(ada, asked)).page.response.status).toBe(503)
  mend()
  expect(namesOf(await ada.open(account(gate)))).toEqual(['laptop'])
  expect(gate.told('passkey.added', 'htpasswd:ada')).toHaveLength(1)
  await change(ada, await ada.open(account(gate)), 'passkey-remove', { present: PASSWORD })
  const { link } = await gate.invite('ada')
  const page = await ada.submit(await ada.open(link))
  failOnceAdded()
  expect((await enrol(ada, page)).page.response.status).toBe(503)
  mend()
  database.close()
  expect(gate.told('invitation.used', 'htpasswd:ada')).toHaveLength(1)
})

test('an invitation by which nothing can be added ends nothing: the same passkey again', async () => {
  await using gate = await startPasskeyGate()
  const ada = gate.browser()
  const rawId = Buffer.alloc(32, 1)
  expect((await accept(ada, (await gate.invite('ada')).link, { rawId })).page.response.status).toBe(200)
  await ada.open(`${gate.app}/`)
  const { link } = await gate.invite('ada')
  expect((await accept(gate.browser(), link, { rawId })).page.response.status).toBe(403)
  expect(await isIn(gate, ada)).toBe(true)
  expect((await accept(gate.browser(), link)).page.response.status).toBe(200)
  expect(await isIn(gate, ada)).toBe(false)
})

test('a passkey that was shown confirms nothing for another cookie of the session, which was there before', async () => {
  await using gate = await startPasskeyGate()
  const { passkey } = await accept(gate.browser(), (await gate.invite('ada')).link)
  const ada = gate.browser()
  // As by two tabs at once.
  const tabs = [await ada.open(account(gate)), await ada.open(account(gate))]
  const cookies: string[] = []
  for (const tab of tabs) {
    ada.forget(AUTH, 'sallyport')
    const told = await ada.submit(tab, { name: 'ada', password: PASSWORD })
    expect(told.response.status).toBe(200)
    cookies.push(ada.cookie(AUTH, 'sallyport') ?? '')
  }
  const before = gate.browser()
  before.plant(AUTH, 'sallyport', cookies[0] ?? '')
  const login = await ada.open(`${gate.portal}/.sallyport/login?max_age=300&return=/.sallyport/account`)
  const fresh = await sendPasskey(ada, login, showPasskey(passkey, optionsOf(login), login.address.origin))
  const page = await before.open(account(gate))
  expect(page.address.pathname).toBe('/.sallyport/account')
  const asked = await change(before, page, 'passkey')
  expect([asked.response.status, asked.html.has('form[data-options]')]).toEqual([403, false])
  expect((await change(ada, fresh, 'passkey')).html.has('form[data-options]')).toBe(true)
})

test('where there are passkeys alone, a user sets no password, and no second factor of one', async () => {
  await using gate = await startPasskeyGate({ provider: 'passwords = false' })
  const ada = gate.browser()
  await accept(ada, (await gate.invite('ada')).link)
  const page = await ada.open(account(gate))
  for (const act of ['password', 'factor', 'factor-code', 'recovery']) {
    const sent = await ada.submit(page, { act, new: 'chosen by herself', again: 'chosen by herself' }, 'passkey')
    expect([act, sent.response.status]).toEqual([act, 400])
  }
  expect(gate.told('account.changed')).toHaveLength(0)
})

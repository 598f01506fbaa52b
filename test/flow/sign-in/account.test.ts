/** "Your account": users of a file change how they sign in. */

import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  ACCOUNT,
  AWAY,
  HOME,
  OF_FILE,
  OTHER,
  OWN,
  OWN_PAGE,
  sendAccount,
  setFactor,
  setPassword,
  signedIn,
  signIn,
  startAccounts,
  tablesOf,
} from '../../kit/accounts.ts'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { trailOf } from '../../kit/audit.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { htmlPage } from '../../kit/html.ts'
import { plant } from '../../kit/log/planted.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { codeAt } from '../../kit/totp.ts'

const upstream = untilTheEnd()(startTellingFields())

describe('the page', () => {
  test('lets a user choose a password, and says no more of it', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    const page = await browser.open(ACCOUNT)
    expect([page.html.link('Your account'), page.html.text]).toEqual([
      '/.sallyport/account',
      expect.stringContaining('Set by the person who runs this site'),
    ])
    const changed = await browser.submit(page, { present: OF_FILE, new: OWN, again: OWN })
    expect([changed.response.status, changed.html.text.includes('Your change is saved.')]).toEqual([200, true])
    expect(changed.text).not.toContain(OWN)
    expect((await signIn(gate, OF_FILE)).page.response.status).toBe(403)
    await signedIn(gate, OWN)
    expect(readFileSync(join(gate.folder, 'users.toml'), 'utf8')).toBe(tablesOf({}, { name: 'bob' }))
    expect(await trailOf(gate, 'account.changed')).toMatchObject([
      { user: 'htpasswd:ada', reason: 'password', number: 0 },
    ])
  })

  test('refuses a password that is short, or hardly more than the name, or typed twice in two ways', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    const faultOf = async (word: string, again = word) => {
      const { status, ...answer } = await setPassword(browser, OF_FILE, { new: word, again })
      return [status, answer.fault]
    }
    expect(await faultOf('seven77')).toEqual([422, 'short'])
    expect(await faultOf('x'.repeat(257))).toEqual([422, 'long'])
    expect(await faultOf('AdaAdaAda12')).toEqual([422, 'name'])
    expect(await faultOf('with\u0007a bell')).toEqual([422, 'control'])
    expect(await faultOf(OWN, OTHER)).toEqual([422, 'differ'])
    // The form stays open for another try: it was the only one that was in use.
    const page = await browser.open(ACCOUNT)
    const refused = await browser.submit(page, { present: OF_FILE, new: 'seven77', again: 'seven77' })
    expect([page.html, refused.html].map(({ all }) => all('details[open] h2').map(one => one.text))).toEqual([
      [],
      ['Password'],
    ])
    const wrong = refused.html.one('[role="alert"]').attribute('id')
    expect(refused.html.field('New password').attribute('aria-describedby')).toBe(`password-rules ${wrong}`)
    const differ = await browser.submit(page, { present: OF_FILE, new: OWN, again: OTHER })
    expect(differ.html.one('input[aria-invalid]').attribute('id')).toBe('again')
    await signedIn(gate)
  })

  test('takes a long password in any script, of which each character is twelve in a form', async () => {
    await using gate = await startAccounts(upstream)
    const long = '🗝'.repeat(256)
    plant(long, 'a password of a form')
    const browser = await signedIn(gate)
    expect((await setPassword(browser, OF_FILE, { new: long, again: long })).status).toBe(200)
    await signedIn(gate, long)
  })

  test('sets up a second factor by picture and code, with ten recovery codes that are shown once', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    const shown = await browser.submit(await browser.open(ACCOUNT), { act: 'factor', present: OF_FILE })
    const secret = shown.html.one('dd code').text.replaceAll(' ', '')
    plant(secret, 'the secret of a second factor')
    expect([shown.html.one('svg.qr').attribute('role'), secret.length]).toEqual(['img', 32])
    expect(shown.address.search).toBe('')
    const wrong = await browser.submit(shown, { code: '000000' })
    expect([wrong.response.status, wrong.html.one('dd code').text.replaceAll(' ', '')]).toEqual([422, secret])
    const done = await browser.submit(wrong, { code: codeAt(gate.clock.now(), secret) })
    const codes = done.html.one('code.codes').lines.trim().split('\n')
    for (const code of codes) plant(code, 'a recovery code')
    expect(done.html.texts('summary').at(-1)).toStartWith('Remove the second factor')
    expect([done.response.status, codes.length, new Set(codes).size]).toEqual([200, 10, 10])
    expect((await browser.open(ACCOUNT)).text).not.toContain(codes[0] ?? '')
    // The code that confirmed it is used up.
    expect((await signIn(gate, OF_FILE, codeAt(gate.clock.now(), secret))).page.response.status).toBe(403)
    gate.clock.advance(30_000)
    await signedIn(gate, OF_FILE, codeAt(gate.clock.now(), secret))
    expect(await trailOf(gate, 'account.changed')).toMatchObject([{ reason: 'second factor' }])
  })

  test('has four languages', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    const cookie = browser.cookieHeader(new URL(ACCOUNT))
    for (const [lang, title] of Object.entries({ de: 'Ihr Konto', fr: 'Votre compte', es: 'Tu cuenta' })) {
      const headers = { host: HOME, cookie, accept: 'text/html', 'accept-language': lang }
      const page = htmlPage(await (await fetchFrom(gate, '/.sallyport/account', headers)).text())
      expect(page.one('h1').text).toBe(title)
    }
  })

  test('is for users of a file alone', async () => {
    await using gate = await startAccounts(upstream)
    expect((await browserAt(gate, HOME).visit(ACCOUNT)).status).toBe(302)
    expect((await browserAt(gate, HOME).visit(ACCOUNT, { method: 'POST', headers: OWN_PAGE })).status).toBe(401)
  })
})

describe('a change', () => {
  test('with a wrong present password leaves its form open, with the error beside the field', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    const { codes } = await setFactor(gate, browser)
    const again = await signedIn(gate, OF_FILE, codes[0])
    for (const act of ['password', 'factor', 'recovery', 'factor-remove']) {
      const page = await again.open(ACCOUNT)
      expect(page.html.all('details[open], [role="alert"]')).toEqual([])
      const { html, response } = await again.submit(
        page,
        { present: 'a wrong one', tokens: '1', new: OWN, again: OWN },
        act,
      )
      const field = html.one(`details[open] input[id="present-${act}"]`)
      const alert = html.one('details[open] form [role="alert"]')
      expect([response.status, html.all('details[open]').length, html.all('[role="alert"]').length]).toEqual([
        403, 1, 1,
      ])
      expect(alert.text).toBe('The current password is wrong. Nothing was changed.')
      expect(['aria-invalid', 'aria-describedby', 'autofocus', 'value'].map(field.attribute)).toEqual([
        'true',
        alert.attribute('id'),
        '',
        null,
      ])
      // What else was typed is as it was, but for passwords.
      expect(html.texts('input[checked]').length).toBe(1)
      expect(html.has(`details[open] input[id="tokens-${act}"][checked]`)).toBe(true)
      expect([OWN, 'a wrong one'].filter(one => html.text.includes(one))).toEqual([])
    }
  })

  test('of something that is gone by now is told above the forms', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    const page = await browser.open(ACCOUNT)
    const { html } = await browser.submit(page, { act: 'factor-remove', present: 'a wrong one' })
    expect([html.all('details[open]').length, html.texts('[role="alert"]')]).toEqual([
      0,
      ['The current password is wrong. Nothing was changed.'],
    ])
  })

  test('is not made without the present password, and guesses there hold up the sign-in as well', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    for (const act of ['password', 'factor', 'factor-remove', 'recovery']) {
      const answer = await sendAccount(browser, { act, new: OWN, again: OWN })
      expect([act, answer.status, answer.outcome, answer.secret]).toEqual([act, 403, 'present', undefined])
    }
    for (let at = 0; at < 6; at++) expect((await setPassword(browser, `guess ${at}`)).status).toBe(403)
    expect((await setPassword(browser)).status).toBe(429)
    expect((await signIn(gate, OF_FILE)).page.response.status).toBe(429)
    expect(await trailOf(gate, 'account.changed')).toEqual([])
    expect(gate.told('without the current password', '"user":"htpasswd:ada"').length).toBeGreaterThan(0)
  })

  test('is not made by a page of another site, with the proof of another user, or without one', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    const bob = browserAt(gate, HOME, AWAY)
    await bob.submit(await bob.open(`http://${AWAY}/`), { name: 'bob', password: OF_FILE })
    const { proof = '' } = (await bob.open(ACCOUNT)).html.form('password').hidden
    const fields = { act: 'password', present: OF_FILE, new: OWN, again: OWN }
    const post = async (body: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>>) => {
      const init = { method: 'POST', body: new URLSearchParams(body).toString() }
      return (await browser.visit(ACCOUNT, { ...init, headers: { ...OWN_PAGE, ...headers } })).status
    }
    const own = (await browser.open(ACCOUNT)).html.form('password').hidden.proof ?? ''
    expect(await post({ ...fields, proof: own }, { 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await post({ ...fields, proof }, {})).toBe(403)
    expect(await post(fields, {})).toBe(403)
    await signedIn(gate)
  })

  test('is not made by a page with a key once something else has changed, or in another session', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    const { secret = '', pending = '' } = await sendAccount(browser, { act: 'factor', present: OF_FILE })
    plant(secret, 'the secret of a second factor')
    const code = () => codeAt(gate.clock.now(), secret)
    const elsewhere = await signedIn(gate)
    const late = await sendAccount(elsewhere, { act: 'factor-code', pending, code: code() })
    expect([late.status, late.outcome]).toEqual([409, 'late'])
    await setPassword(browser)
    const after = await sendAccount(browser, { act: 'factor-code', pending, code: code() })
    expect([after.status, after.outcome, after.second_factor]).toEqual([409, 'late', 'none'])
    const again = await sendAccount(browser, { act: 'factor', present: OWN })
    plant(again.secret ?? '', 'the secret of a second factor')
    gate.clock.advance(10 * 60_000)
    const tooLate = await sendAccount(browser, {
      act: 'factor-code',
      pending: again.pending ?? '',
      code: codeAt(gate.clock.now(), again.secret),
    })
    expect([tooLate.status, tooLate.second_factor]).toEqual([409, 'none'])
  })

  test('by two pages at once is one change', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    const both = await Promise.all([setPassword(browser), setPassword(browser, OF_FILE, { new: OTHER, again: OTHER })])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
  })
})

describe('recovery codes', () => {
  test('each let their user in once, who is told at the next sign-in', async () => {
    await using gate = await startAccounts(upstream)
    const { codes, code } = await setFactor(gate, await signedIn(gate))
    const [one = '', two = ''] = codes
    await signedIn(gate, OF_FILE, one)
    expect((await signIn(gate, OF_FILE, one)).page.response.status).toBe(403)
    expect(await trailOf(gate, 'account.recovery_used')).toMatchObject([{ user: 'htpasswd:ada', number: 9 }])
    const { browser, page } = await signIn(gate, OF_FILE, code())
    expect(page.html.text).toContain('A recovery code was used to sign in')
    expect((await browser.open(page.html.link('Continue') ?? '')).text).toContain('htpasswd:ada')
    gate.clock.advance(30_000)
    await signedIn(gate, OF_FILE, code())
    await signedIn(gate, OF_FILE, two)
  })

  test('are replaced by ten others, and go with the second factor', async () => {
    await using gate = await startAccounts(upstream)
    const browser = await signedIn(gate)
    const { codes } = await setFactor(gate, browser)
    const { codes: others = [] } = await sendAccount(browser, { act: 'recovery', present: OF_FILE })
    for (const code of others) plant(code, 'a recovery code')
    expect([others.length, others.filter(code => codes.includes(code))]).toEqual([10, []])
    expect((await signIn(gate, OF_FILE, codes[0])).page.response.status).toBe(403)
    await signedIn(gate, OF_FILE, others[0])
    expect((await browser.open(ACCOUNT)).html.text).toContain('A recovery code was used to sign in')
    expect(await sendAccount(browser, { act: 'factor-remove', present: OF_FILE })).toMatchObject({
      outcome: 'changed',
      second_factor: 'none',
      recovery_codes: 0,
    })
    await signIn(gate, OF_FILE)
    await signedIn(gate)
    expect((await sendAccount(browser, { act: 'recovery', present: OF_FILE })).status).toBe(400)
  })
})

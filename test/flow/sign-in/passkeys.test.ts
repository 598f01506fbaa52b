import { expect, test } from 'bun:test'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCheck } from '../../../src/cli/check.ts'
import { quietPorts } from '../../kit/clock.ts'
import { runOn } from '../../kit/commands.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { commandPorts, runIn } from '../../kit/io.ts'
import {
  APP,
  accept,
  optionsOf,
  PASSWORD,
  sendPasskey,
  signInBy,
  startPasskeyGate,
  user,
} from '../../kit/passkey-gate.ts'
import { showPasskey } from '../../kit/passkeys.ts'
import { metricOf } from '../../kit/requests.ts'

/** Whom the application is told of. */
const told = (text: string): unknown => JSON.parse(text)['x-token-subject']

/** A route that answers by itself. */
const saying = (path: string, allow: string) =>
  `[[routes]]\nhost = "${APP}"\npath = "${path}"\nrespond = { body = "${path}" }\nportal = "home"\nallow = ${allow}\n`

test('an invitation is a button, then a passkey, then the way in; and the passkey is the way in from then on', async () => {
  await using gate = await startPasskeyGate({ provider: 'passwords = false' })
  const { link, said } = await gate.invite('ada')
  expect(link).toStartWith(`${gate.portal}/.sallyport/invitation?link=si_`)
  expect(said).toContain('works once')
  const browser = gate.browser()
  const asked = await browser.open(link)
  expect([asked.response.status, asked.html.hasButton('Accept the invitation')]).toEqual([200, true])
  const { page, passkey } = await accept(browser, link)
  expect([page.address.href, page.response.status]).toEqual([`${gate.portal}/.sallyport/`, 200])
  expect(told((await browser.open(`${gate.app}/`)).text)).toBe('htpasswd:ada')
  const other = gate.browser()
  const first = await other.open(`${gate.app}/deep?x=1`)
  expect([first.html.has('input[type="password"]'), first.html.hasButton('Sign in with a passkey')]).toEqual([
    false,
    true,
  ])
  const refused = await signInBy(gate.browser(), `${gate.app}/`, passkey, { isVerified: false })
  expect(refused.response.status).toBe(403)
  const arrived = await signInBy(other, `${gate.app}/deep?x=1`, passkey)
  expect([arrived.address.href, told(arrived.text)]).toEqual([`${gate.app}/deep?x=1`, 'htpasswd:ada'])
  const counted = (result: string) => metricOf(gate, `sallyport_sign_ins_total{provider="people",result="${result}"}`)
  expect([await counted('completed'), await counted('refused')]).toEqual([2, 1])
})

test('a passkey is two factors, of which nobody says that they cannot be copied, and counts for rules that ask for them', async () => {
  const rules = ['pop', 'user', 'mfa', 'swk', 'hwk', 'pwd'].map(method =>
    saying(`/${method}`, `[{ roles = ["user"], amr = ["${method}"] }]`),
  )
  await using gate = await startPasskeyGate({ more: rules.join('') })
  const browsers = { ada: gate.browser(), grace: gate.browser() }
  await accept(browsers.ada, (await gate.invite('ada')).link)
  await accept(browsers.grace, (await gate.invite('grace')).link, { isSyncable: true, isSynced: true })
  const opens = async (name: 'ada' | 'grace') => {
    const answers = await Promise.all(
      ['pop', 'user', 'mfa', 'swk', 'hwk', 'pwd'].map(async method => [
        method,
        (await browsers[name].open(`${gate.app}/${method}`)).text === `/${method}`,
      ]),
    )
    return answers.flatMap(([method, isOpen]) => (isOpen === true ? [method] : []))
  }
  expect(await opens('ada')).toEqual(['pop', 'user', 'mfa'])
  expect(await opens('grace')).toEqual(['pop', 'user', 'mfa', 'swk'])
})

test('beside passwords the page has both, and the name field offers passkeys', async () => {
  await using gate = await startPasskeyGate()
  const browser = gate.browser()
  const page = await browser.open(`${gate.app}/`)
  expect(page.html.field('User name').attribute('autocomplete')).toBe('username webauthn')
  const policy = page.response.headers.get('content-security-policy') ?? ''
  expect(policy).toMatch(/script-src 'sha256-[^']+'(?:;|$)/)
  expect(policy).not.toContain('unsafe')
  const own = await browser.submit(page, { name: 'ada', password: PASSWORD })
  expect(told(own.text)).toBe('htpasswd:ada')
})

test('a portal without a url of its own offers no passkeys, and has no page for invitations', async () => {
  await using gate = await startPasskeyGate({ url: null })
  const page = await gate.browser().open(`${gate.app}/`)
  expect([page.html.has('form[data-options]'), page.text.includes('navigator.credentials')]).toEqual([false, false])
  await expect(gate.invite('ada')).rejects.toThrow('by https')
})

test('two gates over one store know the same passkeys, and take each challenge once', async () => {
  using folder = temporaryFolder()
  const store = `sqlite:${join(folder.path, 'sallyport.db')}`
  await using one = await startPasskeyGate({ store })
  await using two = await startPasskeyGate({ beside: { portal: one.portal, store } })
  const { passkey } = await accept(one.browser(), (await two.invite('ada')).link)
  expect(told((await signInBy(two.browser(), `${one.app}/`, passkey)).text)).toBe('htpasswd:ada')
  // The same answer at the other gate, in the same browser.
  const browser = one.browser()
  const page = await browser.open(`${one.app}/`)
  const answer = showPasskey(passkey, optionsOf(page), page.address.origin)
  const [first, second] = [await sendPasskey(browser, page, answer), await sendPasskey(browser, page, answer)]
  expect([first.response.status, second.response.status]).toEqual([200, 403])
})

test('a start and a save name who has no passkey and no other way in, and refuse nothing', async () => {
  await using gate = await startPasskeyGate({ provider: 'passwords = false' })
  const named = () => gate.told('cannot sign in before they have a passkey')
  await eventually(() => named().length === 1, 'the start has looked')
  expect(named()[0]).toContain('2 users of people cannot sign in before they have a passkey: ada, grace')
  await accept(gate.browser(), (await gate.invite('ada')).link)
  gate.saveUsers(user('ada') + user('grace') + user('heidi'))
  await eventually(() => named().length === 2, 'the save has been looked at')
  expect(named()[1]).toContain('2 users of people cannot sign in before they have a passkey: grace, heidi')
})

test('a change of the portal’s host is warned of before it orphans passkeys, by name, and after it', async () => {
  await using gate = await startPasskeyGate()
  await accept(gate.browser(), (await gate.invite('ada')).link)
  const file = readFileSync(gate.configPath, 'utf8')
  const next = join(gate.folder, 'next.toml')
  writeFileSync(next, file.replace('http://auth.localhost', 'http://login.localhost'))
  const check = (...argv: readonly string[]) => runOn(gate, (given, io, ports) => runCheck(given, io, ports), argv)
  const before = await check(gate.configPath)
  expect([before.code, before.err.includes('the passkeys of')]).toEqual([0, false])
  const changed = await check(gate.configPath, '--diff', next)
  expect([changed.code, changed.err]).toEqual([
    0,
    expect.stringContaining(
      'the passkeys of 1 user of people are for auth.localhost, where no portal of theirs is: ada',
    ),
  ])
  const asJson = JSON.parse((await check(gate.configPath, '--diff', next, '--json')).out)
  expect(asJson.passkeys).toEqual([{ provider: 'people', kind: 'moved', host: 'auth.localhost', names: ['ada'] }])
  writeFileSync(gate.configPath, readFileSync(next))
  gate.server.reload()
  await eventually(
    () => gate.told('the passkeys of 1 user of people are for auth.localhost').length > 0,
    'the log has it',
  )
  expect((await check(gate.configPath)).err).toContain('are for auth.localhost')
})

test('a file without the provider is warned of before the passkeys of its users end, by name', async () => {
  await using gate = await startPasskeyGate()
  await accept(gate.browser(), (await gate.invite('ada')).link)
  const next = join(gate.folder, 'next.toml')
  const named = readFileSync(gate.configPath, 'utf8').replaceAll('[providers.people', '[providers.others')
  writeFileSync(
    next,
    named.replace(/providers = \["people"\]/g, 'providers = ["others"]').replaceAll('"people"', '"others"'),
  )
  const check = (...argv: readonly string[]) => runOn(gate, (given, io, ports) => runCheck(given, io, ports), argv)
  const changed = await check(gate.configPath, '--diff', next)
  expect([changed.code, changed.err]).toEqual([
    0,
    expect.stringContaining(
      'no portal has the provider people any more: passkeys, own passwords and second factors of 1 user end, for good: ada',
    ),
  ])
  const asJson = JSON.parse((await check(gate.configPath, '--diff', next, '--json')).out)
  expect(asJson.passkeys).toEqual([{ provider: 'people', kind: 'gone', host: null, names: ['ada'] }])
  expect((await check(gate.configPath, '--diff', gate.configPath)).err).not.toContain('for good')
})

test('a check elsewhere, where there is no store, says nothing of passkeys and makes no store', async () => {
  await using gate = await startPasskeyGate({ provider: 'passwords = false' })
  using folder = temporaryFolder()
  for (const name of ['routes.toml', 'users.toml']) copyFileSync(join(gate.folder, name), join(folder.path, name))
  const { code, err } = await runIn(folder.path, io =>
    runCheck(['routes.toml'], io, { ...commandPorts(io), ...quietPorts({ now: Date.now }) }),
  )
  expect([code, err.includes('passkey'), existsSync(join(folder.path, 'sallyport.db'))]).toEqual([0, false, false])
})

/** A portal whose people are those of a file, and what they do on "Your account". */

import { expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BrowserLite, browserAt } from './browser/browser-lite.ts'
import { type FakeClock, fakeClock } from './clock.ts'
import { SCRIPT as OWN_SCRIPT } from './fields.ts'
import { type Gate, type GateOptions, startGate } from './gate.ts'
import { plant } from './log/planted.ts'
import { routeTo } from './toml.ts'
import { codeAt } from './totp.ts'

export const [OF_FILE, OWN, OTHER] = ['from the operator', 'chosen by herself', 'of the operator again'] as const
for (const word of [OF_FILE, OWN, OTHER]) plant(word, 'a password of a form')
const [first = '', other = ''] = await Promise.all(
  [OF_FILE, OTHER].map(word => Bun.password.hash(word, { algorithm: 'bcrypt', cost: 4 })),
)
/** The hash of `OTHER`. */
export const OTHER_HASH = other

/** What the page's own script says of its requests. */
export const OWN_PAGE = { ...OWN_SCRIPT, 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' } as const
export const HOME = 'home.test'
export const AWAY = 'app.test'
export const ACCOUNT = `http://${HOME}/.sallyport/account`

type Upstream = Parameters<typeof routeTo>[0]

/** `basic`: the portal takes HTTP Basic of the same file, below `/basic`. */
export function accountFile(upstream: Upstream, users = 'users.toml', basic = false): string {
  const routes = [
    routeTo(
      upstream,
      AWAY,
      'portal = "home"\nheaders = "x-token"\ntokens = true\nallow = ["user", { guest_link = true }]',
    ),
    routeTo(upstream, AWAY, 'portal = "home"\npath = "/mcp"\nallow = ["user"]\nmcp = true'),
    ...(basic ? [routeTo(upstream, AWAY, 'portal = "home"\npath = "/basic"\npasswords = true\nallow = ["user"]')] : []),
  ]
  return `[providers.people]
users = "${users}"
[audit]
keep = "30d"
[portals.home]
url = "http://${HOME}"
insecure_cookies = true
providers = ["people"]
personal_tokens = true
guest_links = { allow = ["user"] }
roles.user = { any = true }
${basic ? `htpasswd = "${users}"` : ''}
${routes.join('\n')}`
}

interface Person {
  readonly name?: string
  readonly hash?: string
  readonly id?: string
}

/** A users.toml; everybody has the password `OF_FILE` unless another hash is given. */
export function tablesOf(...people: readonly Person[]): string {
  return people
    .map(({ name = 'ada', hash = first, id = `id-of-${name}` }) =>
      ['[[users]]', `id = "${id}"`, `name = "${name}"`, `hash = "${hash}"`, ''].join('\n'),
    )
    .join('\n')
}

export type AccountGate = Gate & { readonly clock: FakeClock }

/** A gate whose file has ada and bob. */
export async function startAccounts(
  upstream: Upstream,
  options: GateOptions = {},
  clock = fakeClock(Date.now()),
  toml = accountFile(upstream),
): Promise<AccountGate> {
  const files = { 'users.toml': tablesOf({}, { name: 'bob' }) }
  const gate = await startGate(toml, { files, ports: { now: clock.now }, askAgainMs: 20, ...options })
  return Object.assign(gate, { clock })
}

export function saveUsers(gate: Gate, text: string): void {
  writeFileSync(join(gate.folder, 'users.toml'), text)
  gate.server.reload()
}

/** Signs ada in; `code`, or a recovery code, is sent where one is asked for. */
export async function signIn(gate: Gate, password: string, code: string | null = null) {
  const browser = browserAt(gate, HOME, AWAY)
  let page = await browser.submit(await browser.open(`http://${AWAY}/`), { name: 'ada', password })
  if (code !== null && page.text.includes('name="code"')) {
    page = await browser.submit(page, /^[0-9]{6}$/.test(code) ? { code } : { recovery: code })
  }
  return { browser, page }
}

/** The same for who comes in. */
export async function signedIn(
  gate: Gate,
  password: string = OF_FILE,
  code: string | null = null,
): Promise<BrowserLite> {
  const { browser, page } = await signIn(gate, password, code)
  expect([page.response.status, page.address.host, page.text.includes('htpasswd:ada')]).toEqual([200, AWAY, true])
  return browser
}

export async function isIn(browser: BrowserLite): Promise<boolean> {
  return (await browser.visit(`http://${AWAY}/`)).status === 200
}

interface AccountAnswer {
  readonly status: number
  readonly outcome?: string
  readonly fault?: string
  readonly sessions_ended?: number
  readonly codes?: readonly string[]
  readonly secret?: string
  readonly pending?: string
  readonly password?: string
  readonly second_factor?: string
  readonly recovery_codes?: number
}

/** Sends a form of the page, with the proof of the page unless another is given. */
export async function sendAccount(
  browser: BrowserLite,
  fields: Readonly<Record<string, string>>,
): Promise<AccountAnswer> {
  const page = await browser.open(ACCOUNT)
  const { proof = '' } = page.html.form('password').hidden
  const body = new URLSearchParams({ proof, ...fields }).toString()
  const answer = await browser.visit(ACCOUNT, { method: 'POST', body, headers: OWN_PAGE })
  return { ...((await answer.json()) as object), status: answer.status }
}

export function setPassword(
  browser: BrowserLite,
  present: string = OF_FILE,
  more: Readonly<Record<string, string>> = {},
) {
  return sendAccount(browser, { act: 'password', present, new: OWN, again: OWN, ...more })
}

/** Sets up a second factor: its codes from the next one on, and the recovery codes. */
export async function setFactor({ clock }: AccountGate, browser: BrowserLite, present: string = OF_FILE) {
  const { secret = '', pending = '' } = await sendAccount(browser, { act: 'factor', present })
  plant(secret, 'the secret of a second factor')
  const confirmed = { act: 'factor-code', pending, code: codeAt(clock.now(), secret) }
  const { codes = [], outcome } = await sendAccount(browser, confirmed)
  for (const code of codes) plant(code, 'a recovery code')
  expect(outcome).toBe('changed')
  clock.advance(30_000)
  return { codes, code: () => codeAt(clock.now(), secret) }
}

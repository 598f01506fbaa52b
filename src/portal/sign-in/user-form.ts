/** The form for users of a file: name and password, a code, or a passkey. */

import { sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { AccountGround, Identity } from '../../identity/identity.ts'
import { LONGEST_PASSKEY_ANSWER } from '../../identity/passkeys/ceremony.ts'
import { credentialOf } from '../../identity/passwords/users.ts'
import type { Sealer } from '../../session/seal.ts'
import { proveForm, readOwnForm } from '../form.ts'
import { checkLoginCookie, setLoginCsrfCookie } from '../login-csrf-cookie.ts'
import type { PortalRequest } from '../portal-request.ts'

/** What somebody wrote into the form. `keeps`: whether they want to stay signed in. */
export type GivenUser = { readonly keeps: boolean } & (
  | { readonly step: 'password'; readonly name: string; readonly password: string }
  /** `passed` shows that the password was right a moment ago. */
  | { readonly step: 'code'; readonly name: string; readonly code: string; readonly passed: string }
  /** What the browser says of a passkey, and the ceremony that the page began in this browser. */
  | { readonly step: 'passkey'; readonly answer: string; readonly ceremony: string; readonly browser: string }
)

export interface UserTools {
  /**
   * Whom a name and a password stand for at a provider that is a file of users, or what a code has to follow for.
   * Throws `access.password`, and `limit.rate` where too many wrong ones were given. `browser` is by what a browser is
   * known in which that very user has signed in before; null where it is not.
   */
  findUser(
    provider: ProviderConfig,
    given: { readonly name: string; readonly password: string },
    clientAddress: string,
    browser: string | null,
  ): Promise<{ readonly identity: Identity } | { readonly code: AccountGround }>
  /**
   * Whom a name and a code, or a recovery code, stand for, after `findUser` found the password right. `recoveryLeft`: of
   * recovery codes so many are left. Throws like `findUser`.
   */
  checkCode(
    provider: ProviderConfig,
    given: { readonly name: string; readonly code: string; readonly account: AccountGround },
    clientAddress: string,
    browser: string | null,
  ): Promise<{ readonly identity: Identity; readonly recoveryLeft: number | null }>
}

/** The reason in `access.password` of `checkCode` where the account was changed after the password was given. */
export const OTHER_ACCOUNT = 'another account'

/** How long the sign-in page may stay open before its form is taken no more. */
const FORM_LIFETIME_MS = 60 * 60_000

/** A form with what a browser says of a passkey, each sign of it escaped. */
export const LONGEST_FORM = 3 * LONGEST_PASSKEY_ANSWER

/** How long a code may take after the password. */
const CODE_WAIT_MS = 10 * 60_000

/** What a form for a name and a password carries to show that it is from our page in this very browser, and the fields that bind it. */
export interface UserForm {
  readonly browser: string
  readonly proof: string
  readonly setCookies: readonly string[]
}

/** The provider of a portal that is a file of users; null where there is none. */
export function usersOf({ portal, providers }: PortalRequest): ProviderConfig | null {
  return portal.providers.map(name => providers.get(name)).find(provider => provider?.users != null) ?? null
}

/**
 * A form for this browser. No user is signed in yet, so a cookie binds the form to the browser: otherwise another
 * site's form could sign a user in as a user that the site chooses.
 */
export async function offerUserForm(
  ctx: PortalRequest,
  { ports, seal }: { readonly ports: Pick<Ports, 'now' | 'random'>; readonly seal: Sealer },
): Promise<UserForm> {
  const { secret, setCookies } = setLoginCsrfCookie(ctx, 'login', FORM_LIFETIME_MS, ports.random)
  const browser = sha256(secret)
  const proof = await proveForm(ctx, { id: browser, expiresAtMs: ports.now() + FORM_LIFETIME_MS }, seal)
  return { browser, proof, setCookies }
}

/** What was written into the form. Throws `access.origin` for one that is not from our page in this browser, and `target.stalled`. */
export async function readUserForm(ctx: PortalRequest, tools: Parameters<typeof readOwnForm>[1]): Promise<GivenUser> {
  const form = await readOwnForm(ctx, tools, sent => browserOfForm(ctx, sent), LONGEST_FORM)
  const keeps = form.get('keep') === '1'
  const answer = form.get('passkey') ?? ''
  if (answer !== '') {
    const browser = browserOfForm(ctx, form) ?? ''
    return { keeps, step: 'passkey', answer, ceremony: form.get('ceremony') ?? '', browser }
  }
  const name = form.get('name') ?? ''
  const passed = form.get('passed')
  if (passed !== null)
    return { keeps, step: 'code', name, code: form.get('recovery') || (form.get('code') ?? ''), passed }
  return { keeps, step: 'password', name, password: form.get('password') ?? '' }
}

/** By what this browser is known, where a form is from a page that was shown in it; null elsewhere. */
export function browserOfForm(ctx: PortalRequest, form: URLSearchParams): string | null {
  const browser = form.get('browser') ?? ''
  return checkLoginCookie(ctx, 'login', browser) === 'same' ? browser : null
}

interface PassedTools {
  readonly ports: Pick<Ports, 'now'>
  readonly seal: Sealer
}

/**
 * Shows in the form for the code that the password of this user was right, in this browser, for some minutes. Another
 * password, second factor or entry in the file makes it worth nothing. `browser` is that of `UserForm`.
 */
export function sealPassed(
  ctx: PortalRequest,
  { ports, seal }: PassedTools,
  provider: ProviderConfig,
  { name, account, browser }: { readonly name: string; readonly account: AccountGround; readonly browser: string },
): Promise<string> {
  const user = { provider: provider.name, name, credential: groundOf(provider, name), account, browser }
  return seal.seal(user, passedPurpose(ctx), ports.now() + CODE_WAIT_MS)
}

/** For which account that is so; null: the password has to be given again. */
export async function readPassed(
  ctx: PortalRequest,
  seal: Sealer,
  provider: ProviderConfig,
  { name, passed }: { readonly name: string; readonly passed: string },
): Promise<AccountGround | null> {
  const user = await seal.open(passed, passedPurpose(ctx))
  if (typeof user !== 'object' || user === null) return null
  if (!('provider' in user && 'name' in user && 'credential' in user && 'browser' in user)) return null
  const credential = groundOf(provider, name)
  const isSame =
    user.provider === provider.name &&
    user.name === name &&
    credential !== null &&
    user.credential === credential &&
    typeof user.browser === 'string' &&
    checkLoginCookie(ctx, 'login', user.browser) === 'same'
  const account: unknown = Reflect.get(user, 'account')
  return isSame && isGround(account) ? account : null
}

function isGround(raw: unknown): raw is AccountGround {
  if (typeof raw !== 'object' || raw === null) return false
  return ['id', 'over', 'stamp'].every(field => typeof Reflect.get(raw, field) === 'string')
}

/** What the sign-in of a user stands on; null where there is none of this name. */
function groundOf({ users }: ProviderConfig, name: string): string | null {
  return users === null ? null : credentialOf(users, name)
}

function passedPurpose({ portal, origin }: PortalRequest): string {
  return `password passed at ${portal.name} on ${origin}`
}

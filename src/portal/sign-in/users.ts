import { sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Sealer } from '../../session/seal.ts'
import { proveForm, readOwnForm } from '../form.ts'
import { checkLoginCookie, setLoginCsrfCookie } from '../login-csrf-cookie.ts'
import type { PortalRequest } from '../portal.ts'

/** What somebody wrote into the form; an empty code where there was none. */
export interface GivenUser {
  readonly name: string
  readonly password: string
  readonly code: string
}

export interface UserTools {
  /**
   * Whom a name, a password and, for who has a second factor, a code stand for at a provider that is a file of users. Throws
   * `access.password`, and `limit.rate` where too many wrong ones were given. `browser` is by what a browser is known in which that
   * very user has signed in before; null where it is not.
   */
  findUser(provider: ProviderConfig, given: GivenUser, clientAddress: string, browser: string | null): Promise<Identity>
}

/** How long the sign-in page may stay open before its form is taken no more. */
const FORM_LIFETIME_MS = 60 * 60_000

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
  const form = await readOwnForm(ctx, tools, sent => {
    const browser = sent.get('browser') ?? ''
    return checkLoginCookie(ctx, 'login', browser) === 'same' ? browser : null
  })
  return { name: form.get('name') ?? '', password: form.get('password') ?? '', code: form.get('code') ?? '' }
}

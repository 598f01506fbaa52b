/** Whether a JWT is an access token, or another kind that must not pass for one. */

import type { JWTPayload } from 'jose'

/** Where providers say what a token is: Keycloak in `typ`, Pocket ID in `type`, Amazon Cognito and Ory in `token_use`. */
const NAMES = ['typ', 'type', 'token_use'] as const

/** What they call it, in lower case and with underscores. */
const ACCESS: ReadonlySet<string> = new Set(['bearer', 'access', 'access_token', 'oauth_access_token', 'at+jwt'])
const ID: ReadonlySet<string> = new Set(['id', 'id_token'])
const OTHERS: ReadonlySet<string> = new Set(
  'refresh refresh_token offline offline_token logout logout_token dpop code login_token'.split(' '),
)

/**
 * The claim that shows that a token is not an access token; null where it is one, or no claim says its kind.
 *
 * An unknown word is another kind, unless something else says that this is an access token: then the word may be about
 * the user. `isTyped`: the header says so already (RFC 9068 §2.1). `takesIdTokens`: ID tokens are accepted, too.
 */
export function findOtherKind(
  claims: Readonly<JWTPayload>,
  { isTyped = false, takesIdTokens = false }: { readonly isTyped?: boolean; readonly takesIdTokens?: boolean } = {},
): (typeof NAMES)[number] | null {
  const stated = NAMES.filter(name => Object.hasOwn(claims, name)).map(name => ({ name, kind: kindOf(claims[name]) }))
  const isTaken = (kind: string) => ACCESS.has(kind) || (takesIdTokens && ID.has(kind))
  const isSaid = isTyped || stated.some(({ kind }) => isTaken(kind))
  const other = stated.find(({ kind }) => !isTaken(kind) && (!isSaid || ID.has(kind) || OTHERS.has(kind)))
  return other?.name ?? null
}

/** Claims of access tokens (RFC 9068 §2.2; Okta, Microsoft Entra) that no ID token has. */
const OF_ACCESS = ['scope', 'scp', 'client_id', 'cid', 'appid'] as const

/**
 * Whether anything says that a token is an access token. Providers put `azp`, `sid`, `auth_time`, `acr` and `amr` into both kinds (Keycloak,
 * Pocket ID), so that an ID token of a refresh, which has neither `nonce` nor `at_hash`, differs by nothing else.
 */
export function saysAccess(claims: Readonly<JWTPayload>, isTyped: boolean): boolean {
  return (
    isTyped ||
    OF_ACCESS.some(name => Object.hasOwn(claims, name)) ||
    NAMES.some(name => ACCESS.has(kindOf(claims[name])))
  )
}

function kindOf(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase().replaceAll('-', '_') : ''
}

import type { TokenError } from './error.ts'

/** What a token endpoint finds wrong, where its answer says so. `client` is either half of the credentials. */
export type Wrong = 'client' | 'client_id' | 'client_secret' | 'no_secret' | 'code' | 'person' | 'flow' | 'refresh'

/** Words in lower case: those of RFC 6749 §5.2 and §4.1.2.1, and those of GitHub and of Pocket ID up to 2.9. */
const WRONG_BY_WORD: ReadonlyMap<string, Wrong> = new Map<string, Wrong>([
  ['invalid_client', 'client'],
  ['invalid_grant', 'code'],
  ['unauthorized_client', 'flow'],
  ['unsupported_grant_type', 'refresh'],
  ['access_denied', 'person'],
  ['client not found', 'client_id'],
  ['invalid client secret', 'client_secret'],
  ['client id or secret not provided', 'no_secret'],
  ['invalid authorization code', 'code'],
  ['invalid code verifier', 'code'],
  ['refresh token is invalid or expired', 'code'],
  ['bad_verification_code', 'code'],
  ['bad_refresh_token', 'code'],
  ['incorrect_client_credentials', 'client'],
  ['grant type not supported', 'refresh'],
  ["you're not allowed to access this service", 'person'],
  ['user account is disabled', 'person'],
])

/** What is wrong by a provider's word for it, or by a bare 401; null where neither says. */
export function wrongBy(status: number, error: TokenError | null): Wrong | null {
  if (error === null) return status === 401 ? 'client' : null
  const word = error.word.trim().toLowerCase()
  // With 401 that is about who asks (RFC 6749 §5.2); Keycloak says it of a wrong secret.
  return status === 401 && word === 'unauthorized_client' ? 'client' : (WRONG_BY_WORD.get(word) ?? null)
}

/** How to fix each, for the log. */
export const HINT_BY_WRONG: Readonly<Record<Wrong, string>> = {
  client:
    'client_id or client_secret is not what the provider has, and "sallyport doctor" says which where it can be known; or set client_auth to the method it expects; a client that is to show a certificate there (mTLS) takes client_key in place of that',
  client_id: 'the provider knows no client with this client_id: copy it again, or see that the client was not removed',
  client_secret: 'the provider knows the client, and client_secret is not its secret: copy or make it again',
  no_secret: 'the provider wants a client_secret: this client is not public there',
  code: 'what was redeemed was used before, is too old, was revoked, or the redirect address differs from the registered one',
  person:
    'the provider does not let this account use this client: see the groups that it is for, and whether the account is enabled',
  flow: 'this client may not use this flow; change that at the provider',
  refresh: 'the provider knows no refresh tokens; set refresh = "off"',
}

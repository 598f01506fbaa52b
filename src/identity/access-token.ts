/** Access tokens of a provider as JWTs (RFC 9068): which of them are for this gate, and whose they are. */

import type { JWTPayload } from 'jose'
import { GateError } from '../base/errors.ts'
import type { ReadIdentity } from './claims.ts'
import { bareError } from './http.ts'
import type { Identity } from './identity.ts'
import type { KeySource } from './jwks.ts'
import { isOwnSubject } from './own-subjects.ts'
import { type ExpectedToken, type HowSigned, howSignedFor, SKEW_S, verifySigned } from './signed-token.ts'

/** The user or program of an access token, and when it expires. */
export interface AccessToken {
  readonly identity: Identity
  /** For whom it is, as it says. */
  readonly audiences: readonly string[]
  readonly issuedAtMs: number
  readonly expiresAtMs: number
}

/** Claims that only other kinds of token have; many providers type and address all of theirs alike. */
const FOREIGN_CLAIMS = {
  access: ['nonce', 'at_hash', 'c_hash', 'events'],
  client: ['nonce', 'at_hash', 'c_hash', 'events'],
  // A logout token's audience is the client too (OpenID Connect Back-Channel Logout 1.0 §2.4).
  id: ['events'],
  any: ['events'],
} as const

const NO_KIND =
  'it looks like an ID token: let the provider set typ to at+jwt, or add scope or client_id; or give this gate its own audience'

const MAX_SUBJECT_LENGTH = 255

/**
 * What a JWT that a program brings says, after its signature and every rule were checked. `expected.clientId` is the audience.
 *
 * `kind` is `id` where ID tokens count as well, whose audience is the client itself: they were asked for by somebody else's sign-in, so
 * that there is no nonce to compare, nor an access token for at_hash; everything else is as strict. `client` is an access token whose
 * audience is the client itself, as some providers give them to people. `any` is an ID token or an access token for another client that the
 * file names: to whom it was given (azp) is not asked, as with an audience of this gate's own.
 *
 * Throws `access.token` with the rule that failed as fact `check`, or `provider.down` when the keys cannot be had.
 * Absent on purpose: `jti` is not remembered, a token is good as often as it is brought; scopes are claims, for rules to look at.
 * Source: RFC 9068 §4, with `typ` as it was before it: `JWT`, or none; OpenID Connect Core 1.0 §3.1.3.7 (azp).
 */
export async function verifyAccessToken(
  token: string,
  readIdentity: ReadIdentity,
  expected: ExpectedToken,
  keys: KeySource,
  keysAddress: string,
  kind: keyof typeof FOREIGN_CLAIMS = 'access',
): Promise<AccessToken> {
  const source = { keys, address: keysAddress }
  const { claims, header } = await verifySigned(token, expected, ['sub'], source, (check, cause) =>
    refusal(check, cause, howSignedFor(check, token, kind === 'id' || kind === 'any' ? 'ID tokens' : 'access tokens')),
  )
  if (header.typ !== undefined && !/^(?:application\/)?(?:at\+)?jwt$/i.test(header.typ)) throw refusal('typ')
  const { sub, iat, exp } = claims
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT_LENGTH) throw refusal('sub')
  if (isOwnSubject(sub)) throw refusal('sub')
  if (exp === undefined) throw refusal('exp')
  if (iat === undefined || iat > expected.nowMs / 1000 + SKEW_S) throw refusal('iat')
  // A client that sends only the token has not shown the key: it may have found the token in a log (RFC 7800 §3.1, RFC
  // 9449 §7.2, RFC 8705 §3).
  if (Object.hasOwn(claims, 'cnf')) throw refusal('cnf')
  const foreign = FOREIGN_CLAIMS[kind].find(name => Object.hasOwn(claims, name))
  if (foreign !== undefined) throw refusal(foreign)
  const isTyped = /at\+jwt$/i.test(header.typ ?? '')
  const other = findOtherKind(claims, { isTyped, takesIdTokens: kind === 'id' || kind === 'any' })
  if (other !== null) throw refusal(other)
  // Its audience is the client, as that of every ID token.
  if (kind === 'client' && !saysAccess(claims, isTyped)) throw refusal('kind', undefined, { facts: {}, hint: NO_KIND })
  if ((kind === 'client' || kind === 'id') && !isForClient(claims, expected)) throw refusal('azp')
  return {
    identity: bearerIdentity(readIdentity, expected.issuer, sub, claims, kind === 'access' ? [] : [expected.clientId]),
    audiences: audiencesIn(claims),
    issuedAtMs: iat * 1000,
    expiresAtMs: (exp + SKEW_S) * 1000,
  }
}

/** Those of a token, which may be one text. */
export function audiencesIn({ aud }: Pick<JWTPayload, 'aud'>): readonly string[] {
  return Array.isArray(aud) ? aud : aud === undefined ? [] : [aud]
}

/**
 * The claims in which Keycloak has roles, of the access token that came in the same answer as somebody's ID token. It is made for other
 * audiences, so that of these nothing is asked: it has to be theirs, and this client's.
 *
 * Throws `provider.id_token` with the rule that failed as fact `check`, or `provider.down` when the keys cannot be had.
 */
export async function readRoleClaims(
  token: string,
  subject: string,
  expected: ExpectedToken,
  keys: KeySource,
  keysAddress: string,
): Promise<Pick<JWTPayload, 'realm_access' | 'resource_access'>> {
  const refuse = (check: string, cause?: unknown) =>
    new GateError('provider.id_token', `the access token with the roles was refused: ${check} does not hold`, {
      hint: 'role_groups in its table is for Keycloak: remove it, where the provider’s access tokens are no JWTs',
      facts: { check },
      ...(cause === undefined ? {} : { cause: bareError(cause) }),
    })
  const { claims } = await verifySigned(token, expected, ['sub'], { keys, address: keysAddress }, refuse, null)
  if (claims.sub !== subject) throw refuse('sub')
  if (claims.azp !== undefined && claims.azp !== expected.clientId) throw refuse('azp')
  const { realm_access, resource_access } = claims
  return { realm_access, resource_access }
}

/** Who has a token with these claims, be it a program in its own name; `known` are clients that it is known to be given to beside. */
export function bearerIdentity(
  readIdentity: ReadIdentity,
  issuer: string,
  subject: string,
  claims: JWTPayload,
  known: readonly string[],
): Identity {
  const identity = readIdentity(issuer, subject, claims)
  return isOwnName(claims, [...clientsOf(claims), ...known]) ? Object.freeze({ ...identity, isClient: true }) : identity
}

/** What providers call the client that a token was given to (RFC 9068 §2.2; Okta `cid`, Microsoft Entra `appid`). */
function clientsOf(claims: JWTPayload): readonly string[] {
  const stated = [claims.client_id, claims.azp, claims.cid, claims.appid]
  return stated.filter(one => typeof one === 'string' && one !== '').map(String)
}

/**
 * Whether a program has the token in its own name (`client_credentials`). Then the subject is the client (RFC 9068
 * §2.2), or a claim of the provider says so (Auth0 `gty`, Microsoft Entra `idtyp`, Keycloak's service accounts). A
 * token without the client's name counts as such a token.
 */
function isOwnName(claims: JWTPayload, clients: readonly string[]): boolean {
  const { sub, gty, idtyp, preferred_username: name } = claims
  if (clients.length === 0 || gty === 'client-credentials' || idtyp === 'app') return true
  return clients.some(
    client =>
      sub === client ||
      sub === `${client}@clients` ||
      sub === `client-${client}` ||
      name === `service-account-${client}`,
  )
}

/**
 * Of several audiences, the one that the token was made for has to be the client: by `azp`; or by `client_id`, where the others are no more
 * than the issuer's own endpoints (Pocket ID from 2.10 on).
 */
function isForClient(
  { aud, azp, client_id: client }: JWTPayload,
  { clientId, issuer }: Pick<ExpectedToken, 'clientId' | 'issuer'>,
): boolean {
  if (azp !== undefined) return azp === clientId
  if (!Array.isArray(aud) || aud.length === 1) return true
  return client === clientId && aud.every(one => one === clientId || one === issuer)
}

function refusal(check: string, cause?: unknown, how?: HowSigned): GateError {
  return new GateError('access.token', `the access token was refused: ${check} does not hold`, {
    ...(how?.hint == null ? {} : { hint: how.hint }),
    facts: { check, ...how?.facts },
    ...(cause === undefined ? {} : { cause: bareError(cause) }),
  })
}

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
function saysAccess(claims: Readonly<JWTPayload>, isTyped: boolean): boolean {
  return (
    isTyped ||
    OF_ACCESS.some(name => Object.hasOwn(claims, name)) ||
    NAMES.some(name => ACCESS.has(kindOf(claims[name])))
  )
}

function kindOf(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase().replaceAll('-', '_') : ''
}

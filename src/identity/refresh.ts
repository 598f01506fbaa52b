/** Asks a provider again about a user, by a refresh token, and judges the answer. */

import { decodeJwt, type JWTPayload } from 'jose'
import { GateError, toGateError } from '../base/errors.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { isOthers } from './claim-bounds.ts'
import type { ReadIdentity } from './claims.ts'
import type { Metadata } from './endpoints.ts'
import type { ProviderFetch } from './http.ts'
import { findChangedRule, type IdTokenClaims, refusal } from './id-token.ts'
import type { HeldTokens, RefreshResult } from './provider.ts'
import type { ClientProof } from './tokens/client-authentication.ts'
import { grantOf, type Refreshed, redeemRefreshToken } from './tokens/redeem.ts'
import type { TokenRequest } from './tokens/token-endpoint.ts'
import { askPerson, believedClaims } from './userinfo.ts'

/** How a provider is asked again. */
export interface RefreshContext {
  readonly config: ProviderConfig
  readonly readIdentity: ReadIdentity
  readonly fetch: ProviderFetch
  readonly metadata: Metadata
  readonly proof: ClientProof
  /** The claims of an ID token that came with this access token. Throws `provider.id_token`, `provider.down`. */
  readonly checkIdToken: (idToken: string, accessToken: string) => Promise<IdTokenClaims>
  /** The claims of this person's access token that say roles; null where these are not read. Throws as `checkIdToken`. */
  readonly readRoles: (accessToken: string, subject: string) => Promise<Readonly<Record<string, unknown>> | null>
  readonly tellOdd: TokenRequest['tellOdd']
  readonly nowMs: number
}

/**
 * Claims about the act of signing in: a refresh need not repeat them, and they stay what they were when this session began. What a refresh
 * says of them may be about another sign-in, of another application, and satisfies no rule here.
 */
const OF_THE_SIGN_IN = ['auth_time', 'acr', 'amr'] as const

/**
 * Asks the provider again about a user: by a new ID token where it sends one, and by userinfo where it has that.
 *
 * A provider that sends neither has still confirmed the sign-in by issuing tokens; the claims stay the same. A failure
 * after the tokens were issued does not throw: most providers have used up the refresh token by then, and using it
 * again would sign the user out. Throws `provider.issuer`, `provider.down`, `provider.token`.
 *
 * Source: OpenID Connect Core 1.0 §12 (refresh), §12.2 (what a new ID token may not change), §5.3.2 (userinfo's sub).
 */
export async function refreshIdentity(held: HeldTokens, context: RefreshContext): Promise<RefreshResult> {
  const { config, fetch, metadata, proof, tellOdd } = context
  if (held.identity.issuer !== metadata.issuer) {
    throw new GateError('provider.issuer', `the sign-in is from ${held.identity.issuer}, not from ${metadata.issuer}`, {
      hint: `the provider ${config.name} had another issuer when this person signed in`,
    })
  }
  const tokens = await redeemRefreshToken({ config, proof, metadata, tellOdd, fetch }, held.refreshToken)
  if (tokens.kind === 'refused') return { kind: 'ended', reason: 'refused', says: tokens.says }
  if (tokens.kind === 'lost') return tokens
  try {
    return await readIdentity(held, tokens, context)
  } catch (thrown) {
    return { kind: 'unclear', refreshToken: tokens.refreshToken, failure: toGateError(thrown) }
  }
}

/** Who this is by the tokens that came. Throws `provider.down`, `provider.id_token`, `provider.userinfo`. */
async function readIdentity(
  held: HeldTokens,
  tokens: Extract<Refreshed, { kind: 'renewed' }>,
  context: RefreshContext,
): Promise<RefreshResult> {
  const { config, fetch, metadata } = context
  const first = readFirst(held, config)
  const fresh = tokens.idToken === null ? null : await context.checkIdToken(tokens.idToken, tokens.accessToken)
  const changed = fresh === null ? null : findChangedRule(first, fresh, context.nowMs)
  const { subject } = held.identity
  // A prefix that another provider has got since the sign-in begins this person's name: for applications that is somebody there.
  if (changed === 'sub' || isOthers(subject, config.othersPrefixes))
    return { kind: 'ended', reason: 'other_subject', refreshToken: tokens.refreshToken }
  if (changed !== null) throw refusal(changed)
  const { accessToken } = tokens
  const userinfo = await askPerson({ metadata, config, accessToken, subject, fetch })
  const roles = await context.readRoles(accessToken, subject)
  const isSilent = fresh === null && userinfo === null && roles === null
  const believed = { ...believedClaims(config, fullClaims(held, first, fresh), userinfo), ...roles }
  return {
    kind: 'renewed',
    identity: isSilent ? held.identity : context.readIdentity(metadata.issuer, subject, believed),
    access: grantOf(tokens, context.nowMs),
    idToken: tokens.idToken ?? held.idToken,
    refreshToken: tokens.refreshToken,
  }
}

/** The claims of the ID token that is held; it was verified when it came. */
function readFirst({ idToken, identity }: HeldTokens, config: ProviderConfig): IdTokenClaims {
  let claims: JWTPayload
  try {
    claims = decodeJwt(idToken)
  } catch {
    claims = { aud: config.clientId }
  }
  return { ...claims, iss: identity.issuer, sub: identity.subject }
}

/** What is said of the person now, and of the sign-in what was said when the session began. */
function fullClaims({ identity }: HeldTokens, first: IdTokenClaims, fresh: IdTokenClaims | null): IdTokenClaims {
  const claims: IdTokenClaims = { ...(fresh ?? first) }
  if (claims.sid === undefined && first.sid !== undefined) claims.sid = first.sid
  for (const name of OF_THE_SIGN_IN) {
    if (Object.hasOwn(identity.claims, name)) claims[name] = identity.claims[name]
    else delete claims[name]
  }
  return claims
}

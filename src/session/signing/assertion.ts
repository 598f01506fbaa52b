/** Signed assertions (JWT) by which applications learn who a user is. */

import { sign } from 'node:crypto'
import { toldSubject } from '../../identity/claim-bounds.ts'
import type { Identity } from '../../identity/identity.ts'
import type { SigningKey } from './keys.ts'

/** How long an application may take an assertion for true. */
export const ASSERTION_LIFETIME_S = 5 * 60

/** What is the same in every assertion of one session on one route. */
export interface AssertionClaims {
  readonly issuer: string
  readonly audience: string
  readonly identity: Identity
  readonly roles: readonly string[]
  /** When the session itself is over: no assertion outlives it. */
  readonly sessionExpiresAtMs: number
}

/**
 * A signed statement of a user's identity, for one application (RFC 7519; ES256, RFC 7518 §3.4).
 *
 * Claims: iss, aud, iat, exp, sub, provider, email, email_verified, name, preferred_username, groups, roles. Unknown
 * claims are left out; groups and roles are always present. `sub` is the provider's, after the prefix of the file;
 * with several providers, `provider` says which one.
 *
 * Absent on purpose: jti, since one assertion goes with many requests.
 */
export function makeAssertion(key: SigningKey, claims: AssertionClaims, nowMs: number): string {
  const { identity, roles } = claims
  const nowS = Math.floor(nowMs / 1000)
  const header = { alg: 'ES256', typ: 'JWT', kid: key.publicJwk.kid }
  const payload = {
    iss: claims.issuer,
    aud: claims.audience,
    iat: nowS,
    exp: Math.min(nowS + ASSERTION_LIFETIME_S, Math.floor(claims.sessionExpiresAtMs / 1000)),
    sub: toldSubject(identity),
    provider: identity.provider === '' ? undefined : identity.provider,
    email: identity.email ?? undefined,
    email_verified: identity.emailVerified ?? undefined,
    name: identity.name ?? undefined,
    preferred_username: identity.preferredUsername ?? undefined,
    groups: identity.groups,
    roles,
  }
  const signed = [header, payload]
    .map(part => Buffer.from(JSON.stringify(part), 'utf8').toString('base64url'))
    .join('.')
  const signature = sign('sha256', Buffer.from(signed), { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

/** Checks an ID token (OpenID Connect Core 1.0 §3.1.3.7). */

import { createHash } from 'node:crypto'
import { decodeJwt, type JWTPayload } from 'jose'
import { GateError } from '../base/errors.ts'
import { bareError } from './http.ts'
import type { KeySource } from './jwks.ts'
import { type ExpectedToken, type HowSigned, howSignedFor, SKEW_S, verifySigned } from './signed-token.ts'

/** What an ID token has to say for this sign-in. */
export interface ExpectedIdToken extends ExpectedToken {
  /** Null in a refresh, whose token need not have one: `findChangedRule` compares it with the first. */
  readonly nonce: string | null
  /** Came in the same answer: at_hash has to fit it. */
  readonly accessToken: string
}

/** Claims of an ID token whose signature and every rule held. */
export type IdTokenClaims = JWTPayload & { readonly sub: string }

/** Signature algorithms that can be pinned; `none` and HMAC are absent on purpose. */
export const ASYMMETRIC_ALGORITHMS: readonly string[] = Object.freeze(
  'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' '),
)

const MAX_SUBJECT_LENGTH = 255

/**
 * The claims of an ID token, after its signature and all rules were checked.
 *
 * A key that is unknown, or that no longer fits, is looked for once more at the provider. Throws `provider.id_token` with
 * the rule that failed as fact `check`, or `provider.down` when the keys cannot be had.
 * Source: OpenID Connect Core 1.0 §3.1.3.7 and §3.1.3.6 (at_hash); RFC 8725 §3.1 (algorithms), §3.11 (typ).
 */
export async function verifyIdToken(
  idToken: string,
  expected: ExpectedIdToken,
  keys: KeySource,
  keysAddress: string,
): Promise<IdTokenClaims> {
  const required = expected.nonce === null ? ['sub'] : ['sub', 'nonce']
  const source = { keys, address: keysAddress }
  const { claims, header } = await verifySigned(idToken, expected, required, source, (check, cause) =>
    refusal(check, cause, howSignedFor(check, idToken, 'ID tokens')),
  )
  const { sub } = claims
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT_LENGTH) throw refusal('sub')
  const failed = findBrokenRule(claims, header, expected)
  if (failed !== null) throw refusal(failed)
  return { ...claims, sub }
}

/** The first rule beyond the library's own that does not hold, or null. */
function findBrokenRule(
  claims: JWTPayload,
  header: { readonly alg: string; readonly typ?: string },
  expected: ExpectedIdToken,
): string | null {
  // A token typed for another use (at+jwt, logout+jwt, …) is not an ID token, however well it is signed.
  if (header.typ !== undefined && /\+jwt$/i.test(header.typ)) return 'typ'
  if (claims.iat === undefined || claims.iat > expected.nowMs / 1000 + SKEW_S) return 'iat'
  if (expected.nonce !== null && claims.nonce !== expected.nonce) return 'nonce'
  if (claims.azp !== undefined && claims.azp !== expected.clientId) return 'azp'
  if (Array.isArray(claims.aud)) {
    if (!claims.aud.every(audience => typeof audience === 'string')) return 'aud'
    if (claims.aud.length > 1 && claims.azp === undefined) return 'azp'
  }
  if (claims.at_hash !== undefined && claims.at_hash !== accessTokenHash(expected.accessToken, header.alg))
    return 'at_hash'
  return null
}

/**
 * The claim of a refreshed ID token that differs from the token before although it must not; null where all is well.
 *
 * `sub` comes first: only this claim means that the token is another user's. A later `auth_time` is no mistake: a user
 * who signs in again at Keycloak, by another application, does so in the session of this refresh token. It is accepted
 * where `aud` and `azp` are the same.
 *
 * Source: OpenID Connect Core 1.0 §12.2.
 */
export function findChangedRule(first: JWTPayload, fresh: JWTPayload, nowMs: number): string | null {
  if (fresh.sub !== first.sub) return 'sub'
  if (fresh.iss !== first.iss) return 'iss'
  const audiences = [fresh.aud].flat()
  if (![first.aud].flat().every(audience => audiences.includes(audience))) return 'aud'
  if (fresh.azp !== undefined && fresh.azp !== first.azp) return 'azp'
  // The first one kept may itself be from a refresh, and then have no nonce.
  if (fresh.nonce !== undefined && first.nonce !== undefined && fresh.nonce !== first.nonce) return 'nonce'
  if (fresh.auth_time !== undefined && first.auth_time !== undefined && fresh.auth_time !== first.auth_time) {
    if (!isLater(first.auth_time, fresh.auth_time, nowMs)) return 'auth_time'
    if (new Set(audiences).size !== new Set([first.aud].flat()).size) return 'aud'
    if (fresh.azp !== first.azp) return 'azp'
  }
  return (fresh.iat ?? 0) < (first.iat ?? 0) - SKEW_S ? 'iat' : null
}

/** Whether a time comes after another, and has come. */
function isLater(before: unknown, after: unknown, nowMs: number): boolean {
  return typeof before === 'number' && typeof after === 'number' && after > before && after <= nowMs / 1000 + SKEW_S
}

function accessTokenHash(accessToken: string, alg: string): string {
  const size = /(256|384|512)$/.exec(alg)?.[1] ?? '512'
  const digest = createHash(`sha${size === '512' || alg === 'Ed25519' ? '512' : size}`)
    .update(accessToken)
    .digest()
  return digest.subarray(0, digest.length / 2).toString('base64url')
}

/** When an ID token that was verified once is over; null where that cannot be read. */
export function idTokenExpiryMs(idToken: string): number | null {
  try {
    const { exp } = decodeJwt(idToken)
    return typeof exp === 'number' ? exp * 1000 : null
  } catch {
    return null
  }
}

/** A refusal with the rule that failed as fact `check`. */
export function refusal(check: string, cause?: unknown, how?: HowSigned): GateError {
  const clock = check === 'exp' || check === 'iat' || check === 'nbf'
  return new GateError('provider.id_token', `the ID token was refused: ${check} does not hold`, {
    ...(clock
      ? { hint: 'compare this machine’s clock with the provider’s: more than 60 s apart is too much' }
      : how?.hint != null
        ? { hint: how.hint }
        : {}),
    facts: { check, ...how?.facts },
    ...(cause === undefined ? {} : { cause: bareError(cause) }),
  })
}

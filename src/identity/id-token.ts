import { createHash } from 'node:crypto'
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { GateError } from '../base/errors.ts'
import type { KeySource } from './keys.ts'
import { bareError } from './wire.ts'

/** What an ID token has to say for this sign-in. */
export interface ExpectedIdToken {
  readonly issuer: string
  readonly clientId: string
  readonly nonce: string
  /** Came in the same answer: at_hash has to fit it. */
  readonly accessToken: string
  /** Asymmetric ones only. */
  readonly algorithms: readonly string[]
  readonly nowMs: number
}

/** Claims of an ID token whose signature and every rule held. */
export type IdTokenClaims = JWTPayload & { readonly sub: string }

/** Signature algorithms that can be pinned; `none` and HMAC are absent on purpose. */
export const ASYMMETRIC_ALGORITHMS: readonly string[] = Object.freeze(
  'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' '),
)

const SKEW_S = 60
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
  const { payload, protectedHeader } = await verifySignature(idToken, expected, keys, keysAddress)
  const { sub } = payload
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT_LENGTH) throw refusal('sub')
  const failed = findBrokenRule(payload, protectedHeader, expected)
  if (failed !== null) throw refusal(failed)
  return { ...payload, sub }
}

async function verifySignature(idToken: string, expected: ExpectedIdToken, keys: KeySource, keysAddress: string) {
  const verify = (key: JWTVerifyGetKey) =>
    jwtVerify(idToken, key, {
      algorithms: [...expected.algorithms],
      issuer: expected.issuer,
      audience: expected.clientId,
      requiredClaims: ['exp', 'iat', 'sub', 'nonce'],
      clockTolerance: SKEW_S,
      currentDate: new Date(expected.nowMs),
    })
  try {
    return await verify(await keys.get(keysAddress))
  } catch (thrown) {
    if (!isKeyProblem(thrown)) throw translate(thrown)
    const fresh = await keys.refetch(keysAddress)
    if (fresh === null) throw translate(thrown)
    try {
      return await verify(fresh)
    } catch (still) {
      throw translate(still)
    }
  }
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
  if (claims.nonce !== expected.nonce) return 'nonce'
  if (claims.azp !== undefined && claims.azp !== expected.clientId) return 'azp'
  if (Array.isArray(claims.aud)) {
    if (!claims.aud.every(audience => typeof audience === 'string')) return 'aud'
    if (claims.aud.length > 1 && claims.azp === undefined) return 'azp'
  }
  if (claims.at_hash !== undefined && claims.at_hash !== accessTokenHash(expected.accessToken, header.alg))
    return 'at_hash'
  return null
}

function accessTokenHash(accessToken: string, alg: string): string {
  const size = /(256|384|512)$/.exec(alg)?.[1] ?? '512'
  const digest = createHash(`sha${size === '512' || alg === 'Ed25519' ? '512' : size}`)
    .update(accessToken)
    .digest()
  return digest.subarray(0, digest.length / 2).toString('base64url')
}

function isKeyProblem(thrown: unknown): boolean {
  return thrown instanceof errors.JWKSNoMatchingKey || thrown instanceof errors.JWSSignatureVerificationFailed
}

function translate(thrown: unknown): GateError {
  if (thrown instanceof GateError) return thrown
  const check =
    thrown instanceof errors.JWTExpired || thrown instanceof errors.JWTClaimValidationFailed
      ? thrown.claim
      : thrown instanceof errors.JOSEAlgNotAllowed
        ? 'alg'
        : isKeyProblem(thrown) || thrown instanceof errors.JWKSMultipleMatchingKeys
          ? 'signature'
          : 'format'
  return refusal(check, thrown)
}

function refusal(check: string, cause?: unknown): GateError {
  const clock = check === 'exp' || check === 'iat' || check === 'nbf'
  return new GateError('provider.id_token', `the ID token was refused: ${check} does not hold`, {
    ...(clock ? { hint: 'compare this machine’s clock with the provider’s: more than 60 s apart is too much' } : {}),
    facts: { check },
    ...(cause === undefined ? {} : { cause: bareError(cause) }),
  })
}

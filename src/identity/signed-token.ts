/** Checks the signature of a provider's tokens (JWT), and says how a wrong one was signed. */

import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { GateError } from '../base/errors.ts'
import { isTokenTooDeep } from './http.ts'
import type { KeySource } from './jwks.ts'

/** What every token that a provider signed for us has to say. */
export interface ExpectedToken {
  readonly issuer: string
  readonly clientId: string
  /** Asymmetric ones only. */
  readonly algorithms: readonly string[]
  readonly nowMs: number
}

/** A token whose signature, issuer, audience and times hold. */
export interface SignedToken {
  readonly claims: JWTPayload
  readonly header: { readonly alg: string; readonly typ?: string }
}

/** How far a provider's clock may be from ours. */
export const SKEW_S = 60

/**
 * A provider's token after its signature, `iss`, `aud`, `exp` and `nbf` were checked, and that these and `required` are there. `audience`
 * is null for a token that is for others, and came to us as its client.
 *
 * A key that is unknown, or that no longer fits, is looked for once more at the provider. What fails is thrown by `refuse`,
 * which is given the claim or `alg`, `signature`, `format`; `provider.down` where the keys cannot be had.
 * Source: RFC 7519 §7.2; RFC 8725 §3.1 (algorithms).
 */
export async function verifySigned(
  token: string,
  expected: ExpectedToken,
  required: readonly string[],
  source: { readonly keys: KeySource; readonly address: string },
  refuse: (check: string, cause: unknown) => GateError,
  audience: string | null = expected.clientId,
): Promise<SignedToken> {
  if (isTokenTooDeep(token)) throw refuse('format', new Error('it is nested too deeply'))
  const verify = async (key: JWTVerifyGetKey) => {
    const { payload, protectedHeader } = await jwtVerify(token, key, {
      algorithms: [...expected.algorithms],
      issuer: expected.issuer,
      ...(audience === null ? {} : { audience }),
      requiredClaims: ['exp', 'iat', ...required],
      clockTolerance: SKEW_S,
      currentDate: new Date(expected.nowMs),
    })
    return { claims: payload, header: protectedHeader }
  }
  const translate = (thrown: unknown) => (thrown instanceof GateError ? thrown : refuse(checkOf(thrown), thrown))
  try {
    return await verify(await source.keys.get(source.address))
  } catch (thrown) {
    if (!isKeyProblem(thrown)) throw translate(thrown)
    const fresh = await source.keys.refetch(source.address)
    if (fresh === null) throw translate(thrown)
    try {
      return await verify(fresh)
    } catch (still) {
      throw translate(still)
    }
  }
}

function isKeyProblem(thrown: unknown): boolean {
  return thrown instanceof errors.JWKSNoMatchingKey || thrown instanceof errors.JWSSignatureVerificationFailed
}

/** Which rule a failure of the library is about. */
function checkOf(thrown: unknown): string {
  if (thrown instanceof errors.JWTExpired || thrown instanceof errors.JWTClaimValidationFailed) return thrown.claim
  if (thrown instanceof errors.JOSEAlgNotAllowed) return 'alg'
  return isKeyProblem(thrown) || thrown instanceof errors.JWKSMultipleMatchingKeys ? 'signature' : 'format'
}

/** How an untrusted token was signed, for the log. It has none of the token's claims. */
export interface HowSigned {
  readonly facts: { readonly alg?: string; readonly enc?: string }
  /** How to fix it, where encryption or the signature's algorithm is the cause; otherwise null. */
  readonly hint: string | null
}

/** Checks that are about how a token was made. */
const OF_MAKING: ReadonlySet<string> = new Set(['alg', 'format', 'signature'])

/** The same where this check is about that; else nothing. */
export function howSignedFor(check: string, token: string, kind: TokenKind): HowSigned {
  return OF_MAKING.has(check) ? howSigned(token, kind) : { facts: {}, hint: null }
}

type TokenKind = 'ID tokens' | 'access tokens' | 'logout tokens'

/** The algorithms that a token names in its own header, and what to do about those that no provider may use for us. */
export function howSigned(token: string, kind: TokenKind): HowSigned {
  let header: ReturnType<typeof decodeProtectedHeader>
  try {
    header = decodeProtectedHeader(token)
  } catch {
    return { facts: {}, hint: null }
  }
  const [alg, enc] = [header.alg, header.enc].map(name => (typeof name === 'string' ? name.slice(0, 32) : undefined))
  const facts = { ...(alg === undefined ? {} : { alg }), ...(enc === undefined ? {} : { enc }) }
  if (enc !== undefined) return { facts, hint: `let the provider encrypt ${kind} for this client no longer` }
  if (alg !== undefined && (/^HS/.test(alg) || alg === 'none')) {
    return { facts, hint: `let the provider sign ${kind} for this client with RS256 or another asymmetric algorithm` }
  }
  return { facts, hint: null }
}

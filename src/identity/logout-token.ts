/** Checks a logout token (OpenID Connect Back-Channel Logout 1.0 §2.6). */

import { decodeJwt, type JWTPayload } from 'jose'
import { GateError } from '../base/errors.ts'
import { isJsonObject } from '../base/json.ts'
import { bareError, isTokenTooDeep } from './http.ts'
import type { KeySource } from './jwks.ts'
import { isOwnSubject } from './own-subjects.ts'
import { type ExpectedToken, type HowSigned, howSignedFor, SKEW_S, verifySigned } from './signed-token.ts'

/** Whose sessions a provider ends, by its logout token. It has at least one of `subject` and `sid`. */
export interface LogoutToken {
  readonly subject: string | null
  readonly sid: string | null
  /** When the provider made it, in seconds by its clock. */
  readonly saidAtS: number
  /** The token's own name: one that was seen before is a replay. */
  readonly id: string
  /** From then on the token is refused, so that its id need not be remembered. */
  readonly expiresAtMs: number
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** An older token is refused regardless of its `exp`, so that ids of tokens are kept for minutes only. */
const MAX_AGE_S = 10 * 60

/** Like a subject (OpenID Connect Core §2), and far beyond what any provider uses. */
const MAX_TEXT_LENGTH = 255

/**
 * What a logout token says, after its signature and every rule were checked; whether it is a replay is the caller's to tell.
 *
 * Throws `provider.logout_token` with the rule that failed as fact `check`, or `provider.down` when the keys cannot be had.
 * Source: OpenID Connect Back-Channel Logout 1.0 §2.4 and §2.6.
 */
export async function verifyLogoutToken(
  token: string,
  expected: ExpectedToken,
  keys: KeySource,
  keysAddress: string,
): Promise<LogoutToken> {
  const { claims, header } = await verifySigned(
    token,
    expected,
    ['jti', 'events'],
    { keys, address: keysAddress },
    (check, cause) => refusal(check, cause, howSignedFor(check, token, 'logout tokens')),
  )
  // §2.4 recommends logout+jwt, for providers that do type their tokens: another type is another kind of token.
  if (header.typ !== undefined && !/^(?:application\/)?(?:logout\+)?jwt$/i.test(header.typ)) throw refusal('typ')
  const { jti, iat, exp } = claims
  if (iat === undefined || exp === undefined) throw refusal('exp')
  const nowS = expected.nowMs / 1000
  if (iat > nowS + SKEW_S || iat < nowS - MAX_AGE_S) throw refusal('iat')
  if (!isLogoutEvent(claims.events)) throw refusal('events')
  if (claims.nonce !== undefined) throw refusal('nonce')
  if (!isText(jti)) throw refusal('jti')
  const [subject, sid] = [optionalText(claims, 'sub'), optionalText(claims, 'sid')]
  if (subject === null ? sid === null : isOwnSubject(subject)) throw refusal('sub')
  return { subject, sid, saidAtS: iat, id: jti, expiresAtMs: (Math.min(exp, iat + MAX_AGE_S) + SKEW_S) * 1000 }
}

/** What a token claims of its origin, to know by whose keys to check it; null for what is no token. Nothing here is proven. */
export function peekToken(token: string): { readonly issuer: string; readonly audiences: readonly unknown[] } | null {
  if (isTokenTooDeep(token)) return null
  try {
    const { iss, aud } = decodeJwt(token)
    return typeof iss === 'string' ? { issuer: iss, audiences: Array.isArray(aud) ? aud : [aud] } : null
  } catch {
    return null
  }
}

function isLogoutEvent(events: unknown): boolean {
  return isJsonObject(events) && Object.hasOwn(events, EVENT) && isJsonObject(events[EVENT])
}

function optionalText(claims: JWTPayload, name: 'sub' | 'sid'): string | null {
  const value = claims[name]
  if (value === undefined) return null
  if (!isText(value)) throw refusal(name)
  return value
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_TEXT_LENGTH
}

function refusal(check: string, cause?: unknown, how?: HowSigned): GateError {
  return new GateError('provider.logout_token', `the logout token was refused: ${check} does not hold`, {
    ...(how?.hint == null ? {} : { hint: how.hint }),
    facts: { check, ...how?.facts },
    ...(cause === undefined ? {} : { cause: bareError(cause) }),
  })
}

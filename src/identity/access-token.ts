import type { JWTPayload } from 'jose'
import { GateError } from '../base/errors.ts'
import type { ProviderConfig } from '../config/types/providers.ts'
import { identityOf } from './claims.ts'
import { bareError } from './http.ts'
import type { Identity } from './identity.ts'
import type { KeySource } from './jwks.ts'
import { isOwnSubject } from './own-subjects.ts'
import { type ExpectedToken, SKEW_S, verifySigned } from './signed.ts'

/** Whom an access token stands for, and until when. */
export interface AccessToken {
  readonly identity: Identity
  readonly issuedAtMs: number
  readonly expiresAtMs: number
}

/** Claims that only other kinds of token have; many providers type and address all of theirs alike. */
const FOREIGN_CLAIMS = ['nonce', 'at_hash', 'c_hash', 'events']

const MAX_SUBJECT_LENGTH = 255

/**
 * What a JWT access token says, after its signature and every rule were checked. `expected.clientId` is the audience.
 *
 * Throws `access.token` with the rule that failed as fact `check`, or `provider.down` when the keys cannot be had.
 * Absent on purpose: `jti` is not remembered, a token is good as often as it is brought; scopes are claims, for rules to look at.
 * Source: RFC 9068 §4, with `typ` as it was before it: `JWT`, or none.
 */
export async function verifyAccessToken(
  token: string,
  provider: Pick<ProviderConfig, 'name' | 'claims'>,
  expected: ExpectedToken,
  keys: KeySource,
  keysAddress: string,
): Promise<AccessToken> {
  const { claims, header } = await verifySigned(token, expected, ['sub'], { keys, address: keysAddress }, refusal)
  if (header.typ !== undefined && !/^(?:application\/)?(?:at\+)?jwt$/i.test(header.typ)) throw refusal('typ')
  const { sub, iat, exp } = claims
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT_LENGTH) throw refusal('sub')
  if (isOwnSubject(sub)) throw refusal('sub')
  if (exp === undefined) throw refusal('exp')
  if (iat === undefined || iat > expected.nowMs / 1000 + SKEW_S) throw refusal('iat')
  const foreign = findForeign(claims)
  if (foreign !== undefined) throw refusal(foreign)
  return {
    identity: identityOf(provider, expected.issuer, sub, claims),
    issuedAtMs: iat * 1000,
    expiresAtMs: (exp + SKEW_S) * 1000,
  }
}

function findForeign(claims: JWTPayload): string | undefined {
  return FOREIGN_CLAIMS.find(name => Object.hasOwn(claims, name))
}

function refusal(check: string, cause?: unknown): GateError {
  return new GateError('access.token', `the access token was refused: ${check} does not hold`, {
    facts: { check },
    ...(cause === undefined ? {} : { cause: bareError(cause) }),
  })
}

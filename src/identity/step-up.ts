/** Step-up: what a rule demands of a newer or stronger sign-in, and whether a token shows it. */

import { GateError } from '../base/errors.ts'

/** What a new sign-in has to show before a rule holds that the present one does not satisfy. */
export interface StepUp {
  /** Seconds since the provider authenticated the person, at most; null: any. */
  readonly maxAgeS: number | null
  /** One of these has to be the `acr` claim; none: any. */
  readonly acr: readonly string[]
  /** One of these has to be in the `amr` claim; none: any. */
  readonly amr: readonly string[]
}

/**
 * A `max_age` that only obliges the provider to state `auth_time`: a year, older than any sign-in of theirs.
 *
 * Source: OpenID Connect Core 1.0 §2 (auth_time is REQUIRED when max_age is requested).
 */
export const AUTH_TIME_MAX_AGE = String(365 * 24 * 60 * 60)

/** What `amr` says of a passkey (RFC 8176 has no word for it; Pocket ID and others say this). */
const PASSKEY = 'phr'

/** How far a provider's clock may be ahead of this one. */
const SKEW_MS = 60_000

/**
 * Parameters of an authorization request that asks for it. `prompt=login` always: the person has to be there.
 *
 * Absent on purpose: `amr` has no parameter; the answer is checked for it all the same.
 * Source: OpenID Connect Core 1.0 §3.1.2.1.
 */
export function stepUpParameters({ maxAgeS, acr }: StepUp): Readonly<Record<string, string>> {
  return {
    prompt: 'login',
    ...(maxAgeS === null ? {} : { max_age: String(maxAgeS) }),
    ...(acr.length === 0 ? {} : { acr_values: acr.join(' ') }),
  }
}

/**
 * Checks that the ID token shows what was asked for.
 *
 * Throws `sign_in.step_up` with the claim that does not as fact `check`: then the person would be sent round in circles.
 * Source: OpenID Connect Core 1.0 §3.1.3.7, rules 12 and 13 (acr, auth_time), §15.1 (auth_time is required with max_age).
 */
export function checkStepUp(claims: Readonly<Record<string, unknown>>, wanted: StepUp, nowMs: number): void {
  if (wanted.maxAgeS !== null) {
    const ageMs = typeof claims.auth_time === 'number' ? ageOf(claims.auth_time * 1000, nowMs) : null
    if (ageMs === null || ageMs > wanted.maxAgeS * 1000) throw refusal('auth_time', claims)
  }
  if (wanted.acr.length > 0 && (typeof claims.acr !== 'string' || !wanted.acr.includes(claims.acr)))
    throw refusal('acr', claims)
  if (wanted.amr.length > 0) {
    const { amr } = claims
    if (!Array.isArray(amr) || !wanted.amr.some(method => amr.includes(method))) throw refusal('amr', claims)
  }
}

/** Whether a sign-in shows what is asked for. */
export function showsStepUp(claims: Readonly<Record<string, unknown>>, wanted: StepUp, nowMs: number): boolean {
  try {
    checkStepUp(claims, wanted, nowMs)
    return true
  } catch {
    return false
  }
}

/**
 * How long ago the provider authenticated a user: by `auth_time`, or by the sign-in here where there is none.
 *
 * Null where it is unknown: a claim that is not a time, or a time in the future.
 */
export function authenticationAgeMs(
  claims: Readonly<Record<string, unknown>>,
  signedInAtMs: number | null,
  nowMs: number,
): number | null {
  const stated = Object.hasOwn(claims, 'auth_time') ? claims.auth_time : undefined
  if (stated === undefined) return signedInAtMs === null ? null : ageOf(signedInAtMs, nowMs)
  return typeof stated === 'number' ? ageOf(stated * 1000, nowMs) : null
}

function ageOf(atMs: number, nowMs: number): number | null {
  const ageMs = nowMs - atMs
  return ageMs >= -SKEW_MS ? Math.max(0, ageMs) : null
}

/**
 * Throws `sign_in.step_up` for a provider that can show nothing of how or when somebody signed in, before they are sent there in vain.
 */
export function refuseStepUp({ maxAgeS, acr }: StepUp, provider: string): never {
  const check = maxAgeS !== null ? 'auth_time' : acr.length > 0 ? 'acr' : 'amr'
  throw new GateError('sign_in.step_up', `a provider by OAuth 2.0 never shows what the rule asks for: ${check}`, {
    hint: `leave max_age, acr and amr out of rules for the people of ${provider}, or let them sign in by OpenID Connect`,
    facts: { check, found: 'absent', provider },
  })
}

function refusal(check: 'auth_time' | 'acr' | 'amr', claims: Readonly<Record<string, unknown>>): GateError {
  const found = claims[check]
  const hints = {
    auth_time: 'the provider has to honour prompt=login and max_age, and to state auth_time; else leave max_age out',
    acr: 'the provider has to honour acr_values, and to state acr in the ID token',
    amr: 'the provider has to state amr in the ID token, and the person to use such a method',
  }
  const isPasskey = check !== 'amr' && Array.isArray(claims.amr) && claims.amr.includes(PASSKEY)
  const instead = isPasskey ? `; its amr says "${PASSKEY}", so that amr = ["${PASSKEY}"] in the rule would do` : ''
  return new GateError('sign_in.step_up', `the new sign-in does not show what the rule asks for: ${check}`, {
    hint: hints[check] + instead,
    facts: {
      check,
      found: found === undefined ? 'absent' : JSON.stringify(found).slice(0, 100),
      ...(isPasskey ? { would_do: PASSKEY } : {}),
    },
  })
}

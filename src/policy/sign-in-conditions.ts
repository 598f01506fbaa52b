/** Conditions about the sign-in: its age, `acr` and `amr`. */

import type { AccessRule } from '../config/keys/rules.ts'
import { authenticationAgeMs } from '../identity/step-up.ts'
import { NOTHING, type SignInCondition } from './condition.ts'
import type { Missing, Reason } from './reasons.ts'

/** The conditions that a rule has about how someone signed in. A new sign-in can change what they say. */
export function compileSignIn({ maxAgeMs, acr, amr }: AccessRule): readonly SignInCondition[] {
  const conditions: SignInCondition[] = []
  if (maxAgeMs !== null) {
    conditions.push({
      kind: 'sign-in',
      needs: { ...NOTHING, time: true },
      missing: missing('sign_in.old'),
      // Rounded down: a sign-in that is good enough for the provider has to be good enough here.
      demand: { maxAgeS: Math.floor(maxAgeMs / 1000) },
      judge({ claims }, { signedInAtMs, nowMs }) {
        const ageMs = authenticationAgeMs(claims, signedInAtMs, nowMs)
        return ageMs === null || Number.isNaN(ageMs) ? 'unknown' : ageMs <= maxAgeMs ? 'yes' : 'no'
      },
    })
  }
  if (acr !== null) {
    const accepted = new Set<unknown>(acr)
    conditions.push({
      kind: 'sign-in',
      needs: NOTHING,
      missing: missing('acr.other'),
      demand: { acr },
      judge({ claims }) {
        const held = Object.hasOwn(claims, 'acr') ? claims.acr : undefined
        if (held === undefined) return 'no'
        return typeof held !== 'string' ? 'unknown' : accepted.has(held) ? 'yes' : 'no'
      },
    })
  }
  if (amr !== null) {
    const accepted = new Set<unknown>(amr)
    conditions.push({
      kind: 'sign-in',
      needs: NOTHING,
      missing: missing('amr.other'),
      demand: { amr },
      judge({ claims }) {
        const held = Object.hasOwn(claims, 'amr') ? claims.amr : undefined
        if (held === undefined) return 'no'
        if (!Array.isArray(held)) return 'unknown'
        if (held.some(method => accepted.has(method))) return 'yes'
        return held.every(method => typeof method === 'string') ? 'no' : 'unknown'
      },
    })
  }
  return conditions
}

/** Whether a rule, or any in it, looks at when the provider authenticated someone. */
export function looksAtAge({ maxAgeMs, all, any, not }: AccessRule): boolean {
  return maxAgeMs !== null || [...(all ?? []), ...(any ?? []), ...(not === null ? [] : [not])].some(looksAtAge)
}

function missing(reason: Reason): Missing {
  return { reason, kind: 'sign-in', roles: [], detail: '' }
}

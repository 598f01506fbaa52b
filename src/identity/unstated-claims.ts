/** Claims that rules need and that a provider does not list (`auth_time`, `acr`). */

import type { Metadata } from './endpoints.ts'

/** A claim about a sign-in that rules may need, with the key that needs it. */
export interface UnstatedClaim {
  readonly claim: 'auth_time' | 'acr'
  readonly key: 'max_age' | 'acr'
}

/** What to do where a provider does not state one. */
export const UNSTATED_HINT =
  'look at an ID token; if the claim is missing, remove the key from the rule: amr = ["phr"] asks for a passkey where the provider states amr, as Pocket ID does'

/**
 * The claims that are asked for and that a discovery document does not list; none where it lists no claims at all.
 *
 * The list need not be complete (OpenID Connect Discovery 1.0 §3, claims_supported), so that this is a doubt and no certainty.
 */
export function unstatedClaims(
  { claims_supported: claims, acr_values_supported: levels }: Metadata,
  asked: { readonly maxAge: boolean; readonly acr: boolean },
): readonly UnstatedClaim[] {
  if (!Array.isArray(claims)) return []
  const unstated: UnstatedClaim[] = []
  if (asked.maxAge && !claims.includes('auth_time')) unstated.push({ claim: 'auth_time', key: 'max_age' })
  if (asked.acr && !claims.includes('acr') && levels === undefined) unstated.push({ claim: 'acr', key: 'acr' })
  return unstated
}

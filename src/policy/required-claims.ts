/** Which claims about the sign-in (`auth_time`, `acr`) the rules of a file require of a provider, and which it does not list. */

import type { AccessRule } from '../config/keys/rules.ts'
import type { Config } from '../config/resolve/config.ts'
import type { Metadata } from '../identity/endpoints.ts'

/** What rules ask an ID token to say of how somebody signed in. */
export interface AskedOfSignIn {
  /** Whether any rule has `max_age`, which a new sign-in satisfies by its `auth_time`. */
  readonly maxAge: boolean
  readonly acr: boolean
}

/** What the routes of a file ask of the sign-ins of one provider. */
export function askedOfProvider({ portals, routes }: Config, provider: string): AskedOfSignIn {
  const rules = routes
    .filter(({ portal }) => portals.get(portal ?? '')?.providers.includes(provider) === true)
    .flatMap(({ allow, deny }) => [...(allow.kind === 'rules' ? allow.rules : []), ...deny])
    .flatMap(rule => partsOf(rule, provider))
  return { maxAge: rules.some(({ maxAgeMs }) => maxAgeMs !== null), acr: rules.some(({ acr }) => acr !== null) }
}

/** A rule with all that are in it, as far as they are about people of this provider. */
function partsOf(rule: AccessRule, provider: string): readonly AccessRule[] {
  const { providers, all, any, not } = rule
  if (providers !== null && !providers.includes(provider)) return []
  const inner = [...(all ?? []), ...(any ?? []), ...(not === null ? [] : [not])]
  return [rule, ...inner.flatMap(part => partsOf(part, provider))]
}

/** A claim about a sign-in that rules may need, with the key that needs it. */
interface UnstatedClaim {
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

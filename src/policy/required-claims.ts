/** Which claims about the sign-in the rules of a file require of a provider. */

import type { AccessRule } from '../config/keys/rules.ts'
import type { Config } from '../config/resolve/config.ts'

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

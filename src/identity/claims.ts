import type { ClaimNames, ProviderConfig } from '../config/types/providers.ts'
import { type Identity, makeIdentity } from './identity.ts'

/**
 * A claim by its name, which may lead into claims that hold others: `realm_access.roles` is `roles` in `realm_access`.
 *
 * A name with dots of its own comes first, at each step the longest: `https://example.com/groups` is found as it stands, and
 * `resource_access.my.client.roles` where the client is called `my.client`. Undefined: there is none; null: what should hold it holds
 * no claims, so that nothing can be said.
 */
export function findClaim(claims: unknown, name: string): unknown {
  if (!isTable(claims)) return null
  if (Object.hasOwn(claims, name)) return claims[name]
  let found: unknown
  for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    const outer = name.slice(0, dot)
    if (!Object.hasOwn(claims, outer)) continue
    const inner = findClaim(claims[outer], name.slice(dot + 1))
    if (inner !== undefined && inner !== null) return inner
    if (inner === null) found = null
  }
  return found
}

/**
 * Claims under the names that rules and applications know, where a provider has others for them.
 *
 * A claim that is named is the only one that counts: what the provider calls by the known name is then something else, and gone.
 * `email_verified` is about the claim `email` (OpenID Connect Core 1.0 §5.1), and says nothing of an address in another.
 */
function renameClaims(claims: Readonly<Record<string, unknown>>, names: ClaimNames): Readonly<Record<string, unknown>> {
  const renamed: Record<string, unknown> = { ...claims }
  for (const [known, own] of Object.entries(names)) {
    if (own === null || own === known) continue
    const value = findClaim(claims, own)
    if (value === undefined) delete renamed[known]
    else renamed[known] = value
    if (known === 'email') delete renamed.email_verified
  }
  return renamed
}

/** Who someone is by what a provider states, in its own names. */
export function identityOf(
  { name, claims }: Pick<ProviderConfig, 'name' | 'claims'>,
  issuer: string,
  subject: string,
  verified: Readonly<Record<string, unknown>>,
): Identity {
  return makeIdentity(name, issuer, subject, renameClaims(verified, claims))
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

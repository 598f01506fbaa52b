/** The limits of an API token: hosts, paths, methods, networks and a route. */

import type { HeldApiToken } from '../session/credentials/api-tokens.ts'
import type { Denial } from './policy.ts'
import { type Reason, tellReason } from './reasons.ts'

/** What a token's limits look at in a request. */
export interface TokenFacts {
  readonly host: string
  readonly path: string
  /** Other paths that a backend could read in it. */
  readonly readings: readonly string[]
  readonly method: string
  /** The client's address where it is beyond doubt, else null. */
  readonly client: string | null
  /** The route of the MCP server that is asked, whose tokens its portal gives; null or absent for any other. */
  readonly route?: string | null
}

/**
 * Null where a request is within a token's limits, else the denial. What the holder may do there is `decidePolicy`'s to say.
 *
 * Every reading of the path has to be within; an address that is in doubt is in no network.
 */
export function decideToken(
  { limits, networks, session }: Pick<HeldApiToken, 'limits' | 'networks' | 'session'>,
  facts: TokenFacts,
): Denial | null {
  const reason = findLimit()
  if (reason === null) return null
  return { verdict: 'deny', reason, roles: session.identity.roles ?? [], trials: [], ...tellReason(reason) }

  function findLimit(): Reason | null {
    const { host, path, methods, resource } = limits
    if (resource !== undefined && resource.route !== facts.route) return 'token.resource'
    if (host !== null && host !== facts.host) return 'token.host'
    if (
      path !== null &&
      !(
        isUnder(facts.path, path) && facts.readings.every(reading => isUnder(reading.toLowerCase(), path.toLowerCase()))
      )
    ) {
      return 'token.path'
    }
    if (methods !== null && !methods.includes(facts.method)) return 'token.method'
    if (networks !== null && (facts.client === null || !networks.has(facts.client))) return 'token.network'
    return null
  }
}

function isUnder(path: string, base: string): boolean {
  return base === '/' || path === base || path.startsWith(`${base}/`)
}

import { GateError } from '../../base/errors.ts'
import type { Config } from '../../config/types/config.ts'
import type { RouteConfig } from '../../config/types/routes.ts'
import type { Identity } from '../../identity/identity.ts'
import { trustedEmails } from '../../identity/vouched.ts'
import type { Facts } from '../../policy/condition.ts'
import { compilePolicy, type Decision, decidePolicy, type Policy } from '../../policy/policy.ts'
import { compileRoles, type Roles } from '../../policy/roles.ts'
import { compileCompatPages, isCallback } from '../../portal/place.ts'
import { compileRouteTable } from '../../route/table.ts'
import { parseTarget, type Target } from '../../route/target.ts'
import { portalHosts } from '../config/compile.ts'

/** Where an address leads by a file, whoever asks. */
export type Place =
  /** It can be read in more than one way, or in none. */
  | { readonly kind: 'refused'; readonly reason: string; readonly why: string }
  /** A page of ours answers. */
  | { readonly kind: 'reserved'; readonly why: string }
  | { readonly kind: 'no-route'; readonly why: string }
  | {
      readonly kind: 'route'
      readonly target: Target
      readonly route: RouteConfig
      /** The routes that another reading of the path would reach. */
      readonly also: readonly RouteConfig[]
    }

/** Who asks, by the portal at which they would be known; null is nobody. */
export type IdentityAt = (portal: string | null) => Identity | null

/** What a request depends on besides its address and who asks. */
export type Circumstances = Omit<Facts, 'target' | 'method'> & { readonly method: string }

/** The rules of a route, as a judge has compiled them. */
interface Compiled {
  readonly policy: Policy
  /** Null for a route without a portal. */
  readonly roles: Roles | null
}

/** What becomes of a request that a route takes. */
interface Verdict {
  readonly decision: Decision
  /** A route that another reading of the path reaches, and that does not let in whom this one does; null where there is none. */
  readonly barrier: RouteConfig | null
}

/** A file as the gate would judge by it: the same table, the same policies; nothing is served. */
export interface Judge {
  place(url: URL, method: string): Place
  compiled(route: RouteConfig): Compiled
  decide(place: Extract<Place, { kind: 'route' }>, who: IdentityAt, facts: Circumstances): Verdict
}

/** A judge by a checked file. Roles and policies are compiled when they are first asked for. */
export function createJudge(config: Config): Judge {
  const table = compileRouteTable(
    config.routes.map(route => {
      const { host, path, isExact, isOneLabel, stripPrefix } = route
      return { host, path, isExact, isOneLabel, stripPrefix, value: route }
    }),
    portalHosts(config),
  )
  const trusted = trustedEmails(config.providers)
  const roles = new Map<string, Roles>()
  const policies = new Map<RouteConfig, Compiled>()

  function rolesAt(name: string | null): Roles | null {
    const portal = name === null ? undefined : config.portals.get(name)
    if (portal === undefined) return null
    const known = roles.get(portal.name)
    if (known !== undefined) return known
    const made = compileRoles(portal.roles, trusted)
    roles.set(portal.name, made)
    return made
  }

  function compiled(route: RouteConfig): Compiled {
    const known = policies.get(route)
    if (known !== undefined) return known
    const own = rolesAt(route.portal)
    const made = { roles: own, policy: compilePolicy(route, own) }
    policies.set(route, made)
    return made
  }

  const decideFor = (route: RouteConfig, who: IdentityAt, facts: Facts): Decision =>
    decidePolicy(compiled(route).policy, who(route.portal), facts)

  return {
    place(url, method) {
      let target: Target
      try {
        target = parseTarget(method, url.href.split('#')[0] ?? url.href, url.host)
      } catch (error) {
        if (!(error instanceof GateError)) throw error
        return { kind: 'refused', reason: error.code, why: error.message }
      }
      if (target.isReserved) return { kind: 'reserved', why: "Sallyport's own pages answer here" }
      const match = table.match(target)
      const own = whyOwn(config, target, match?.value ?? null)
      if (own !== null) return { kind: 'reserved', why: own }
      if (match === null) return { kind: 'no-route', why: `no route has the host ${target.host} and this path` }
      return { kind: 'route', target, route: match.value, also: match.also }
    },
    compiled,
    decide({ route, also, target }, who, circumstances) {
      const facts: Facts = { ...circumstances, target }
      const decision = decideFor(route, who, facts)
      const isOpen = decision.verdict === 'allow'
      const barrier = isOpen ? also.find(other => decideFor(other, who, facts).verdict !== 'allow') : undefined
      return { decision, barrier: barrier ?? null }
    },
  }
}

/** Why the portal of a host answers at an address that is not below ours; null where it does not. */
function whyOwn({ portals }: Config, target: Target, route: RouteConfig | null): string | null {
  const portal = [...portals.values()].find(({ name, url }) => name === route?.portal || url?.host === target.host)
  if (portal === undefined) return null
  if (isCallback({ portal, target })) return 'providers send people back here (callback_path)'
  const { compat } = portal
  const isOld = compat !== null && compileCompatPages(portal, compat)(target) !== null
  return isOld ? `the portal ${portal.name} answers at this address of ${compat.program} (compat)` : null
}

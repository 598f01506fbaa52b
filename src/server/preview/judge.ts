/** Judges requests by a file that is not in use. */

import { GateError } from '../../base/errors.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import { ruleTrust } from '../../identity/claim-trust.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Facts } from '../../policy/condition.ts'
import { canComeTo, compileMembers, decideOutsider } from '../../policy/members.ts'
import { barsReadings, compilePolicy, type Decision, decidePolicy, type Policy } from '../../policy/policy.ts'
import { compileWhen } from '../../policy/request-conditions.ts'
import { compileRoles, type Roles } from '../../policy/roles.ts'
import { compileCompatPages, findDescribed, isCallback, isPortalHost, SERVER_METADATA } from '../../portal/paths.ts'
import { compileRouteTable, type Match, type RouteTable } from '../../route/table.ts'
import { parseTarget, type Target } from '../../route/target.ts'
import { compilePortalHosts, portalHosts } from '../config/portal-hosts.ts'

/** Where a file leads an address, for any user. */
export type ProbedAddress =
  /** It can be read in more than one way, or in none. */
  | { readonly kind: 'refused'; readonly reason: string; readonly why: string }
  /** One of Sallyport's own pages answers. */
  | { readonly kind: 'reserved'; readonly why: string }
  | { readonly kind: 'no-route'; readonly why: string }
  | {
      readonly kind: 'route'
      readonly target: Target
      readonly route: RouteConfig
      /** The routes that another reading of the path would reach. */
      readonly also: readonly RouteConfig[]
    }

/** Of a request, Host, and path with query, with nothing resolved. */
export interface Sent {
  readonly authority: string
  readonly path: string
}

/** The user who asks, by portal; null: an anonymous client. */
export type IdentityAt = (portal: string | null) => Identity | null

/** What a decision depends on, apart from address and user. */
export interface Circumstances extends Omit<Facts, 'target' | 'method' | 'sent'> {
  readonly method: string
  /** The request's fields by their names in small letters; absent: it has none that a rule looks at. */
  readonly sent?: Readonly<Record<string, string>>
}

/** The same as the rules look at them. */
export function factsAt(circumstances: Circumstances, target: Target): Facts {
  return { sent: NO_FIELDS, ...circumstances, target }
}

const NO_FIELDS: Readonly<Record<string, string>> = Object.freeze({})

/** The rules of a route, as a judge has compiled them. */
interface Compiled {
  readonly policy: Policy
  /** Null for a route without a portal. */
  readonly roles: Roles | null
  /** Whether somebody may have a session at the portal. */
  isMember(identity: Identity): boolean
}

/** What becomes of a request that a route takes. */
interface Verdict {
  readonly decision: Decision
  /** A route of another reading of the path that does not let by a user whom this route allows; null where there is none. */
  readonly barrier: RouteConfig | null
}

/** A file as the gate would judge by it: the same table, the same policies; nothing is served. */
export interface Judge {
  /** `sent` is the address as a client sends it; without it, as a browser would. */
  place(url: URL, method: string, sent?: Sent | null): ProbedAddress
  compiled(route: RouteConfig): Compiled
  decide(place: Extract<ProbedAddress, { kind: 'route' }>, who: IdentityAt, facts: Circumstances): Verdict
}

/** A judge by a checked file. Roles and policies are compiled when they are first asked for. */
export function createJudge(config: Config): Judge {
  const table = compileRouteTable(
    config.routes.map(route => {
      const { host, path, isExact, isOneLabel, ignoresCase, stripPrefix, when: asked } = route
      const when = asked === null ? null : compileWhen(asked)
      return { host, path, isExact, isOneLabel, ignoresCase, stripPrefix, when, value: route }
    }),
    portalHosts(config),
  )
  const portalAt = compilePortalHosts(
    config.routes.map(({ host, isOneLabel, portal: name }) => ({ host, isOneLabel, portal: portalOf(config, name) })),
    [...config.portals.values()].flatMap(portal => (portal.url === null ? [] : [[portal.url.host, portal] as const])),
  )
  const roles = new Map<string, Roles>()
  const policies = new Map<RouteConfig, Compiled>()

  function rolesAt(name: string | null): Roles | null {
    const portal = name === null ? undefined : config.portals.get(name)
    if (portal === undefined) return null
    const known = roles.get(portal.name)
    if (known !== undefined) return known
    const made = compileRoles(portal.roles, ruleTrust(portal, config.providers))
    roles.set(portal.name, made)
    return made
  }

  function compiled(route: RouteConfig): Compiled {
    const known = policies.get(route)
    if (known !== undefined) return known
    const own = rolesAt(route.portal)
    const portal = portalOf(config, route.portal)
    const members = portal === null || own === null ? null : compileMembers(portal, own)
    const made = {
      roles: own,
      policy: compilePolicy(route, own),
      isMember: (who: Identity) =>
        (portal === null || canComeTo(portal, who)) &&
        (members === null || who.isGuest === true || members(who) === 'yes'),
    }
    policies.set(route, made)
    return made
  }

  function decideFor(route: RouteConfig, who: IdentityAt, facts: Facts): Decision {
    const { policy, isMember } = compiled(route)
    const identity = who(route.portal)
    return identity === null || isMember(identity)
      ? decidePolicy(policy, identity, facts)
      : decideOutsider(policy, facts)
  }

  function placeAt(method: string, address: string, authority: string): ProbedAddress {
    let target: Target
    try {
      target = parseTarget(method, address, authority)
    } catch (error) {
      if (!(error instanceof GateError)) throw error
      return { kind: 'refused', reason: error.code, why: error.message }
    }
    if (target.isReserved) return { kind: 'reserved', why: "Sallyport's own pages answer here" }
    const match = table.match(target)
    const own = whyOwn(config, { target, table, match, portal: portalAt.lookup(target.host) })
    if (own !== null) return { kind: 'reserved', why: own }
    if (match === null) return { kind: 'no-route', why: `no route has the host ${target.host} and this path` }
    return { kind: 'route', target, route: match.value, also: match.also }
  }

  return {
    place(url, method, sent = null) {
      const place = placeAt(method, url.href.split('#')[0] ?? url.href, sent?.authority ?? url.host)
      if (sent === null || place.kind !== 'route' || place.route.answer?.kind !== 'verify') return place
      // A proxy in front states the path as it came to it, and nothing here has resolved it.
      if (sent.path.startsWith('//')) {
        return { kind: 'refused', reason: 'target.ambiguous', why: 'the path begins with several slashes' }
      }
      return placeAt(method, `http://host${sent.path}`, sent.authority)
    },
    compiled,
    decide({ route, also, target }, who, circumstances) {
      const facts = factsAt(circumstances, target)
      const decision = decideFor(route, who, facts)
      const isShut = (other: RouteConfig) => decideFor(other, who, facts).verdict !== 'allow' || barsReadings(other)
      const barrier = decision.verdict === 'allow' ? also.find(isShut) : undefined
      return { decision, barrier: barrier ?? null }
    },
  }
}

/** An address that was asked, and what of a file has to do with it. */
interface Asked {
  readonly target: Target
  readonly table: RouteTable<RouteConfig>
  readonly match: Match<RouteConfig> | null
  /** Of its host; undefined where the host is nowhere in the file. */
  readonly portal: PortalConfig | null | undefined
}

/** Why the portal of a host answers at an address that is not below ours; null where it does not. As `findPlace` has it. */
function whyOwn(config: Config, { target, table, match, portal }: Asked): string | null {
  if (portal === undefined) return whyHealth(config, target)
  if (portal === null) return null
  if (isCallback({ portal, target })) return 'providers send people back here (callback_path)'
  const { compat, name, url } = portal
  if (compat !== null && compileCompatPages(portal, compat)(target) !== null) {
    return `the portal ${name} answers at this address of ${compat.program} (compat)`
  }
  if (isDescribed(config, portal, target, table)) return `the portal ${name} describes MCP servers here (mcp)`
  return match === null && url?.host === target.host && target.path === '/'
    ? `people see the portal ${name} here`
    : null
}

/** On a host that is nowhere in the file, the address by which others ask whether this gate is up. */
function whyHealth({ portals }: Config, target: Target): string | null {
  const portal = [...portals.values()].find(({ compat }) => compat !== null)
  if (portal === undefined || portal.compat === null) return null
  const page = compileCompatPages(portal, portal.compat)(target)
  if (page !== 'ping' && page !== 'ready') return null
  return `on any host, this address of ${portal.compat.program} says whether the gate is up (compat)`
}

/** As the gate itself looks for it (`server/request/portal/resources.ts`). */
function isDescribed(
  { routes }: Config,
  portal: PortalConfig,
  target: Target,
  table: RouteTable<RouteConfig>,
): boolean {
  if (!target.path.startsWith('/.well-known/oauth-') || target.readings.length > 0) return false
  const servers = routes.filter(({ portal: name, mcp }) => name === portal.name && mcp !== null)
  if (target.path === SERVER_METADATA) {
    return isPortalHost({ portal, target }) && servers.some(({ mcp }) => mcp === 'portal')
  }
  const at = (path: string) => {
    const match = matchAt(table, target.host, path)
    if (match === null || match.also.length > 0 || !servers.includes(match.value)) return null
    const own = match.value.path
    return path === own || path === `${own}/` ? match.value : null
  }
  return findDescribed(target.path, { at, all: () => servers, pathOf: ({ path }) => path }) !== null
}

function matchAt(table: RouteTable<RouteConfig>, host: string, path: string): Match<RouteConfig> | null {
  try {
    const target = parseTarget('GET', `http://host${path}`, host)
    return target.isReserved ? null : table.match(target)
  } catch (error) {
    if (error instanceof GateError) return null
    throw error
  }
}

function portalOf({ portals }: Config, name: string | null): PortalConfig | null {
  return name === null ? null : (portals.get(name) ?? null)
}

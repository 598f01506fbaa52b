import { compileNetworks, type NetworkSet } from '../base/net.ts'
import type { Config, PortalConfig, ProviderConfig, RouteConfig } from '../config/types.ts'
import type { Picture } from '../config/types-values.ts'
import { trustedEmails } from '../identity/vouched.ts'
import type { Decision, Policy } from '../policy/policy.ts'
import { compileRate, type Rate } from '../policy/rate.ts'
import { compileRoles, type Roles, type RolesOf } from '../policy/roles.ts'
import { looksAtAge } from '../policy/sign-in.ts'
import { compileFieldFates, type FieldFate } from '../proxy/field-names.ts'
import { type BoundRules, identityRuleNames } from '../proxy/field-rules.ts'
import { type Fields, type IdentityFields, identityFieldNames } from '../proxy/identity-fields.ts'
import { type Answering, compileAnswer } from '../proxy/own-answer.ts'
import type { AnswerBounds } from '../proxy/response-fields.ts'
import type { Upstream, UpstreamPool } from '../proxy/upstream.ts'
import { compileHostTable, type HostTable } from '../route/hosts.ts'
import { compileRouteTable, type RouteTable } from '../route/table.ts'
import type { Session } from '../session/session.ts'
import { type LiveFields, liveFieldNames } from './live-fields.ts'
import { compilePorts, type OwnPorts } from './own-ports.ts'
import { createSharedParts, type SharedParts } from './shared-parts.ts'

/** Everything compiled from one routes.toml. Read once a request and passed along; never changed, only replaced. */
export interface Snapshot {
  readonly config: Config
  /** What the file and its secrets hash to: the same fingerprint is the same snapshot. */
  readonly fingerprint: string
  readonly table: RouteTable<GateRoute>
  readonly routes: readonly GateRoute[]
  /**
   * The portal that a host belongs to: its own host, or a host with routes that name it. Null for a host with routes of its own
   * of which none does: it has no part in the portal of a wildcard above it.
   */
  readonly portals: HostTable<GatePortal | null>
  /**
   * Whether a host's scripts may ask who is there: where any route of it tells its application, whose scripts they are; and on a
   * portal's own host, where no application is.
   */
  readonly isTold: HostTable<boolean>
  /** Names of portals of which an application is to have the provider's access token. */
  readonly wantsAccess: ReadonlySet<string>
  readonly trusted: NetworkSet
  /** For each client, whatever it asks for; null: no limit. */
  readonly rate: Rate | null
  /** Where clients that come by plain HTTP are sent; null: they are served. */
  readonly redirectPort: number | null
  readonly fateOf: (name: string) => FieldFate
}

/** A portal with its roles compiled. */
export interface GatePortal {
  readonly config: PortalConfig
  readonly roles: Roles
  readonly rolesOf: RolesOf
  /** Providers of which the log has told that e-mail addresses of theirs are held back. */
  readonly heldBack: Set<string>
  /** Whether a rule of a route of this portal looks at when the provider authenticated someone. */
  readonly wantsAuthTime: boolean
  /** The icons of its routes by their hashes. */
  readonly icons: ReadonlyMap<string, Picture>
  /** Whether any route of this portal keeps forms. */
  readonly hasKeptForms: boolean
  /** By which ports browsers reach its hosts, by scheme; null for a portal without a `url`. */
  readonly ports: OwnPorts | null
}

/** A route with everything that its requests need, prepared. */
export interface GateRoute {
  readonly config: RouteConfig
  readonly policy: Policy
  readonly portal: GatePortal | null
  /** Null for a route that answers by itself. */
  readonly upstream: Upstream | null
  /** Null for a route with an upstream. */
  readonly answering: Answering | null
  readonly identityFields: IdentityFields | null
  /** How far the answers of its application may reach. */
  readonly bounds: AnswerBounds
  /** What a proxy in front is told with a verdict; null where no proxy has the application. */
  readonly told: ToldFields | null
  /** Null: no limit. */
  readonly rate: Rate | null
  /** Whether a request has to be told apart by who sends it. */
  readonly needsSession: boolean
  /** Whether a rule lets in whoever came by a guest link. */
  readonly takesGuests: boolean
  /** Providers whose access tokens are taken here; null: none. */
  readonly accessTokens: readonly ProviderConfig[] | null
  /** What nobody in particular gets here. */
  readonly anonymous: Prepared
  /** What each live session gets here. Dies with the snapshot, so a reload decides anew; and with the session. */
  readonly prepared: WeakMap<Session, Prepared>
}

/** The fields of a verdict by which a proxy in front changes its client's request. */
export interface ToldFields {
  /** Cookie and Authorization, and what says who is there; in lower case, each once. */
  readonly names: ReadonlySet<string>
}

/** The part of an answer that is the same for every request of one session on one route. */
export interface Prepared {
  /** Null where each request is decided by itself. */
  readonly decision: Decision | null
  readonly fields: Fields
  /** Authorization in place of what the client sends; null: none goes on, undefined: the client's own does. */
  readonly authorization: string | null | undefined
  /** Fields that are asked for anew with each request; null for none. */
  readonly live: LiveFields | null
  /** What else changes in the fields of a request, and of its answer; null for nothing. */
  readonly requestRules: BoundRules | null
  readonly responseRules: BoundRules | null
}

/**
 * Compiles a checked Config. No network, no disk; upstreams come from the pool, so that those that stay are the same ones.
 */
export function compileSnapshot(config: Config, fingerprint: string, pool: UpstreamPool): Snapshot {
  const aged = new Set(config.routes.filter(looksAtAuthTime).map(route => route.portal))
  const keeping = new Set(config.routes.filter(route => route.keepPostsBytes !== null).map(route => route.portal))
  const trusted = trustedEmails(config.providers)
  const portals = new Map(
    [...config.portals].map(([name, portal]) => {
      const roles = compileRoles(portal.roles, trusted)
      const [wantsAuthTime, hasKeptForms] = [aged.has(name), keeping.has(name)]
      const icons = iconsOf(name, config.routes)
      const heldBack = new Set<string>()
      const ports = portal.url === null ? null : compilePorts(portal.url, config)
      const own = { config: portal, roles, rolesOf: roles.of, heldBack, wantsAuthTime, hasKeptForms, icons, ports }
      return [name, Object.freeze(own)]
    }),
  )
  const parts = createSharedParts(pool, portal => issuersOf(portal.config, config.providers))
  const routes = config.routes.map(route => compileRoute(route, portals, parts))
  const hosts = new Map<string, GatePortal | null>()
  for (const { config: route, portal } of routes) hosts.set(route.host, portal ?? hosts.get(route.host) ?? null)
  for (const portal of portals.values()) if (portal.config.url !== null) hosts.set(portal.config.url.host, portal)
  const told = new Map<string, boolean>()
  for (const route of routes) told.set(route.config.host, told.get(route.config.host) === true || tellsWho(route))
  for (const host of portalHosts(config)) told.set(host, told.get(host) ?? true)
  return Object.freeze({
    config,
    fingerprint,
    routes,
    isTold: compileHostTable(told),
    table: compileRouteTable(
      routes.map(route => {
        const { host, path, isExact, isOneLabel, stripPrefix } = route.config
        return { host, path, isExact, isOneLabel, stripPrefix, value: route }
      }),
      portalHosts(config),
    ),
    portals: compileHostTable(hosts),
    wantsAccess: new Set(config.routes.flatMap(route => (passesAccess(route) ? (route.portal ?? []) : []))),
    trusted: compileNetworks(config.server.trustedProxies),
    rate: compileRate(config.server.rate, 'server'),
    redirectPort: config.tls?.redirectHttp === true ? config.tls.publicPort : null,
    fateOf: compileFieldFates(
      config.routes.flatMap(route => [
        ...identityFieldNames(route.headers),
        ...identityRuleNames(route.requestRules),
        // Authorization is every application's own where it is not ours.
        ...liveFieldNames(route).filter(name => name !== 'authorization'),
      ]),
      config.server.trustedFields,
    ),
  })
}

/**
 * The hosts where people sign in. A wildcard above them does not serve them: what its application shows there would be of one origin
 * with the pages that make tokens and end sessions.
 */
export function portalHosts({ portals }: Pick<Config, 'portals'>): readonly string[] {
  return [...portals.values()].flatMap(({ url }) => (url === null ? [] : [url.host]))
}

/** The upstreams that routes of a snapshot lead to. */
export function upstreamsOf({ routes }: Snapshot): readonly Upstream[] {
  return routes.flatMap(({ upstream }) => (upstream === null ? [] : [upstream]))
}

function iconsOf(portal: string, routes: readonly RouteConfig[]): ReadonlyMap<string, Picture> {
  const icons = routes.flatMap(route => (route.portal === portal && route.app.icon !== null ? [route.app.icon] : []))
  return new Map(icons.map(icon => [icon.hash, icon]))
}

function looksAtAuthTime({ allow, deny }: RouteConfig): boolean {
  return (allow.kind === 'rules' && allow.rules.some(looksAtAge)) || deny.some(looksAtAge)
}

function issuersOf(portal: PortalConfig, providers: Config['providers']): readonly ProviderConfig[] | null {
  const found = portal.providers.flatMap(name => {
    const provider = providers.get(name)
    return provider === undefined || provider.accessTokens === null ? [] : [provider]
  })
  return found.length === 0 ? null : found
}

/** Whether people come to a portal from more than one place, in each of which a name is somebody else's. */
function hasSeveral({ providers, passwords }: PortalConfig): boolean {
  return providers.length + (passwords === null ? 0 : 1) > 1
}

function compileRoute(route: RouteConfig, portals: ReadonlyMap<string, GatePortal>, parts: SharedParts): GateRoute {
  const portal = route.portal === null ? null : (portals.get(route.portal) ?? null)
  const identityFields = parts.identityFields(route.headers, portal !== null && hasSeveral(portal.config))
  const policy = parts.policy(route, portal?.roles ?? null)
  return Object.freeze({
    config: route,
    policy,
    portal,
    upstream: route.upstream === null ? null : parts.upstream(route.upstream),
    answering: route.answer === null ? null : compileAnswer(route.answer, isForAll(route)),
    identityFields,
    bounds: parts.bounds(route.path, route.passFields),
    told: route.answer?.kind === 'verify' ? compileTold(route) : null,
    rate: compileRate(route.rate, route.id),
    needsSession:
      policy.rules !== null ||
      route.allow.kind !== 'public' ||
      (portal !== null && (identityFields !== null || saysWho(route) || route.rate?.by === 'user')),
    takesGuests: takesGuests(route),
    accessTokens: route.tokens && portal !== null ? parts.issuers(portal) : null,
    anonymous: parts.anonymous(policy, ownAuthorization(route), route.requestRules, route.responseRules),
    prepared: new WeakMap<Session, Prepared>(),
  })
}

/** Whether a rule of a route lets in whoever came by a guest link. */
export function takesGuests({ allow }: Pick<RouteConfig, 'allow'>): boolean {
  return allow.kind === 'rules' && allow.rules.some(({ isForGuests }) => isForGuests)
}

function compileTold(route: RouteConfig): ToldFields {
  const own = [...identityFieldNames(route.headers), ...liveFieldNames(route)].map(name => name.toLowerCase())
  return Object.freeze({ names: new Set(['cookie', 'authorization', ...own]) })
}

function isForAll({ allow, deny }: RouteConfig): boolean {
  return allow.kind === 'public' && deny.length === 0
}

/** Whether an application learns who is there. */
function tellsWho({ config, portal, identityFields }: GateRoute): boolean {
  return portal !== null && (identityFields !== null || saysWho(config))
}

function saysWho({ requestRules, responseRules, assertion, passTokens, upstream }: RouteConfig): boolean {
  if (assertion !== null || passTokens.length > 0 || (upstream !== null && upstream.personal !== null)) return true
  return identityRuleNames(requestRules).length > 0 || identityRuleNames(responseRules).length > 0
}

/** What goes on as Authorization of nobody in particular: where a person's own has its place there, nothing. */
function ownAuthorization(route: RouteConfig): string | null | undefined {
  const { upstream } = route
  if (upstream !== null && upstream.authorization !== null) return upstream.authorization
  const isOurs = (upstream !== null && upstream.personal !== null) || liveFieldNames(route).includes('authorization')
  return isOurs ? null : undefined
}

function passesAccess({ passTokens }: RouteConfig): boolean {
  return passTokens.some(({ kind }) => kind === 'access')
}

/** The path that the upstream gets: without `strip_prefix`, which the matched path is known to begin with, and with `add_prefix`. */
export function upstreamPath(route: RouteConfig, path: string): string {
  const rest = stripped(route, path)
  return route.addPrefix === null ? rest : route.addPrefix + rest
}

function stripped(route: RouteConfig, path: string): string {
  if (route.stripPrefix === null || !path.startsWith(route.stripPrefix)) return path
  const rest = path.slice(route.stripPrefix.length)
  return rest === '' || rest.charCodeAt(0) !== 0x2f ? `/${rest}` : rest
}

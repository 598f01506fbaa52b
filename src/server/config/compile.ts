/** Compiles a Config into the Snapshot that requests are answered by; routes share what is the same. */

import { compileNetworks } from '../../base/net.ts'
import { eachInSteps, finish, type Steps } from '../../base/steps.ts'
import { compileStars, type TextTest } from '../../base/wildcard.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { OwnAnswer, RouteConfig } from '../../config/resolve/routes.ts'
import type { Picture } from '../../config/values/picture.ts'
import { ruleTrust } from '../../identity/claim-trust.ts'
import { NO_FACTS } from '../../policy/condition.ts'
import { compileMembers } from '../../policy/members.ts'
import { compileExpressions } from '../../policy/path-patterns.ts'
import { compilePolicy, decideAccess, type Policy } from '../../policy/policy.ts'
import { compileRate } from '../../policy/rate.ts'
import { compileWhen, fieldsOf } from '../../policy/request-conditions.ts'
import { compileRoles, type Roles } from '../../policy/roles.ts'
import { looksAtAge } from '../../policy/sign-in-conditions.ts'
import { hasSeveral } from '../../portal/layout/person.ts'
import { compileIdentityFields, identityFieldNames } from '../../proxy/fields/identity.ts'
import { compileFieldFates } from '../../proxy/fields/names.ts'
import { type AnswerBounds, compileBounds } from '../../proxy/fields/response.ts'
import { compileOwnAddresses } from '../../proxy/fields/rewrite-location.ts'
import { bindRules, identityRuleNames, NOBODY } from '../../proxy/fields/rules.ts'
import { type Answering, compileAnswer } from '../../proxy/local/answer.ts'
import { createCompressor } from '../../proxy/local/compressor.ts'
import type { UpstreamPool } from '../../proxy/upstream/upstream.ts'
import { compileHostTable } from '../../route/hosts.ts'
import { compileRouteTable, type TableEntry } from '../../route/table.ts'
import { offeredRoles } from '../../session/grants/offered.ts'
import type { Session } from '../../session/session.ts'
import { compileCompat } from './compat.ts'
import { liveFieldNames } from './live-fields.ts'
import { compilePorts } from './own-ports.ts'
import { compilePortalHosts, portalHosts } from './portal-hosts.ts'
import {
  type CompiledGrant,
  compileRewrite,
  type GatePortal,
  type GateRoute,
  type Snapshot,
  type ToldFields,
} from './snapshot.ts'

/**
 * Compiles a checked Config. No network, no disk; upstreams come from the pool, so that those that stay are the same ones.
 */
export function compileSnapshot(config: Config, fingerprint: string, pool: UpstreamPool): Snapshot {
  return finish(compileSteps(config, fingerprint, pool))
}

const NO_ROLES: ReadonlySet<string> = new Set()

/** How many routes are compiled before something else has its turn: a few milliseconds' work. */
const ROUTES_A_STEP = 250

/** The same in steps, for files of thousands of routes. */
export function* compileSteps(config: Config, fingerprint: string, pool: UpstreamPool): Steps<Snapshot> {
  const aged = new Set(config.routes.filter(looksAtAuthTime).map(route => route.portal))
  const keeping = new Set(config.routes.filter(route => route.keepPostsBytes !== null).map(route => route.portal))
  const giving = new Set(config.routes.filter(route => route.mcp === 'portal').map(route => route.portal))
  const offered = offeredRoles(config)
  const portals = new Map(
    [...config.portals].map(([name, portal]) => {
      const roles = compileRoles(portal.roles, ruleTrust(portal, config.providers))
      const [wantsAuthTime, hasKeptForms] = [aged.has(name), keeping.has(name)]
      const icons = iconsOf(name, config.routes)
      const heldBack = new Set<string>()
      const ports = compilePorts(portal.url, config)
      const compat = compileCompat(portal, config, hasSeveral(portal))
      const own = {
        config: portal,
        roles,
        members: compileMembers(portal, roles),
        rolesOf: roles.of,
        heldBack,
        wantsAuthTime,
        offeredRoles: offered.get(name) ?? NO_ROLES,
        hasKeptForms,
        givesTokens: giving.has(name),
        icons,
        ports,
        compat,
      }
      return [name, Object.freeze(own)]
    }),
  )
  const byMethod = new Set(config.routes.flatMap(({ host, when }) => (when?.methods != null ? host : [])))
  const parts = createSharedParts(pool, portal => issuersOf(portal.config, config.providers))
  const routes = yield* eachInSteps(config.routes, ROUTES_A_STEP, route =>
    compileRoute(route, portals, parts, byMethod.has(route.host)),
  )
  // Names of several labels below a wildcard have a part in what the routes are that serve them, and in no more.
  const deeper = routes.filter(route => !route.config.isOneLabel)
  yield
  const own = [...portals.values()].flatMap(portal =>
    portal.config.url === null ? [] : [[portal.config.url.host, portal] as const],
  )
  const portalTable = compilePortalHosts(
    routes.map(({ config: { host, isOneLabel }, portal }) => ({ host, isOneLabel, portal })),
    own,
  )
  yield
  const told = toldByHost(routes)
  for (const host of portalHosts(config)) told.set(host, told.get(host) ?? true)
  const isTold = compileHostTable(told, toldByHost(deeper))
  yield
  const table = compileRouteTable(routes.map(tableEntry), portalHosts(config))
  const clientField = config.server.clientAddress.toLowerCase()
  const names = yield* eachInSteps(config.routes, ROUTES_A_STEP, ownFieldNames)
  // Requests read it: a list of the file is frozen, and so read slowly (`proxy/fields/identity.ts`).
  const trustedFields = [...config.server.trustedFields]
  const judged = yield* eachInSteps(config.routes, ROUTES_A_STEP, judgedFieldNames)
  const bindings = bindingsOf(config)
  return Object.freeze({
    config,
    fingerprint,
    routes,
    isTold,
    table,
    portals: portalTable,
    allPortals: [...portals.values()],
    compat: [...portals.values()].find(({ compat }) => compat !== null) ?? null,
    guarded: compileHostTable(guardedByHost(routes), guardedByHost(deeper)),
    wantsAccess: new Set(config.routes.flatMap(route => (passesAccess(route) ? (route.portal ?? []) : []))),
    bindings,
    trusted: compileNetworks(config.server.trustedProxies),
    rate: compileRate(config.server.rate, 'server'),
    resets: config.tls?.http2 === true ? compileRate(config.server.resets, 'max_resets') : null,
    redirectPort: config.tls?.redirectHttp === true ? config.tls.publicPort : null,
    clientField,
    trustedFields,
    fateOf: compileFieldFates(
      new Set(names.flat()),
      trustedFields,
      clientField,
      new Set(judged.flat()),
      bindings !== null,
    ),
  })
}

function bindingsOf({ portals }: Config): Snapshot['bindings'] {
  const binding = [...portals].flatMap(([name, { bindSessions }]) =>
    bindSessions === null ? [] : [[name, bindSessions] as const],
  )
  return binding.length === 0 ? null : new Map(binding)
}

function tableEntry(value: GateRoute): TableEntry<GateRoute> {
  const { host, path, isExact, isOneLabel, ignoresCase, stripPrefix, when: asked } = value.config
  const when = asked === null ? null : compileWhen(asked)
  return { host, path, isExact, isOneLabel, ignoresCase, stripPrefix, when, value }
}

/** The identity fields of a route. Authorization belongs to the application, unless Sallyport sets it. */
function ownFieldNames(route: RouteConfig): readonly string[] {
  return [
    ...identityFieldNames(route.headers),
    ...identityRuleNames(route.requestRules),
    ...liveFieldNames(route).filter(name => name !== 'authorization'),
  ]
}

/** The fields that decide about a request to a route. */
function judgedFieldNames({ allow, deny }: RouteConfig): readonly string[] {
  return [...(allow.kind === 'rules' ? allow.rules : []), ...deny].flatMap(fieldsOf)
}

/** The routes of each host that are not for everybody, where anyone may ask about all of them at once. */
function guardedByHost(routes: readonly GateRoute[]): Map<string, readonly GateRoute[]> {
  const asked = routes.filter(({ portal, config }) => portal?.compat != null && !isForAll(config))
  return Map.groupBy(asked, ({ config }) => config.host)
}

/** Whether any route of a host sends identity fields to its application. */
function toldByHost(routes: readonly GateRoute[]): Map<string, boolean> {
  const told = new Map<string, boolean>()
  for (const route of routes) told.set(route.config.host, told.get(route.config.host) === true || tellsWho(route))
  return told
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
    return provider === undefined || (provider.accessTokens === null && provider.idTokenClients.length === 0)
      ? []
      : [provider]
  })
  return found.length === 0 ? null : found
}

function compileRoute(
  route: RouteConfig,
  portals: ReadonlyMap<string, GatePortal>,
  parts: SharedParts,
  isChosenByMethod: boolean,
): GateRoute {
  const portal = route.portal === null ? null : (portals.get(route.portal) ?? null)
  const identityFields = parts.identityFields(route.headers, portal !== null && hasSeveral(portal.config))
  const policy = parts.policy(route, portal?.roles ?? null, isChosenByMethod)
  return Object.freeze({
    config: route,
    policy,
    portal,
    rewrite: compileRewrite(route),
    upstream: route.upstream === null ? null : parts.upstream(route.upstream),
    answering: route.answer === null ? null : parts.answering(route.answer, isForAll(route)),
    identityFields,
    answerFields: identityFields !== null || saysWho(route) ? (portal?.compat?.fields ?? null) : null,
    bounds: parts.bounds(route, false),
    privateBounds: parts.bounds(route, true),
    sharedCaches: route.sharedCaches
      ? 'all'
      : !isForAll(route)
        ? 'none'
        : portal !== null && (identityFields !== null || saysWho(route))
          ? 'anonymous'
          : 'all',
    told: route.answer?.kind === 'verify' ? compileTold(route) : null,
    rate: compileRate(route.rate, route.firstId),
    needsSession:
      policy.rules !== null ||
      route.allow.kind !== 'public' ||
      (portal !== null && (identityFields !== null || saysWho(route) || route.rate?.by === 'user')),
    takesGuests: takesGuests(route),
    accessTokens: route.tokens && portal !== null ? parts.issuers(portal) : null,
    isProgramAt: route.programPaths.length === 0 ? null : compileExpressions(route.programPaths),
    opensTool: route.tools === null ? null : compileTools(route.tools),
    anonymous: parts.anonymous(policy, ownAuthorization(route), route.requestRules, route.responseRules),
    grants: new WeakMap<Session, CompiledGrant>(),
  })
}

function compileTools(patterns: readonly string[]): TextTest {
  const tests = patterns.map(compileStars)
  return tool => tests.some(test => test(tool))
}

/** Whether a rule of a route allows guests of a guest link. */
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

/** Whether an application learns the user's identity. */
function tellsWho({ config, portal, identityFields }: GateRoute): boolean {
  return portal !== null && (identityFields !== null || saysWho(config))
}

function saysWho({ requestRules, responseRules, assertion, passTokens, upstream }: RouteConfig): boolean {
  if (assertion !== null || passTokens.length > 0 || (upstream !== null && upstream.personal !== null)) return true
  return identityRuleNames(requestRules).length > 0 || identityRuleNames(responseRules).length > 0
}

/** The Authorization of an anonymous request: none where the user's own goes there. */
function ownAuthorization(route: RouteConfig): string | null | undefined {
  const { upstream } = route
  if (upstream !== null && upstream.authorization !== null) return upstream.authorization
  const isOurs = (upstream !== null && upstream.personal !== null) || liveFieldNames(route).includes('authorization')
  return isOurs ? null : undefined
}

function passesAccess({ passTokens }: RouteConfig): boolean {
  return passTokens.some(({ kind }) => kind === 'access')
}

/**
 * Parts of routes, each compiled once for all routes of a snapshot for which it is the same.
 *
 * That is found out by identity: parts of a Config that say the same are one (`createShared`). Dies with the compilation.
 */
interface SharedParts {
  policy(route: RouteConfig, roles: Roles | null, isChosenByMethod: boolean): Policy
  readonly upstream: UpstreamPool['upstream']
  /** How a route without an upstream answers. */
  answering(answer: OwnAnswer, isForAll: boolean): Answering
  readonly identityFields: typeof compileIdentityFields
  /** How far its answers reach; `isPrivate`: into no shared cache. */
  bounds(route: RouteConfig, isPrivate: boolean): AnswerBounds
  issuers(portal: GatePortal): readonly ProviderConfig[] | null
  anonymous(
    policy: Policy,
    authorization: CompiledGrant['authorization'],
    requestRules: RouteConfig['requestRules'],
    responseRules: RouteConfig['responseRules'],
  ): CompiledGrant
}

/** Nothing is made yet; `issuersOf` answers null for a portal that takes no token of its providers. */
function createSharedParts(
  pool: UpstreamPool,
  issuersOf: (portal: GatePortal) => readonly ProviderConfig[] | null,
): SharedParts {
  const policies = shared(
    (
      allow: RouteConfig['allow'],
      deny: RouteConfig['deny'],
      methods: RouteConfig['methods'],
      roles: Roles | null,
      isChosenByMethod: boolean,
    ): Policy => compilePolicy({ allow, deny, methods }, roles, isChosenByMethod),
  )
  const compressor = createCompressor()
  const ownAddresses = shared(compileOwnAddresses)
  const bounds = shared(compileBounds)
  return {
    policy: ({ allow, deny, methods }, roles, isChosenByMethod) =>
      policies(allow, deny, methods, roles, isChosenByMethod),
    upstream: shared(pool.upstream),
    answering: shared((answer: OwnAnswer, isForAll: boolean) => compileAnswer(answer, isForAll, compressor)),
    identityFields: shared(compileIdentityFields),
    bounds: ({ path, passFields, stripPrefix, addPrefix, hostHeader, rewritesLocation, cookiePath }, isPrivate) =>
      bounds(
        path,
        passFields,
        ownAddresses(stripPrefix, addPrefix, hostHeader, rewritesLocation, cookiePath === 'prefix'),
        isPrivate,
      ),
    issuers: shared(issuersOf),
    anonymous: shared((policy, authorization, requestRules, responseRules) =>
      Object.freeze({
        decision: policy.isStatic ? decideAccess(policy, null, NO_FACTS) : null,
        fields: NO_FIELDS,
        answerFields: NO_FIELDS,
        cookies: null,
        userMark: null,
        authorization,
        live: null,
        requestRules: bindRules(requestRules, NOBODY),
        responseRules: bindRules(responseRules, NOBODY),
      }),
    ),
  }
}

const NO_FIELDS: CompiledGrant['fields'] = []

/** Answers of a function by its arguments. */
interface Known<B> {
  readonly next: Map<unknown, Known<B>>
  made: { readonly value: B } | null
}

/** A function that is called once for the same arguments. */
function shared<Args extends readonly unknown[], B>(make: (...args: Args) => B): (...args: Args) => B {
  const begin: Known<B> = { next: new Map(), made: null }
  return (...args) => {
    let known = begin
    for (const arg of args) {
      let next = known.next.get(arg)
      if (next === undefined) {
        next = { next: new Map(), made: null }
        known.next.set(arg, next)
      }
      known = next
    }
    known.made ??= { value: make(...args) }
    return known.made.value
  }
}

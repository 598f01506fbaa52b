/** The snapshot: what one routes.toml compiles to, read once a request. */

import type { NetworkSet } from '../../base/net.ts'
import { compileExpression, isFault } from '../../base/regular-expression.ts'
import type { TextTest } from '../../base/wildcard.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import type { Picture } from '../../config/values/picture.ts'
import type { MemberJudge } from '../../policy/members.ts'
import type { PathJudge } from '../../policy/path-patterns.ts'
import type { Decision, Policy } from '../../policy/policy.ts'
import type { Rate } from '../../policy/rate.ts'
import type { Roles, RolesOf } from '../../policy/roles.ts'
import type { Fields, IdentityFields } from '../../proxy/fields/identity.ts'
import type { FieldFate } from '../../proxy/fields/names.ts'
import type { AnswerBounds } from '../../proxy/fields/response.ts'
import type { BoundRules } from '../../proxy/fields/rules.ts'
import type { Answering } from '../../proxy/local/answer.ts'
import type { Upstream } from '../../proxy/upstream/upstream.ts'
import type { HostTable } from '../../route/hosts.ts'
import { ambiguous, foldCase, hasReadings, readPath } from '../../route/readings.ts'
import type { RouteTable } from '../../route/table.ts'
import type { KeptCookies } from '../../session/cookie.ts'
import type { Session } from '../../session/session.ts'
import type { GateCompat } from './compat.ts'
import type { LiveFields } from './live-fields.ts'
import type { OwnPorts } from './own-ports.ts'

/** Everything compiled from one routes.toml. Read once a request and passed along; never changed, only replaced. */
export interface Snapshot {
  readonly config: Config
  /** What the file and its secrets hash to: the same fingerprint is the same snapshot. */
  readonly fingerprint: string
  readonly table: RouteTable<GateRoute>
  readonly routes: readonly GateRoute[]
  /**
   * The portal of a host: the portal's own host, or a host with routes that name it. Null for a host whose own routes
   * name none: the portal of a wildcard above it does not apply.
   */
  readonly portals: HostTable<GatePortal | null>
  /** Each portal of the file. */
  readonly allPortals: readonly GatePortal[]
  /**
   * Whether a host's scripts may ask for the user: where one of its routes sends identity fields to its application,
   * and on a portal's own host, which has no application.
   */
  readonly isTold: HostTable<boolean>
  /** The portal that answers health checks on any other host, as a program did that stood here before; null: none does. */
  readonly compat: GatePortal | null
  /** The routes of a host that are not for everybody, where its portal has addresses of such a program. */
  readonly guarded: HostTable<readonly GateRoute[]>
  /** Names of portals of which an application is to have the provider's access token. */
  readonly wantsAccess: ReadonlySet<string>
  /** The portals that bind sessions to devices, by name, and whether they have to be; null: none does. */
  readonly bindings: ReadonlyMap<string, NonNullable<PortalConfig['bindSessions']>> | null
  readonly trusted: NetworkSet
  /** In which field those say where the client is; lower case. */
  readonly clientField: string
  /** For all requests of each client; null: no limit. */
  readonly rate: Rate | null
  /** What a client may give up by HTTPS, where HTTP/2 is spoken; null: it is not counted. */
  readonly resets: Rate | null
  /** Where clients that come by plain HTTP are sent; null: they are served. */
  readonly redirectPort: number | null
  /** Fields of which only trusted proxies have a say; lower case. */
  readonly trustedFields: readonly string[]
  readonly fateOf: (name: string) => FieldFate
}

/** A portal with its roles compiled. */
export interface GatePortal {
  readonly config: PortalConfig
  readonly roles: Roles
  /** Null: everybody whom its providers know is a member. */
  readonly members: MemberJudge | null
  readonly rolesOf: RolesOf
  /** Providers whose unverified e-mail addresses the log has already mentioned. */
  readonly heldBack: Set<string>
  /** Whether a rule of a route of this portal looks at when the provider authenticated someone. */
  readonly wantsAuthTime: boolean
  /** The icons of its routes by their hashes. */
  readonly icons: ReadonlyMap<string, Picture>
  /** The roles that people may ask for. */
  readonly offeredRoles: ReadonlySet<string>
  /** Whether any route of this portal keeps forms. */
  readonly hasKeptForms: boolean
  /** Whether it gives tokens to the clients of any of its routes. */
  readonly givesTokens: boolean
  /** Addresses of a program that stood here before; null for none. */
  readonly compat: GateCompat | null
  /** By which ports clients reach its hosts, by scheme. */
  readonly ports: OwnPorts
}

/** A route with everything that its requests need, prepared. */
export interface GateRoute {
  readonly config: RouteConfig
  readonly policy: Policy
  readonly portal: GatePortal | null
  /** Changes the path for the upstream, after its prefixes; null: nothing does. */
  readonly rewrite: ((path: string) => string) | null
  /** Null for a route that answers without an application. */
  readonly upstream: Upstream | null
  /** Null for a route with an upstream. */
  readonly answering: Answering | null
  readonly identityFields: IdentityFields | null
  /** The identity fields of its answers; null for none. */
  readonly answerFields: IdentityFields | null
  /** How far the answers of its application may reach. */
  readonly bounds: AnswerBounds
  /** The same for answers that no shared cache may keep. */
  readonly privateBounds: AnswerBounds
  /**
   * Which of its answers shared caches may keep, where the application allows it: all, those to anonymous clients, or
   * none.
   */
  readonly sharedCaches: 'all' | 'anonymous' | 'none'
  /** The fields of a verdict for a proxy in front; null where no proxy has the application. */
  readonly told: ToldFields | null
  /** Null: no limit. */
  readonly rate: Rate | null
  /** Whether the decision depends on the user. */
  readonly needsSession: boolean
  /** Whether a rule allows guests of a guest link. */
  readonly takesGuests: boolean
  /** Providers whose access tokens are taken here; null: none. */
  readonly accessTokens: readonly ProviderConfig[] | null
  /** Whether a tool of its MCP server may be called; null: nothing is asked about tools. */
  readonly opensTool: TextTest | null
  /** Whether everybody counts as a program at a path; null: at none. */
  readonly isProgramAt: PathJudge | null
  /** What an anonymous client gets here. */
  readonly anonymous: CompiledGrant
  /** What each live session gets here. It goes with the snapshot, so a reload decides again, and with the session. */
  readonly grants: WeakMap<Session, CompiledGrant>
}

/** The fields of a verdict by which a proxy in front changes its client's request. */
export interface ToldFields {
  /** Cookie, Authorization and the identity fields; in lower case, each once. */
  readonly names: ReadonlySet<string>
}

/** The part of an answer that is the same for every request of one session on one route. */
export interface CompiledGrant {
  /** Null where each request needs its own decision. */
  readonly decision: Decision | null
  readonly fields: Fields
  /** Fields that an answer gets, by which it says who asked. */
  readonly answerFields: Fields
  /** What is kept of the cookies of its browser; null for anonymous clients, which share it. */
  readonly cookies: KeptCookies | null
  /** Identifies the user, for an application whose own session ends with its user; null where no route needs it. */
  readonly userMark: string | null
  /** Authorization in place of the client's; null: none is sent, undefined: the client's own is. */
  readonly authorization: string | null | undefined
  /** Fields that are computed for each request; null for none. */
  readonly live: LiveFields | null
  /** What else changes in the fields of a request, and of its answer; null for nothing. */
  readonly requestRules: BoundRules | null
  readonly responseRules: BoundRules | null
}

/** The upstreams that routes of a snapshot lead to. */
export function upstreamsOf({ routes }: Snapshot): readonly Upstream[] {
  return routes.flatMap(({ upstream }) => (upstream === null ? [] : [upstream]))
}

/**
 * The path that the upstream gets: without `strip_prefix`, with which the matched path begins, with `add_prefix`, and
 * rewritten.
 */
export function upstreamPath({ config, rewrite }: Pick<GateRoute, 'config' | 'rewrite'>, path: string): string {
  const rest = stripped(config, path)
  const whole = config.addPrefix === null ? rest : config.addPrefix + rest
  return rewrite === null ? whole : rewrite(whole)
}

/** Instructions times characters, as for rules by expressions. */
const MOST_STEPS = 125_000

/** The same for all matches of a path together, each of which may look as far as its end: some 50 ms. */
const MOST_REPLACED_STEPS = 40 * MOST_STEPS

/** `rewrite` of a route as a function, whose result has to be a valid path, too; null without it. */
export function compileRewrite({ rewrite }: Pick<RouteConfig, 'rewrite'>): GateRoute['rewrite'] {
  if (rewrite === null) return null
  const expression = compileExpression(rewrite.from)
  if (isFault(expression)) throw new TypeError(`an expression that was checked does not compile: ${expression.message}`)
  return path => {
    const steps = expression.size * path.length
    const replaced = steps > MOST_STEPS ? null : expression.replace(path, rewrite.to, MOST_REPLACED_STEPS / steps)
    if (replaced === null) throw ambiguous('the path is too long for what rewrites it')
    const made = replaced.replace(/^\/*/, '/')
    if (hasReadings(made)) readPath(made)
    return made
  }
}

function beginsWith(path: string, prefix: string, { ignoresCase }: RouteConfig): boolean {
  return ignoresCase ? foldCase(path).startsWith(foldCase(prefix)) : path.startsWith(prefix)
}

function stripped(route: RouteConfig, path: string): string {
  if (route.stripPrefix === null || !beginsWith(path, route.stripPrefix, route)) return path
  const rest = path.slice(route.stripPrefix.length)
  return rest === '' || rest.charCodeAt(0) !== 0x2f ? `/${rest}` : rest
}

/**
 * Whether an answer to this user (null: an anonymous client) must not enter a shared cache, which would give it to
 * others.
 */
export function isPrivate({ sharedCaches }: GateRoute, session: Session | null): boolean {
  return sharedCaches === 'none' || (sharedCaches === 'anonymous' && session !== null)
}

/** `[[routes]]`, as the program takes them: one route for each host and path. */

import { resolve } from 'node:path'
import { placesOf, type RoutePlace } from '../checks/places.ts'
import type { FieldRuleTable } from '../keys/field-rules.ts'
import type { CacheRule, FilesTable } from '../keys/files.ts'
import type { ASSERTION, ProviderTokenKind } from '../keys/identity.ts'
import type { RootTable } from '../keys/keys.ts'
import type { REWRITE, RouteTable } from '../keys/routes.ts'
import type { SERVER } from '../keys/server.ts'
import { type Known, known, type Table } from '../keys/table.ts'
import type { ConfigFiles } from '../values/files.ts'
import type { HeaderSpec } from '../values/headers.ts'
import type { HostHeader } from '../values/host.ts'
import { buildPicture, ICON, type Picture } from '../values/picture.ts'
import type { FieldTemplate, TemplatePart } from '../values/template.ts'
import { type AccessRule, type Allow, buildAllow, buildDeny, buildWhen, type RequestRule } from './rules.ts'
import { buildMaxBody, buildRate, type RateConfig } from './server.ts'
import { buildUpstream, type UpstreamConfig } from './upstreams.ts'

/** A signed statement of who someone is, for one application. */
export interface AssertionConfig {
  readonly audience: string
  /** Lower-case. */
  readonly header: string
  /** Null: the portal's own address. */
  readonly issuer: string | null
}

/** A token of the provider that goes to the application, and in which field (lower-case; `authorization` adds `Bearer`). */
export interface PassedToken {
  readonly kind: ProviderTokenKind
  readonly header: string
}

/** What becomes of the fields of a request or an answer, in this order. Each name is in one place only. */
export interface FieldRules {
  readonly remove: readonly string[]
  readonly set: readonly FieldTemplate[]
  readonly append: readonly FieldTemplate[]
}

/** A folder of files. */
export interface FilesAnswer {
  readonly kind: 'files'
  /** An absolute path. */
  readonly folder: string
  /** The file that is served for addresses without one, with a slash before it; null: they are not found. */
  readonly fallback: string | null
  /** What is put to a name of which there is no file. */
  readonly endings: readonly string[]
  /** Whether an upstream serves everything that is not a file here, including folders. */
  readonly isFirst: boolean
  /** The longest pattern that holds counts; empty: what is usual. */
  readonly cacheRules: readonly CacheRule[]
  readonly isCompressed: boolean
  /** Whether a folder without an `index.html` is answered with a list of what is in it. */
  readonly isListed: boolean
  /** Whether other methods are answered as GET is. */
  readonly takesAnyMethod: boolean
}

/** How a route answers that has no upstream. */
export type OwnAnswer =
  /** Parts are text, or `host`, `path` and `query` of the request. */
  | { readonly kind: 'redirect'; readonly location: readonly TemplatePart[]; readonly status: number }
  | { readonly kind: 'respond'; readonly status: number; readonly body: string; readonly contentType: string }
  | FilesAnswer
  /** A proxy in front has the application, and asks here whether requests may pass. */
  | { readonly kind: 'verify' }

/** One host and path of a table of `[[routes]]`. */
export interface RouteConfig {
  /**
   * host + path as configured, marked where it is only for the exact path or for some requests: the name in logs,
   * `explain` and messages.
   */
  readonly id: string
  /** The id of the first host and path of its table, by which goes what is one for all of them. */
  readonly firstId: string
  /** Lower-case ASCII; `*.example.com` for a wildcard. */
  readonly host: string
  /** `/`, or `/x/y` without a trailing slash: matched at segment boundaries. */
  readonly path: string
  /** Whether nothing below the path is meant. */
  readonly isExact: boolean
  /** Whether the star of its host is one label. */
  readonly isOneLabel: boolean
  /** Whether its path, and what is taken off it, is meant in any letter case. */
  readonly ignoresCase: boolean
  /** Which requests it is for, beside those that its host and path say; null: all of them. */
  readonly when: RequestRule | null
  /** Null for a route that Sallyport itself answers. */
  readonly upstream: UpstreamConfig | null
  /** Null for a route with an upstream, unless files come first. */
  readonly answer: OwnAnswer | null
  readonly portal: string | null
  readonly allow: Allow
  /** Any one that holds, or cannot be judged, denies. */
  readonly deny: readonly AccessRule[]
  /** Upper-case; null: all that the proxy forwards. */
  readonly methods: readonly string[] | null
  /** Whether scripts and apps may come with a token instead of signing in. */
  readonly tokens: boolean
  /** Who gives the clients of an MCP server their tokens; null for no such server. */
  readonly mcp: 'portal' | 'provider' | null
  /** Patterns of the tools of an MCP server that may be called; null: all, and no body is looked at. */
  readonly tools: readonly string[] | null
  /** What the audience of a provider's access token has to be here; null: what the provider's table says. */
  readonly audience: readonly string[] | null
  /** Whether people and programs may come with a password of the portal's file. */
  readonly passwords: boolean
  /** Whether the application gets the Authorization by which somebody was found. */
  readonly passAuthorization: boolean
  /** Expressions of paths on which everybody counts as a program. */
  readonly programPaths: readonly string[]
  readonly stripPrefix: string | null
  /** Put before the path, after `stripPrefix` was taken off; without a trailing slash. */
  readonly addPrefix: string | null
  /** What of the path is another one then: an expression, and what is in the place of its matches. */
  readonly rewrite: { readonly from: string; readonly to: string } | null
  readonly hostHeader: HostHeader
  /** Whether Origin and Referer that name the public host are the application's own for it. */
  readonly hasOwnOrigin: boolean
  /** Whether `Location` and its kin are written as browsers follow them. */
  readonly rewritesLocation: boolean
  /** Whether the paths of the application's cookies follow the prefixes. */
  readonly cookiePath: 'pass' | 'prefix'
  /** Whether CORS preflights pass to the upstream without a session. */
  readonly corsPreflight: boolean
  /** Whether what stands behind `#` in an address is kept while people sign in. */
  readonly keepFragment: boolean
  /** Whether browsers may fetch the script of a service worker. */
  readonly serviceWorkers: boolean
  /** Whether the application's own session ends when another user comes by the same browser. */
  readonly endsUserSessions: boolean
  readonly headers: HeaderSpec
  readonly assertion: AssertionConfig | null
  readonly passTokens: readonly PassedToken[]
  readonly requestRules: FieldRules | null
  readonly responseRules: FieldRules | null
  /** Fields of answers that act on the whole host and pass all the same, in lower case. */
  readonly passFields: readonly string[]
  /** Whether shared caches may keep its answers, regardless of its access rules. */
  readonly sharedCaches: boolean
  /** How long the upstream may take to begin its answer. */
  readonly timeoutMs: number
  /** Up to what length an answer is read whole so that it keeps its length; null: as long as that costs little. */
  readonly keepLengthBytes: number | null
  /** How long a request's body may be; null: no limit. */
  readonly maxBodyBytes: number | null
  /** How long a form may be that is kept while its sender signs in again; null: none is. */
  readonly keepPostsBytes: number | null
  readonly rate: RateConfig | null
  /** Origins that may open WebSockets, in addition to the route's own. */
  readonly allowedOrigins: readonly string[]
  /** Whether WebSockets pass. */
  readonly websockets: boolean
  /** Whether permessage-deflate may be agreed upon. */
  readonly websocketCompression: boolean
  /** What people see in the portal's list. */
  readonly name: string
  readonly app: AppConfig
}

/** How a route shows in the portal's list. */
interface AppConfig {
  /** Whether the file gives it at least a name. Then it is a separate application, at any path. */
  readonly isNamed: boolean
  /** Null: a letter. */
  readonly icon: Picture | null
  readonly group: string | null
  readonly description: string | null
  readonly isHidden: boolean
}

/** What a route refers to in the rest of its file. */
export interface RestOfFile {
  readonly root: Known<RootTable>
  readonly server: Known<Table<typeof SERVER>>
  /** Absolute: where relative paths begin. */
  readonly directory: string
  readonly files: ConfigFiles
}

/** What is the same for all hosts and paths of a table. */
type Common = Omit<RouteConfig, 'id' | 'firstId' | 'host' | 'path' | 'isExact' | 'isOneLabel' | 'when' | 'name'>

/** A route for each host and path of one of `[[routes]]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildRoutes(table: RouteTable, rest: RestOfFile): readonly RouteConfig[] {
  const route = known(table)
  const common = buildCommon(route, rest)
  const when = route.when === null ? null : buildWhen(route.when)
  const places = placesOf(table).map(place => ({ ...place, id: idOf(place) + whenOf(when) }))
  return places.map(({ host, path, isExact, id }) => ({
    id,
    firstId: places[0]?.id ?? id,
    host,
    path,
    isExact,
    isOneLabel: route.one_label && host.startsWith('*.'),
    when,
    ...common,
    name: route.name ?? (path === '/' ? host : host + path),
  }))
}

function idOf({ host, path, isExact }: RoutePlace): string {
  return host + path + (isExact ? ' (exact)' : '')
}

/** What distinguishes it from other routes of the same host and path. */
function whenOf(when: RequestRule | null): string {
  if (when === null) return ''
  const query = [...(when.query ?? [])].map(([name, patterns]) => `${name}=${patterns.join('|')}`)
  return ` (${[...(when.methods ?? []), ...(when.paths ?? []), ...(when.pathRegexp ?? []), ...query].join(' ')})`
}

function buildCommon(route: Known<RouteTable>, { root, server, directory, files }: RestOfFile): Common {
  const rate = route.rate === null ? null : known(route.rate)
  const responseRules = route.response_headers === null ? null : buildFieldRules(route.response_headers)
  return {
    upstream: route.upstream === null ? null : buildUpstream(route.upstream, root, files),
    answer: buildAnswer(route, directory),
    portal: route.portal,
    allow: buildAllow(route.allow),
    deny: buildDeny(route.deny),
    methods: route.methods,
    tokens: route.tokens || route.mcp !== false,
    mcp: route.mcp === false ? null : route.mcp === true ? 'portal' : route.mcp,
    tools: route.tools === null ? null : known(route.tools).allow,
    audience: route.audience,
    passwords: route.passwords,
    passAuthorization: route.pass_authorization,
    programPaths: route.program_paths ?? [],
    ignoresCase: route.ignore_case,
    stripPrefix: route.strip_prefix,
    addPrefix: noRoot(route.add_prefix),
    rewrite: route.rewrite === null ? null : buildRewrite(route.rewrite),
    hostHeader: route.host_header,
    hasOwnOrigin: route.origin === 'upstream',
    rewritesLocation: route.rewrite_location,
    cookiePath: route.cookie_path,
    corsPreflight: route.cors_preflight,
    keepFragment: route.keep_fragment,
    serviceWorkers: route.service_workers,
    endsUserSessions: route.end_user_sessions ?? tellsWho(route.headers),
    headers: route.headers,
    assertion: route.assertion === null ? null : buildAssertion(route.assertion),
    passTokens: Array.from(route.pass_token ?? [], ([kind, header]) => ({ kind, header })),
    requestRules: route.request_headers === null ? null : buildFieldRules(route.request_headers),
    responseRules: route.mcp === false ? responseRules : withReadable(responseRules),
    passFields: (route.pass_fields ?? []).map(name => name.toLowerCase()),
    sharedCaches: route.shared_caches,
    timeoutMs: route.timeout,
    keepLengthBytes: route.keep_length.maxBytes,
    maxBodyBytes: buildMaxBody(route, server),
    keepPostsBytes: route.keep_posts.maxBytes,
    rate: rate === null ? null : buildRate(rate, rate.by),
    allowedOrigins: route.allowed_origins,
    websockets: route.websockets,
    websocketCompression: route.websocket_compression,
    app: buildApp(route, files),
  }
}

function buildRewrite(table: Table<typeof REWRITE>): NonNullable<RouteConfig['rewrite']> {
  const { from, to } = known(table)
  return { from, to }
}

function buildAnswer(route: Known<RouteTable>, directory: string): OwnAnswer | null {
  if (route.redirect !== null) return { kind: 'redirect', location: route.redirect, status: route.status ?? 302 }
  if (route.respond !== null) {
    const { status, body, content_type } = known(route.respond)
    return { kind: 'respond', status, body, contentType: content_type }
  }
  if (route.files !== null) return buildFiles(route.files, directory, route.upstream !== null)
  return route.verify === null ? null : { kind: 'verify' }
}

function buildFiles(table: FilesTable, directory: string, isFirst: boolean): FilesAnswer {
  const {
    folder,
    try_files: fallback,
    endings,
    cache_control: rules,
    compress: isCompressed,
    listing,
    any_method,
  } = known(table)
  // The first that holds counts, where they are looked at.
  const cacheRules = (rules ?? []).toSorted((one, other) => other.pattern.length - one.pattern.length)
  const more = { endings: endings ?? [], isFirst, isListed: listing, takesAnyMethod: any_method }
  return { kind: 'files', folder: resolve(directory, folder), fallback, cacheRules, isCompressed, ...more }
}

function buildAssertion(table: Table<typeof ASSERTION>): AssertionConfig {
  const { audience, header, issuer } = known(table)
  return { audience, header, issuer }
}

function buildFieldRules(table: FieldRuleTable): FieldRules {
  const { remove, set, append } = known(table)
  return { remove: remove ?? [], set: set ?? [], append: append ?? [] }
}

function noRoot(path: string | null): string | null {
  return path === '/' ? null : path
}

function tellsWho(headers: HeaderSpec): boolean {
  return headers.kind === 'table' ? headers.fields.length > 0 : headers.preset !== 'none'
}

/** How a route shows in lists; a route without the table shows only its name. */
function buildApp(route: Known<RouteTable>, files: ConfigFiles): AppConfig {
  if (route.app === null) {
    return { isNamed: route.name !== null, icon: null, group: null, description: null, isHidden: false }
  }
  const { icon, group, description, hidden } = known(route.app)
  return { isNamed: true, icon: buildPicture(icon, ICON, files), group, description, isHidden: hidden }
}

/**
 * Fields that let a script of any origin read an MCP server's answers: no cookie, which the script does not see, gives
 * access there.
 */
const READABLE: FieldRules['set'] = [
  ['access-control-allow-origin', '*'],
  ['access-control-expose-headers', 'mcp-protocol-version, mcp-session-id, retry-after, www-authenticate'],
].map(([name = '', text = '']) => ({ name, parts: [{ kind: 'text', text }] }))

/** The rules for a route's answers, with those by which browser clients of its MCP server can read them; what the file says comes first. */
function withReadable(rules: FieldRules | null): FieldRules {
  const { remove = [], set = [], append = [] } = rules ?? {}
  const said = new Set([...remove, ...[...set, ...append].map(({ name }) => name)].map(name => name.toLowerCase()))
  return { remove, set: [...set, ...READABLE.filter(({ name }) => !said.has(name))], append }
}

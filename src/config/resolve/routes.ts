/** `[[routes]]`, as the program takes them: one route for each host and path. */

import { resolve } from 'node:path'
import { type Place, placesOf } from '../checks/places.ts'
import type { FieldRuleTable } from '../keys/field-rules.ts'
import type { FilesTable } from '../keys/files.ts'
import type { ASSERTION } from '../keys/identity.ts'
import type { RootTable } from '../keys/keys.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { SERVER } from '../keys/server.ts'
import { type Known, known, type Table } from '../keys/table.ts'
import type { AssertionConfig, HeaderSpec } from '../types/identity.ts'
import type { AppConfig, FieldRules, FilesAnswer, OwnAnswer, RouteConfig } from '../types/routes.ts'
import type { RequestRule } from '../types/rules.ts'
import type { ConfigFiles } from '../values/files.ts'
import { buildPicture, ICON } from '../values/picture.ts'
import { buildAllow, buildDeny, buildWhen } from './rules.ts'
import { buildMaxBody, buildRate } from './server.ts'
import { buildUpstream } from './upstreams.ts'

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

function idOf({ host, path, isExact }: Place): string {
  return host + path + (isExact ? ' (exact)' : '')
}

/** What tells it from others of the same host and path. */
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

/** How a route shows in lists; a route without the table shows with its name alone. */
function buildApp(route: Known<RouteTable>, files: ConfigFiles): AppConfig {
  if (route.app === null) {
    return { isNamed: route.name !== null, icon: null, group: null, description: null, isHidden: false }
  }
  const { icon, group, description, hidden } = known(route.app)
  return { isNamed: true, icon: buildPicture(icon, ICON, files), group, description, isHidden: hidden }
}

/** What a script of any origin may read of an MCP server's answers: nothing there is let in by a cookie that it does not see. */
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

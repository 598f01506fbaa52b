/** `[[routes]]`, as the program takes them: one route for each host and path, by what its keys and the rest of the file say. */

import { placesOf, type RoutePlace } from '../checks/hosts-and-paths.ts'
import { type RESPOND, respond } from '../keys/answers.ts'
import type { FieldRules } from '../keys/field-rules.ts'
import { type FilesAnswer, filesSpec } from '../keys/files.ts'
import type { RootTable } from '../keys/keys.ts'
import { type APP, ROUTE, type RouteTable } from '../keys/routes.ts'
import type { RequestRule } from '../keys/rules.ts'
import { type Built, builderOf, type Known, known } from '../keys/table.ts'
import { buildUpstream, type UpstreamConfig, type UpstreamSpec } from '../keys/upstreams.ts'
import type { HeaderSpec } from '../values/headers.ts'
import type { TemplatePart } from '../values/template.ts'
import { type BuildContext, build } from '../values/value.ts'

/** How a route answers that has no upstream. */
export type OwnAnswer =
  /** Parts are text, or `host`, `path` and `query` of the request. */
  | { readonly kind: 'redirect'; readonly location: readonly TemplatePart[]; readonly status: number }
  | ({ readonly kind: 'respond' } & Built<typeof RESPOND>)
  | FilesAnswer
  /** A proxy in front has the application, and asks here whether requests may pass. */
  | { readonly kind: 'verify' }

/** One host and path of a table of `[[routes]]`. */
export interface RouteConfig extends Built<typeof ROUTE> {
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
  /** Which requests it is for, beside those that its host and path say; null: all of them. */
  readonly when: RequestRule | null
  /** Null for a route that Sallyport itself answers. */
  readonly upstream: UpstreamConfig | null
  /** Null for a route with an upstream, unless files come first. */
  readonly answer: OwnAnswer | null
  readonly endsUserSessions: boolean
  /** What people see in the portal's list. */
  readonly name: string
  readonly app: AppConfig
}

/** How a route shows in the portal's list. */
interface AppConfig extends Built<typeof APP> {
  /** Whether the file gives it at least a name. Then it is a separate application, at any path. */
  readonly isNamed: boolean
}

const fieldsOf = builderOf(ROUTE)

/** A route for each host and path of one of `[[routes]]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildRoutes(table: RouteTable, root: Known<RootTable>, context: BuildContext): readonly RouteConfig[] {
  const route = known(table)
  const fields = fieldsOf(table, context)
  const common = {
    ...fields,
    upstream: route.upstream === null ? null : findUpstream(route.upstream, root, context),
    answer: buildAnswer(route, context),
    tokens: fields.tokens || fields.mcp !== null,
    endsUserSessions: fields.endsUserSessions ?? tellsWho(fields.headers),
    responseRules: fields.mcp === null ? fields.responseRules : withReadable(fields.responseRules),
    app: { ...(fields.app ?? NO_APP), isNamed: fields.app !== null || fields.name !== null },
  }
  const when = ROUTE.when.build(route.when, context)
  const places = placesOf(table).map(place => ({ ...place, id: idOf(place) + whenOf(when) }))
  return places.map(({ host, path, isExact, id }) => ({
    ...common,
    id,
    firstId: places[0]?.id ?? id,
    host,
    path,
    isExact,
    isOneLabel: fields.isOneLabel && host.startsWith('*.'),
    when,
    name: fields.name ?? (path === '/' ? host : host + path),
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

/** The upstream of a route: its own table, one of `[upstreams]`, or addresses with every default. */
function findUpstream(spec: UpstreamSpec, { upstreams }: Known<RootTable>, context: BuildContext): UpstreamConfig {
  if (spec.kind === 'own') return buildUpstream(spec.table, null, context)
  const table = upstreams.get(spec.name)
  if (table === undefined) throw new TypeError(`upstreams.${spec.name} has no value and no diagnostic`)
  return buildUpstream(table, spec.name, context)
}

function buildAnswer(route: Known<RouteTable>, context: BuildContext): OwnAnswer | null {
  if (route.redirect !== null) return { kind: 'redirect', location: route.redirect, status: route.status ?? 302 }
  if (route.respond !== null) return { kind: 'respond', ...build(respond, route.respond, context) }
  if (route.files !== null) {
    return { kind: 'files', ...build(filesSpec, route.files, context), isFirst: route.upstream !== null }
  }
  return route.verify === null ? null : { kind: 'verify' }
}

function tellsWho(headers: HeaderSpec): boolean {
  return headers.kind === 'table' ? headers.fields.length > 0 : headers.preset !== 'none'
}

/** A route without the table shows only its name. */
const NO_APP: Built<typeof APP> = { icon: null, group: null, description: null, isHidden: false }

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

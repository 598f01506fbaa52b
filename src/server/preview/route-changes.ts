import type { Config } from '../../config/resolve/config.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import { allowText, leadsTo } from './explain.ts'

/** A route that only one of two files has. */
export interface RouteLine {
  readonly route: string
  readonly portal: string | null
  readonly allow: string
  readonly upstream: readonly string[]
}

/** A changed key, with its values where the key is never secret. */
export interface KeyChange {
  readonly key: string
  readonly before: string | null
  readonly after: string | null
}

/** What became of the routes. */
export interface RouteChanges {
  readonly added: readonly RouteLine[]
  readonly removed: readonly RouteLine[]
  readonly changed: readonly { readonly route: string; readonly keys: readonly KeyChange[] }[]
}

/** How the file calls what a route has; null for what follows from the rest. */
const KEYS: Readonly<Record<keyof RouteConfig, string | null>> = {
  id: null,
  firstId: null,
  host: null,
  path: null,
  isExact: null,
  isOneLabel: 'one_label',
  ignoresCase: 'ignore_case',
  when: null,
  upstream: 'upstream',
  answer: 'redirect, respond, files or verify',
  portal: 'portal',
  allow: 'allow',
  deny: 'deny',
  methods: 'methods',
  tokens: 'tokens',
  mcp: 'mcp',
  tools: 'tools',
  audience: 'audience',
  passwords: 'passwords',
  passAuthorization: 'pass_authorization',
  programPaths: 'program_paths',
  stripPrefix: 'strip_prefix',
  addPrefix: 'add_prefix',
  rewrite: 'rewrite',
  hostHeader: 'host_header',
  hasOwnOrigin: 'origin',
  rewritesLocation: 'rewrite_location',
  cookiePath: 'cookie_path',
  corsPreflight: 'cors_preflight',
  keepFragment: 'keep_fragment',
  serviceWorkers: 'service_workers',
  endsUserSessions: 'end_user_sessions',
  headers: 'headers',
  assertion: 'assertion',
  passTokens: 'pass_token',
  requestRules: 'request_headers',
  responseRules: 'response_headers',
  passFields: 'pass_fields',
  sharedCaches: 'shared_caches',
  timeoutMs: 'timeout',
  keepLengthBytes: 'keep_length',
  maxBodyBytes: 'max_body',
  keepPostsBytes: 'keep_posts',
  rate: 'rate',
  allowedOrigins: 'allowed_origins',
  websockets: 'websockets',
  websocketCompression: 'websocket_compression',
  name: 'name',
  app: 'app',
}

const FIELDS = Object.keys(KEYS) as readonly (keyof RouteConfig)[]

/** The routes that one file has and the other has not, by host and path, and those that both have with something else in them. */
export function routeChanges(before: Config, after: Config): RouteChanges {
  const [old, next] = [before, after].map(({ routes }) => new Map(routes.map(route => [route.id, route])))
  const missing = (from: Config, other: ReadonlyMap<string, RouteConfig> | undefined): readonly RouteLine[] =>
    from.routes.filter(({ id }) => other?.has(id) !== true).map(route => lineOf(route, from))
  return {
    added: missing(after, old),
    removed: missing(before, next),
    changed: after.routes.flatMap(route => {
      const known = old?.get(route.id)
      const keys = known === undefined ? [] : keyChanges([known, before], [route, after])
      return keys.length === 0 ? [] : [{ route: route.id, keys }]
    }),
  }
}

function lineOf(route: RouteConfig, config: Config): RouteLine {
  return { route: route.id, portal: route.portal, allow: allowText(route), upstream: leadsTo(route, config) }
}

type Side = readonly [route: RouteConfig, config: Config]

function keyChanges(before: Side, after: Side): readonly KeyChange[] {
  return FIELDS.flatMap(field => {
    const key = KEYS[field]
    if (key === null || canonical(before[0][field]) === canonical(after[0][field])) return []
    return [{ key, before: textOf(field, before), after: textOf(field, after) }]
  })
}

function textOf(field: keyof RouteConfig, [route, config]: Side): string | null {
  switch (field) {
    case 'allow':
      return allowText({ ...route, deny: [], methods: null })
    case 'portal':
      return route.portal ?? 'none'
    case 'methods':
      return route.methods?.join(' ') ?? 'all'
    case 'upstream':
      return leadsTo(route, config).join(', ') || 'none'
    default:
      return null
  }
}

/** A value of a Config as text; equal values have equal texts. For comparing: it may hold secrets. */
export function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, one: unknown) => {
      if (one instanceof Map) return ['map', ...one]
      if (one instanceof Set) return ['set', ...one]
      return typeof one === 'bigint' ? String(one) : one
    }) ?? 'undefined'
  )
}

/** Which routes another file adds, removes or changes. */

import { ROUTE } from '../../config/keys/routes.ts'
import { type Built, fieldsIn } from '../../config/keys/table.ts'
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

/** How the file calls what a route has that no key alone gives; null for what follows from the rest. */
const OTHERS: Readonly<Record<Exclude<keyof RouteConfig, keyof Built<typeof ROUTE>>, string | null>> = {
  id: null,
  firstId: null,
  host: null,
  path: null,
  isExact: null,
  when: null,
  upstream: 'upstream',
  answer: 'redirect, respond, files or verify',
}

const FIELDS = [...Object.entries(OTHERS), ...fieldsIn(ROUTE)] as readonly (readonly [
  keyof RouteConfig,
  string | null,
])[]

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
  return FIELDS.flatMap(([field, key]) => {
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

/** Warns where an exact path (`=/x`) is stricter than the same path with a slash at its end. */

import type { RootTable } from '../keys/keys.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { AccessTable } from '../keys/rules.ts'
import { itemsOf, type Raw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { createAround, placeAt, type RoutePlace, showPlace } from './hosts-and-paths.ts'

/**
 * An exact path with stricter access rules than the same path with a slash at the end, which another route serves:
 * most applications treat both as one page. Reported once for all hosts of a table.
 */
export function checkExact(places: readonly RoutePlace[], root: RootTable, report: Report): void {
  const around = createAround(places)
  const callbacks = [...(root.values.portals?.values() ?? [])].flatMap(({ values }) => values.callback_path ?? [])
  const told = new Set<Raw | null>()
  for (const place of places) {
    const { path, isExact, raw, table } = place
    if (!isExact || path === '/' || told.has(raw.path) || table.values.when != null) continue
    const other = around(place)
    if (other === undefined || other === table) continue
    // An address that nobody reaches, with a callback below it, was an old portal's: it is no page of an application.
    if (
      reachOf(table, root) === NOBODY &&
      callbacks.some(one => one.toLowerCase().startsWith(`${path.toLowerCase()}/`))
    )
      continue
    if (!letsMoreIn(other, table, root) && !takesMore(other, table, root)) continue
    told.add(raw.path)
    const hint = 'most applications take both for one page: without "=" (or exact) it has what is below as well'
    const message = `${showPlace(place)} is stricter than the route that serves it with a slash at its end`
    report.warn(placeAt(place), 'route.slash', message, { hint })
  }
}

/**
 * Whether a route lets in others than a strict one does, as far as a file can tell: its `allow` means more people, or as many and
 * some by another entry, or the strict one denies more. Roles and rules that differ count as others.
 */
function letsMoreIn(other: RouteTable, strict: RouteTable, root: RootTable): boolean {
  const [reach, strictReach] = [reachOf(other, root), reachOf(strict, root)]
  if (reach === null || strictReach === null || reach === NOBODY || reach < strictReach) return false
  if (reach > strictReach) return true
  const counts = reach === SOME ? undefined : isForStrangers
  return hasMore(other, strict, 'allow', counts) || hasMore(strict, other, 'deny')
}

/** Whether a route takes what a strict one does not, from whomever it lets in: longer bodies, other methods or kinds, more in a time. */
function takesMore(other: RouteTable, strict: RouteTable, root: RootTable): boolean {
  if ((reachOf(other, root) ?? NOBODY) === NOBODY) return false
  const [more, less] = [other.values, strict.values]
  if (bodyOf(less, root) < bodyOf(more, root) || paceOf(less) < paceOf(more)) return true
  if (less.methods != null && more.methods?.every(method => less.methods?.includes(method)) !== true) return true
  return KINDS.some(kind => less[kind] === false && more[kind] !== false)
}

const KINDS = ['websockets', 'service_workers'] as const

function bodyOf({ max_body: own }: RouteTable['values'], { values: { server } }: RootTable): number {
  const most = own ?? server?.values.max_body ?? 'off'
  return most === 'off' ? Number.POSITIVE_INFINITY : most
}

/** Requests in a millisecond. */
function paceOf({ rate }: RouteTable['values']): number {
  const { requests, per } = rate?.values ?? {}
  return requests == null || per == null ? Number.POSITIVE_INFINITY : requests / per
}

const [NOBODY, SOME, SIGNED_IN, EVERYBODY] = [0, 1, 2, 3] as const

/** How many a route is for; null: a mistake is in that. */
function reachOf(route: RouteTable, root: RootTable): number | null {
  const { allow, deny, portal } = route.values
  if (allow === undefined || deny === undefined) return null
  if (deny?.entries.some(isEveryone) === true) return NOBODY
  if (allow.kind === 'public') return EVERYBODY
  if (allow.kind === 'authenticated') return SIGNED_IN
  const roles = portal ? root.values.portals?.get(portal)?.values.roles : undefined
  const isForAny = (role: string) => roles?.get(role)?.some(({ values }) => values.any === true) === true
  return allow.entries.some(entry => typeof entry === 'string' && isForAny(entry)) ? SIGNED_IN : SOME
}

/** Whether a rule means every address and asks nothing else, as `import` closes a route. */
function isEveryone(entry: string | AccessTable): boolean {
  if (typeof entry === 'string' || entry.raw.entries.size !== 1) return false
  return ['0.0.0.0/0', '::/0'].every(network => entry.values.networks?.includes(network) === true)
}

/** Whether a rule of `allow` gives access to users who are not signed in. */
function isForStrangers(entry: Raw): boolean {
  const said = entry.kind === 'table' ? entry.entries.get('anonymous') : undefined
  return said?.kind === 'boolean' && said.value
}

/** Whether one list has an entry, of those that count, that the other has not. */
function hasMore(one: RouteTable, other: RouteTable, key: 'allow' | 'deny', counts = (_: Raw) => true): boolean {
  const known = new Set(itemsOf(other.raw.entries.get(key)).map(meaning))
  return itemsOf(one.raw.entries.get(key)).some(entry => counts(entry) && !known.has(meaning(entry)))
}

/** The content of a value, without its place. */
function meaning(raw: Raw): string {
  return JSON.stringify(raw, (key, value) => {
    if (key === 'at' || key === 'source') return undefined
    return value instanceof Map ? [...value].sort(([one], [two]) => (one < two ? -1 : 1)) : value
  })
}

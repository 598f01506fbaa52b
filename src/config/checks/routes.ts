import type { RootTable } from '../keys/keys.ts'
import type { RouteTable } from '../keys/routes.ts'
import { itemsOf, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean } from '../text/suggest.ts'
import { isUnder } from '../values/path.ts'
import { checkAnswers } from './answers.ts'
import { checkCollisions } from './collisions.ts'
import { checkCompat } from './compat.ts'
import { checkExact } from './exact.ts'
import { checkIdentity } from './identity.ts'
import { type Place, placesOf } from './places.ts'
import { namesIn } from './portals.ts'
import { checkRules, needsPortal } from './rules.ts'
import { checkStepUp } from './step-up.ts'

/** What routes say about each other, and about portals and roles. */
export function checkRoutes(root: RootTable, report: Report): void {
  const portals = namesIn(root, 'portals')
  const routes = root.values.routes ?? []
  if (root.values.routes?.length === 0) {
    const hint = 'add one: [[routes]] with host, upstream and allow'
    report.mistake(['routes'], 'route.none', 'there are no routes, so nothing would be served', { hint })
  }
  for (const route of routes) {
    checkPortal(route, portals, report)
    checkRules(route, root, report)
    checkStepUp(route, root, report)
    checkPrefix(route, report)
    checkOneLabel(route, report)
    checkOrigin(route, report)
    checkCookiePath(route, root, report)
    checkAnswers(route, root, report)
    checkIdentity(route, root, report)
  }
  const places = routes.flatMap(placesOf)
  checkCollisions(places, report)
  checkExact(places, root, report)
  checkHosts(root, places, report)
  checkCallbacks(root, places, report)
  checkCompat(root, places, report)
}

function checkPortal(route: RouteTable, portals: readonly string[], report: Report): void {
  const raw = route.raw.entries.get('portal')
  if (raw === undefined) {
    const asks = needsPortal(route)
    if (asks === null) return
    const only = portals.length === 1 ? portals[0] : undefined
    const hint = only !== undefined ? `add portal = "${only}"` : 'add portal = "…": where people sign in for it'
    report.mistake([...route.at, asks], 'portal.missing', 'this route asks who someone is, and has no portal', {
      hint,
    })
  } else if (raw.kind === 'text' && raw.text !== null && raw.text !== '' && !portals.includes(raw.text)) {
    const hint = raw.isFilled ? '' : didYouMean(raw.text, portals, `add a table [portals.${raw.text}]`)
    report.mistake(raw.at, 'portal.undefined', `there is no portal ${showRaw(raw)}`, { hint })
  }
}

/** An application compares Origin with the Host that it gets: to write the one without the other is never what is meant. */
function checkOrigin({ raw, values: { origin, host_header: hostHeader } }: RouteTable, report: Report): void {
  const stated = raw.entries.get('origin')
  if (stated === undefined || origin !== 'upstream' || hostHeader?.kind !== 'pass') return
  const message = 'the application would get its own address as Origin, and the public host as Host'
  report.mistake(stated.at, 'origin.host', message, { hint: 'add host_header = "upstream"' })
}

/** Cookies follow a prefix where there is one: of the route, or of an address of its upstream. */
function checkCookiePath({ raw, values }: RouteTable, root: RootTable, report: Report): void {
  const stated = raw.entries.get('cookie_path')
  const { upstream, strip_prefix: stripped, add_prefix: added } = values
  if (stated === undefined || values.cookie_path !== 'prefix' || stripped || added || !upstream) return
  const table = upstream.kind === 'own' ? upstream.table : root.values.upstreams?.get(upstream.name)
  const isPrefixed = (table?.values.to ?? []).some(address => address.kind === 'url' && address.basePath !== '')
  if (table === undefined || isPrefixed) return
  const hint = 'it goes with strip_prefix, add_prefix or a path in the upstream; leave it out'
  report.warn(stated.at, 'cookie_path.unused', 'there is no prefix that paths of cookies could follow', { hint })
}

function checkOneLabel({ raw, values: { one_label: isOneLabel, host: hosts } }: RouteTable, report: Report): void {
  const stated = raw.entries.get('one_label')
  if (stated === undefined || isOneLabel !== true || hosts === undefined) return
  if (hosts.some(host => host.startsWith('*.'))) return
  const hint = 'it is for wildcards such as "*.example.com"; leave it out'
  const [first] = itemsOf(raw.entries.get('host'))
  report.mistake(stated.at, 'one_label.host', `${showRaw(first)} is one name already`, { hint })
}

function checkPrefix(route: RouteTable, report: Report): void {
  const { strip_prefix: prefix, path: paths } = route.values
  if (!prefix || paths === undefined || paths.every(({ path }) => isUnder(path, prefix))) return
  const raw = route.raw.entries.get('strip_prefix')
  const hint = 'it is the path itself, or the path without its last segments'
  report.mistake(
    raw?.at ?? route.at,
    'strip_prefix.mismatch',
    `${showRaw(raw)} is not the beginning of ${paths.length === 1 ? "this route's path" : 'each path of this route'}`,
    { hint },
  )
}

/** A host's cookie belongs to one portal, so a host can have only one; a portal's own host has that one. */
function checkHosts(root: RootTable, places: readonly Place[], report: Report): void {
  const owners = new Map<string, { readonly portal: string; readonly at: readonly (string | number)[] }>()
  for (const [name, portal] of root.values.portals ?? []) {
    const { url } = portal.values
    if (url && !owners.has(url.host)) owners.set(url.host, { portal: name, at: [...portal.at, 'url'] })
  }
  const told = new Set<RouteTable>()
  for (const { host, table, raw: own } of places) {
    const { portal } = table.values
    if (!portal || told.has(table)) continue
    const owner = owners.get(host)
    const raw = table.raw.entries.get('portal')
    if (owner === undefined) owners.set(host, { portal, at: raw?.at ?? table.at })
    else if (owner.portal !== portal) {
      told.add(table)
      const hint = 'a host has one portal; roles can tell people apart within it'
      const message = `${showRaw(own.host ?? undefined)} already belongs to another portal than ${showRaw(raw)}`
      report.mistake(raw?.at ?? table.at, 'host.portals', message, { hint, first: owner.at })
    }
  }
}

/**
 * A callback is answered by the portal, so a route of the very same path would never be reached. One that answers by itself may be for
 * what is below.
 */
function checkCallbacks(root: RootTable, places: readonly Place[], report: Report): void {
  for (const [name, { at, values }] of root.values.portals ?? []) {
    const { callback_path: callback, url } = values
    if (callback === undefined || url === undefined) continue
    const own = url === null ? places.filter(({ table }) => table.values.portal === name) : []
    const hosts = new Set(url === null ? own.map(({ host }) => host) : [url.host])
    const taken = places.find(
      ({ host, path, isExact, table }) =>
        hosts.has(host) && path.toLowerCase() === callback.toLowerCase() && (isExact || !table.values.respond),
    )
    if (taken === undefined) continue
    const hint = 'give the route or the callback another path'
    const message = 'the callback has the path of a route, which would never be reached'
    report.mistake([...at, 'callback_path'], 'portal.callback', message, { hint, first: taken.table.at })
  }
}

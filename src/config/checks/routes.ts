import type { RootTable } from '../keys/keys.ts'
import type { RouteTable } from '../keys/routes.ts'
import { showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean } from '../text/suggest.ts'
import { isUnder } from '../values/path.ts'
import { checkAnswers } from './answers.ts'
import { checkCompat } from './compat.ts'
import { checkIdentity } from './identity.ts'
import { namesIn } from './portals.ts'
import { checkRules, needsPortal } from './rules.ts'

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
    checkPrefix(route, report)
    checkOneLabel(route, report)
    checkAnswers(route, root, report)
    checkIdentity(route, root, report)
  }
  checkDuplicates(routes, report)
  checkHosts(root, routes, report)
  checkCallbacks(root, routes, report)
  checkCompat(root, routes, report)
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

function checkOneLabel({ raw, values: { one_label: isOneLabel, host } }: RouteTable, report: Report): void {
  const stated = raw.entries.get('one_label')
  if (stated === undefined || isOneLabel !== true || host === undefined || host.startsWith('*.')) return
  const hint = 'it is for wildcards such as "*.example.com"; leave it out'
  report.mistake(stated.at, 'one_label.host', `${showRaw(raw.entries.get('host'))} is one name already`, { hint })
}

function checkPrefix(route: RouteTable, report: Report): void {
  const { strip_prefix: prefix, path } = route.values
  if (!prefix || path === undefined || isUnder(path, prefix)) return
  const raw = route.raw.entries.get('strip_prefix')
  const hint = 'it is the path itself, or the path without its last segments'
  report.mistake(
    raw?.at ?? route.at,
    'strip_prefix.mismatch',
    `${showRaw(raw)} is not the beginning of this route's path`,
    { hint },
  )
}

function checkDuplicates(routes: readonly RouteTable[], report: Report): void {
  const exact = new Map<string, RouteTable>()
  const folded = new Map<string, RouteTable>()
  for (const route of routes) {
    const { host, path, exact: isExact } = route.values
    if (host === undefined || path === undefined || isExact === undefined) continue
    const key = `${host}${path} ${isExact}`
    const at = [...route.at, route.raw.entries.has('path') ? 'path' : 'host']
    const what = `${showRaw(route.raw.entries.get('host'))}${route.raw.entries.has('path') ? ` with path ${showRaw(route.raw.entries.get('path'))}` : ''}`
    const same = exact.get(key)
    const similar = folded.get(key.toLowerCase())
    if (same !== undefined) {
      report.mistake(at, 'route.duplicate', `${what} has a route already`, {
        hint: 'one route for a host and path',
        first: same.at,
      })
    } else if (similar !== undefined) {
      const hint = 'a backend that ignores case would serve one by the rules of the other; keep one spelling'
      report.mistake(at, 'route.case', `${what} differs from another route only in letter case`, {
        hint,
        first: similar.at,
      })
    }
    if (same === undefined) exact.set(key, route)
    if (similar === undefined) folded.set(key.toLowerCase(), route)
  }
}

/** A host's cookie belongs to one portal, so a host can have only one; a portal's own host has that one. */
function checkHosts(root: RootTable, routes: readonly RouteTable[], report: Report): void {
  const owners = new Map<string, { readonly portal: string; readonly at: readonly (string | number)[] }>()
  for (const [name, portal] of root.values.portals ?? []) {
    const { url } = portal.values
    if (url && !owners.has(url.host)) owners.set(url.host, { portal: name, at: [...portal.at, 'url'] })
  }
  for (const route of routes) {
    const { host, portal } = route.values
    if (host === undefined || !portal) continue
    const owner = owners.get(host)
    const raw = route.raw.entries.get('portal')
    if (owner === undefined) owners.set(host, { portal, at: raw?.at ?? route.at })
    else if (owner.portal !== portal) {
      const hint = 'a host has one portal; roles can tell people apart within it'
      const message = `${showRaw(route.raw.entries.get('host'))} already belongs to another portal than ${showRaw(raw)}`
      report.mistake(raw?.at ?? route.at, 'host.portals', message, { hint, first: owner.at })
    }
  }
}

/** A callback is answered by the portal, so a route of the very same path would never be reached. */
function checkCallbacks(root: RootTable, routes: readonly RouteTable[], report: Report): void {
  for (const [name, { at, values }] of root.values.portals ?? []) {
    const { callback_path: callback, url } = values
    if (callback === undefined || url === undefined) continue
    const own = url === null ? routes.filter(route => route.values.portal === name) : []
    const hosts = new Set(url === null ? own.map(route => route.values.host) : [url.host])
    const taken = routes.find(
      route => hosts.has(route.values.host) && route.values.path?.toLowerCase() === callback.toLowerCase(),
    )
    if (taken === undefined) continue
    const hint = 'give the route or the callback another path'
    const message = 'the callback has the path of a route, which would never be reached'
    report.mistake([...at, 'callback_path'], 'portal.callback', message, { hint, first: taken.at })
  }
}

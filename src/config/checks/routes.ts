/** Checks `[[routes]]` as a whole, and with each other: hosts and paths, portals, old addresses, step-up. */

import type { CompatTable } from '../keys/compat.ts'
import type { RootTable } from '../keys/keys.ts'
import { isOAuth2 } from '../keys/oauth2.ts'
import type { PortalTable } from '../keys/portals.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { AccessTable } from '../keys/rules.ts'
import { itemsOf, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean } from '../text/suggest.ts'
import type { ConfigFiles } from '../values/files.ts'
import { isUnder } from '../values/path.ts'
import { checkPicture, ICON } from '../values/picture.ts'
import { checkAnswers } from './answers.ts'
import { checkExact } from './exact-paths.ts'
import { createAround, placeAt, placesOf, type RoutePlace, showPlace } from './hosts-and-paths.ts'
import { checkIdentity } from './identity.ts'
import { namesIn } from './portals.ts'
import { checkRules, needsPortal } from './rules.ts'

/** What routes say about each other, and about portals and roles. */
export function checkRoutes(root: RootTable, report: Report): void {
  const portals = namesIn(root, 'portals')
  const routes = root.values.routes ?? []
  if (root.values.routes?.length === 0) {
    const hint = 'add one: [[routes]] with host, upstream and allow'
    report.mistake(['routes'], 'route.none', 'the file has no routes, so Sallyport would serve nothing', { hint })
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
    report.mistake([...route.at, asks], 'portal.missing', 'this route needs a signed-in user, but has no portal', {
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
function checkHosts(root: RootTable, places: readonly RoutePlace[], report: Report): void {
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
 * The portal answers a callback, so Sallyport would never reach a route of the very same path. A route without an
 * upstream may be for the paths below.
 */
function checkCallbacks(root: RootTable, places: readonly RoutePlace[], report: Report): void {
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
    const message = 'the callback has the path of a route, so no request could reach that route'
    report.mistake([...at, 'callback_path'], 'portal.callback', message, { hint, first: taken.table.at })
  }
}

/**
 * Duplicate places, places that differ only in letter case, and places that another one of their table serves anyway.
 */
function checkCollisions(places: readonly RoutePlace[], report: Report): void {
  const exact = new Map<string, RoutePlace>()
  const folded = new Map<string, RoutePlace>()
  for (const place of places) {
    const key = `${place.host}${place.path} ${place.isExact} ${whenOf(place)}`
    const same = exact.get(key)
    const similar = folded.get(key.toLowerCase())
    if (same !== undefined) {
      if (!isRepeated(place, same)) {
        const hint = 'one route for a host and path'
        const message = `${showPlace(place)} has a route already`
        report.mistake(placeAt(place), 'route.duplicate', message, { hint, first: firstAt(same, place) })
      }
    } else if (similar !== undefined) {
      const hint = 'an application that ignores case would serve one path by the rules of the other: keep one spelling'
      const message = `${showPlace(place)} differs from another route only in letter case`
      report.mistake(placeAt(place), 'route.case', message, { hint, first: firstAt(similar, place) })
    }
    if (same === undefined) exact.set(key, place)
    if (similar === undefined) folded.set(key.toLowerCase(), place)
  }
  checkRedundant(places, report)
}

/** The further conditions for a route's requests: they distinguish routes of one place. */
function whenOf({ table }: RoutePlace): string {
  const { methods, paths, path_regexp, ignore_case, query } = table.values.when?.values ?? {}
  return JSON.stringify([methods, paths, path_regexp, ignore_case, query == null ? null : [...query]])
}

/** Whether a list has the very same text twice, which another check already reports. */
function isRepeated({ table, raw }: RoutePlace, same: RoutePlace): boolean {
  const isText = (own: RoutePlace['raw']['path'], other: RoutePlace['raw']['path']) =>
    own === other || (own?.kind === 'text' && other?.kind === 'text' && own.text === other.text)
  return table === same.table && isText(raw.path, same.raw.path) && isText(raw.host, same.raw.host)
}

function firstAt(first: RoutePlace, { table }: RoutePlace): RoutePlace['table']['at'] {
  return first.table === table ? placeAt(first) : first.table.at
}

/** A path of a list that would be served by the same table without it, once for all hosts. */
function checkRedundant(places: readonly RoutePlace[], report: Report): void {
  const around = createAround(places)
  const needed = new Set<unknown>()
  const spare = new Map<unknown, RoutePlace>()
  for (const place of places) {
    if (place.raw.path === null || (place.table.values.path ?? []).length < 2) continue
    if (around(place) === place.table) spare.set(place.raw.path, place)
    else needed.add(place.raw.path)
  }
  for (const [raw, place] of spare) {
    if (needed.has(raw)) continue
    const hint = 'remove it: another path of this list has it with all that is below'
    report.warn(placeAt(place), 'route.redundant', `${showPlace(place)} changes nothing`, { hint })
  }
}

/** Addresses of a program that stood here before are the portal's, so that a route of the very same path never has it. */
function checkCompat(root: RootTable, places: readonly RoutePlace[], report: Report): void {
  for (const [name, { values }] of root.values.portals ?? []) {
    if (!values.compat) continue
    const taken =
      values.compat.values.program === 'caddy-security'
        ? checkCompatPortal(values, report)
        : checkProxy(values.compat, report)
    for (const place of places) {
      if (place.table.values.portal !== name || !taken.has(place.path)) continue
      const message = 'the portal answers at this very path, by its compat, and not this route'
      const hint = 'what is below it is the route’s; the keys of compat may name other places'
      report.warn(placeAt(place), 'portal.compat', message, { hint })
    }
  }
}

/** The paths of oauth2-proxy's addresses. */
function checkProxy({ raw, at, values }: CompatTable, report: Report): ReadonlySet<string> {
  const { prefix, ping_path: ping, ready_path: ready } = values
  if (prefix === '/') {
    const hint = 'it needs a path of its own'
    report.mistake(raw.entries.get('prefix')?.at ?? at, 'path.invalid', '"/" belongs to the applications', { hint })
  }
  const pages = ['sign_in', 'sign_out', 'start', 'userinfo', 'auth'].map(page => `${prefix ?? '/oauth2'}/${page}`)
  return new Set([...pages, ...[ping, ready].filter(path => path !== undefined), '/robots.txt'])
}

/** Those of caddy-security's portal, which has nothing else to say. */
function checkCompatPortal({ compat, url }: PortalTable['values'], report: Report): ReadonlySet<string> {
  if (!compat) return new Set()
  const { raw, at, values } = compat
  for (const [name, { at: place }] of raw.entries) {
    if (name === 'program' || name === 'prefix') continue
    const hint = 'it is for program = "oauth2-proxy"'
    report.mistake(place, 'portal.compat', `${name} says nothing of caddy-security`, { hint, part: 'key' })
  }
  if (values.prefix === '/' && url === null) {
    const hint = 'set url in the portal to the host that was its own, or name the path below which it was'
    const message = 'without its own host, "/" belongs to the applications'
    report.mistake(raw.entries.get('prefix')?.at ?? at, 'portal.compat', message, { hint })
  }
  const prefix = values.prefix === '/' ? '' : (values.prefix ?? '/auth')
  return new Set([prefix || '/portal', ...['portal', 'login', 'logout', 'whoami'].map(page => `${prefix}/${page}`)])
}

/** Keys that look at how, or how long ago, somebody signed in. */
const SHOWN = ['max_age', 'acr', 'amr'] as const

/** Why people of a provider can never show it, as the end of a sentence. */
const BY_OAUTH2 = 'OAuth 2.0 says nothing of how or when'
const BY_FILE = 'a file of users has no levels'

/**
 * Rules that users of some of a portal's providers can never satisfy. OAuth 2.0 does not say how or when they signed
 * in, and users of a file have only `auth_time` and `amr`. An OpenID provider states its claims in its discovery
 * document, which `check` does not fetch.
 */
function checkStepUp({ values }: RouteTable, root: RootTable, report: Report): void {
  const portal = root.values.portals?.get(values.portal ?? '')
  const named = (portal?.values.providers ?? []).flatMap(name => {
    const provider = root.values.providers?.get(name)
    return provider === undefined ? [] : [{ name, values: provider.values }]
  })
  const plain = named.filter(provider => isOAuth2(provider.values)).map(({ name }) => name)
  const files = named.filter(provider => provider.values.users != null).map(({ name }) => name)
  for (const list of [values.allow?.kind === 'list' ? values.allow : null, values.deny ?? null]) {
    for (const entry of list?.entries ?? []) {
      if (typeof entry === 'string') continue
      if (plain.length > 0) look(entry, SHOWN, { names: plain, why: BY_OAUTH2 }, report)
      if (files.length > 0) look(entry, ['acr'], { names: files, why: BY_FILE }, report)
    }
  }
}

function look(
  rule: AccessTable,
  keys: readonly string[],
  { names, why }: { readonly names: readonly string[]; readonly why: string },
  report: Report,
): void {
  for (const key of keys) {
    const entry = rule.raw.entries.get(key)
    if (entry === undefined) continue
    const hint =
      why === BY_FILE
        ? 'ask for amr instead: amr = ["otp"] for a second factor'
        : 'leave it to people of OpenID providers, or let these sign in by one'
    const message = `no user of ${names.join(', ')} can have ${key}: ${why}`
    report.warn(entry.at, 'rule.step_up', message, { hint, part: 'key' })
  }
  const { any, all, not } = rule.values
  for (const part of [...(any ?? []), ...(all ?? []), ...(not ? [not] : [])]) look(part, keys, { names, why }, report)
}

/** That every icon is a picture, and that what is said of an application can be seen somewhere. */
export function checkApps(root: RootTable, files: ConfigFiles, report: Report): void {
  for (const { raw, values } of root.values.routes ?? []) {
    const app = values.app
    if (!app) continue
    const entry = app.raw.entries.get('icon')
    if (entry !== undefined && app.values.icon) {
      checkPicture({ entry, path: app.values.icon, limits: ICON, code: 'app.icon' }, files, report)
    }
    const at = raw.entries.get('app')?.at ?? app.at
    if (values.portal === null) {
      const hint = 'add portal = "…", or remove app'
      report.warn(at, 'app.unlisted', 'no list shows this route: it has no portal', { hint, part: 'key' })
    } else if (values.host?.every(host => host.startsWith('*.')) === true) {
      const hint = 'a browser cannot open a host with a *: make a separate route for the host that users open'
      report.warn(at, 'app.unlisted', 'no list shows this route: its host is a wildcard', { hint, part: 'key' })
    }
  }
}

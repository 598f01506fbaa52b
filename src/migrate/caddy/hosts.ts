/** The hosts of the new file, and which servers of Caddy answer for each. */

import { STAND_IN_HOST } from '../variables-to-set.ts'
import { type Context, spell } from './context.ts'
import type { ServerWalk } from './handlers.ts'
import { type Table, tableOf, tablesOf, textOf, textsOf } from './json.ts'
import { chosenBy, lowerHost } from './matchers.ts'
import type { Outcome } from './outcomes.ts'
import type { RoutePlace } from './route-place.ts'
import {
  boundPlaces,
  hostsOfRoute,
  isForAny,
  isUnder,
  listsIn,
  MAX_DEPTH,
  patternsIn,
  routesIn,
  type Server,
} from './servers.ts'

interface OpenServer {
  readonly server: Server
  readonly walk: ServerWalk
}

interface Placement {
  readonly portal: string
  readonly paths: readonly string[]
  /** Paths of which all that is below is the portal's; an empty one is the whole host. */
  readonly whole: readonly string[]
}

/** A host with the servers that have it. */
export type Host = ReturnType<typeof hostsOf>['hosts'][number]

/** Every host, with its servers: those that name it, and those with a wildcard above it in which a matcher names it. */
export function hostsOf(context: Context, http: Table, opened: readonly OpenServer[]) {
  const servers = opened.map(({ server }) => server)
  const { listen, closedAt } = boundPlaces(context, servers)
  const found = new Map<string, OpenServer[]>()
  for (const open of opened) {
    for (const name of namesOf(open.server)) found.set(name, [...(found.get(name) ?? []), open])
  }
  const usual = [String(http.http_port ?? 80), String(http.https_port ?? 443)]
  const isMixed = new Set(servers.map(({ port }) => (usual.includes(port ?? '') ? 'usual' : port))).size > 1
  const hosts = [...found].flatMap(([is, own]) => {
    if (is.includes('*') && !/^\*\.[^*]+$/.test(is) && is !== '*') {
      const say = 'a route’s host has one star, at its beginning: this host stays closed'
      context.notes.add('closed', is, null, say)
      return []
    }
    const secure = own.filter(({ server }) => !server.isPlain)
    const isPlain = secure.length === 0
    if (!isPlain && secure.length < own.length) {
      const say = `${is} over plain HTTP: with [tls] it is sent to https, otherwise the TLS proxy in front does that`
      context.notes.add('changed', 'http://', null, say)
    }
    const kept = isPlain ? own : secure
    const atUsual = kept.filter(({ server }) => usual.includes(server.port ?? ''))
    const used = isMixed && atUsual.length > 0 ? atUsual : kept
    const elsewhere = isMixed && atUsual.length === 0 ? (kept[0]?.server.port ?? null) : null
    if (elsewhere !== null) {
      const say = `its routes stay closed: it was reachable at port ${elsewhere} only, and here all routes share the ports; run a separate Sallyport for it, or write a rule with networks`
      context.notes.add('closed', is, null, say)
    }
    const certificate = used.map(({ server }) => server.closedAt(is === '*' ? '' : is)).find(why => why !== null)
    if (certificate !== undefined && certificate !== null) {
      const say =
        'its routes stay closed: let a TLS proxy in front ask for client certificates, or write a rule in their place'
      context.notes.add('closed', `${certificate} (${is})`, null, say)
    }
    const bound = used.map(({ server }) => closedAt(server)).find(why => why !== null)
    return [
      {
        /** As Caddy's matchers have it; a star for any that is named nowhere. */
        is,
        name: nameOf(context, is),
        isPlain,
        servers: used,
        /** Why no user may pass there, for all of its content; null for most. */
        closed: bound ?? certificate ?? (elsewhere === null ? null : `port ${elsewhere}`),
        placements: used.flatMap(({ server }) => placementsAt(is, server)),
        patterns: used.flatMap(({ server }) => patternsIn(routesFor(is, server), tableOf(server.table.named_routes))),
      },
    ]
  })
  return { hosts, listen }
}

export function outcomesAt({ servers, closed }: Host, place: RoutePlace): readonly Outcome[] {
  return servers.flatMap(({ server, walk }) => {
    const why = server.closed ?? closed
    return walk({ ...place, isSecure: !server.isPlain }, why)
  })
}

function nameOf(context: Context, is: string): string {
  if (is !== '*') {
    if (is.startsWith('*.'))
      context.notes.add('kept', is, null, 'one_label = true: its star is for one label, as there')
    return spell(context, is)
  }
  const say = 'write the host of its routes, or set APP_HOST: nothing says by which one it is reached'
  context.notes.add('decide', 'a server for any host', null, say)
  return context.blanks.add('APP_HOST', 'the host by which the server for any host is reached', STAND_IN_HOST)
}

/** The hosts of a server: those of its routes, and those that matchers in them name. */
function namesOf({ table }: Server): readonly string[] {
  const names = new Set<string>()
  for (const route of tablesOf(table.routes)) {
    const own = hostsOfRoute(route)
    const isAny = isForAny(route.match)
    for (const name of isAny ? ['*'] : own) names.add(name)
    const inner = routesIn(route, tableOf(table.named_routes)).flatMap(({ match }) => chosenBy(match).hosts)
    for (const name of inner) if (name !== '*' && (isAny || own.some(above => isUnder(name, above)))) names.add(name)
  }
  return [...names]
}

function routesFor(host: string, { table }: Server): readonly Table[] {
  return tablesOf(table.routes).filter(
    route => isForAny(route.match) || hostsOfRoute(route).some(name => name === host || isUnder(host, name)),
  )
}

function placementsAt(host: string, { table }: Server): readonly Placement[] {
  const named = tableOf(table.named_routes)
  const find = (routes: readonly Table[], around: Omit<Placement, 'portal'>, depth: number): readonly Placement[] =>
    routes.flatMap(route => {
      const here = narrow(route.match, around, host)
      if (here === null || depth > MAX_DEPTH) return []
      const own = tablesOf(route.handle).filter(({ handler }) => handler === 'authenticator')
      return [
        ...own.map(({ portal_name: portal }) => ({ portal: textOf(portal) ?? '', ...here })),
        ...listsIn(route, named).flatMap(list => find(list, here, depth + 1)),
      ]
    })
  return find(tablesOf(table.routes), { paths: [''], whole: [''] }, 0)
}

/** Null where it is for other hosts. */
function narrow(match: unknown, around: Omit<Placement, 'portal'>, host: string): Omit<Placement, 'portal'> | null {
  const sets = tablesOf(match)
  const isHere = ({ host: names }: Table) =>
    names === undefined ||
    textsOf(names)
      .map(lowerHost)
      .some(name => name === host || isUnder(host, name))
  const own = sets.filter(isHere)
  if (sets.length > 0 && own.length === 0) return null
  const paths = own.flatMap(({ path }) => textsOf(path))
  if (paths.length === 0) {
    const isOfHosts = own.every(set => Object.keys(set).every(key => key === 'host'))
    return isOfHosts ? around : { ...around, whole: [] }
  }
  return {
    paths: paths.map(path => path.replace(/\/?\*$/, '')),
    whole: paths.filter(path => path.endsWith('*')).map(path => path.replace(/\/?\*$/, '')),
  }
}

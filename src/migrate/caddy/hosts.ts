/** The hosts of the new file, and which servers of Caddy answer for each. */

import { STAND_IN_HOST } from '../variables-to-set.ts'
import { type Context, spell } from './context.ts'
import { type Table, tableOf, tablesOf } from './json.ts'
import { chosenBy } from './matchers.ts'
import type { ServerWalk } from './server-walk.ts'
import { boundPlaces, hostsOfRoute, isForAny, isUnder, patternsIn, routesIn, type Server } from './servers.ts'

interface OpenServer {
  readonly server: Server
  readonly walk: ServerWalk
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
        patterns: used.flatMap(({ server }) => patternsIn(routesFor(is, server), tableOf(server.table.named_routes))),
      },
    ]
  })
  return { hosts, listen }
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

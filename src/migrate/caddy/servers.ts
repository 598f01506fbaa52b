/** Caddy's servers: where they listen, and their routes. */

import { isIP } from 'node:net'
import type { Context } from './context.ts'
import { isTable, listOf, onlyTexts, type Table, tableOf, tablesOf, textOf, textsOf, valueAt } from './json.ts'
import { chosenBy, lowerHost } from './matchers.ts'

/** One of Caddy's servers: a set of addresses with routes. */
export type Server = ReturnType<typeof readServers>[number]

/** Keys of a server that keep no user out, in addition to those that are read. */
const KNOWN =
  /^(?:allow_0rtt|allow_h2c|automatic_https|client_ip_headers|enable_full_duplex|errors|experimental_http3|idle_timeout|keepalive_\w+|listen|listener_wrappers|logs|max_header_bytes|metrics|named_routes|protocols|read_header_timeout|read_timeout|routes|strict_sni_host|tls_connection_policies|trusted_proxies|trusted_proxies_strict|trusted_proxies_unix|write_timeout)$/

/** Wrappers of connections that let everyone through as they are. */
const WRAPPERS = ['tls', 'http_redirect']

/** The servers of `apps.http`, with what closes them. */
export function readServers({ notes }: Context, http: Table) {
  const httpPort = String(http.http_port ?? 80)
  const httpsPort = String(http.https_port ?? 443)
  const stated = Object.entries(tableOf(http.servers))
  // Any other field is client_address of the whole file.
  const isOneField = new Set(stated.map(([, value]) => JSON.stringify(valueAt(value, 'client_ip_headers')))).size < 2
  return stated.map(([name, value]) => {
    const table = tableOf(value)
    const listen = listOf(table.listen).map(address => /^(?:tcp[46]?\/)?(.*):(\d+)$/.exec(String(address)))
    const ports = new Set(listen.map(found => found?.[2] ?? null))
    const [port = null] = ports
    const isPlain = port === httpPort || !speaksTls(table, port === httpsPort)
    const odd = whyClosed(table) ?? (ports.size > 1 || port === null ? 'listen' : null)
    const closed = odd === null ? null : `${odd} of the server ${name}`
    if (closed !== null) {
      const say =
        'its routes stay closed, because it is not known here and may guard something: if it does not, remove it and import again'
      notes.add('closed', closed, null, say)
    }
    if (table.errors !== undefined)
      notes.add('left', `errors of the server ${name}`, null, 'pages for errors are Sallyport’s own')
    const headers = onlyTexts(table.client_ip_headers ?? []) ?? ['?']
    const isTrusting = table.trusted_proxies !== undefined
    return {
      name,
      table,
      /** Whether it is reached without TLS. */
      isPlain,
      /** Where it listens: addresses (an empty one is any), and a port; null for what is no port. */
      places: listen.map(found => (found?.[1] ?? '').replace(/^\[|\]$/g, '')),
      port,
      peers: {
        remote_ip: !isTrusting,
        client_ip:
          !isTrusting ||
          (valueAt(table.trusted_proxies, 'source') === 'static' &&
            (headers.every(header => /^x-forwarded-for$/i.test(header)) || (isOneField && headers.length === 1))),
      },
      /** Why no user may pass at this server, for all of its routes; null for most. */
      closed,
      /** Why no user may pass at one of its hosts: Caddy asked for a client certificate. */
      closedAt: (host: string) => certificateAt(table, host),
    }
  })
}

function whyClosed(server: Table): string | null {
  const key = Object.keys(server).find(one => !KNOWN.test(one))
  if (key !== undefined) return key
  const wrappers = listOf(server.listener_wrappers ?? []).map(wrapper => textOf(valueAt(wrapper, 'wrapper')))
  const odd = wrappers.find(wrapper => wrapper === null || !WRAPPERS.includes(wrapper))
  if (odd !== undefined) return `listener_wrappers ${odd ?? ''}`.trimEnd()
  return Array.isArray(server.routes ?? []) ? null : 'routes'
}

/**
 * Whether connections are TLS at a port other than the one of plain HTTP: where the file configures it, or where Caddy
 * makes certificates automatically, for the usual port or for any name.
 *
 * Source: Caddy, modules/caddyhttp/autohttps.go (read).
 */
function speaksTls(server: Table, isUsual: boolean): boolean {
  if (Array.isArray(server.tls_connection_policies)) return true
  if (valueAt(server.automatic_https, 'disable') === true) return false
  if (isUsual) return true
  const skipped = textsOf(valueAt(server.automatic_https, 'skip')).map(lowerHost)
  return tablesOf(server.routes).some(({ match }) =>
    tablesOf(match).some(({ host }) => textsOf(host).some(name => !skipped.includes(lowerHost(name)))),
  )
}

/** The first policy of connections by which a host may ask for a client certificate; null: none does. */
function certificateAt({ tls_connection_policies: policies }: Table, host: string): string | null {
  for (const policy of listOf(policies)) {
    const names = textsOf(valueAt(policy, 'match', 'sni')).map(lowerHost)
    const isMeant = names.length === 0 || host === '' || host.includes('*') || names.some(name => isUnder(host, name))
    const asked = valueAt(policy, 'client_authentication')
    const mode = textOf(valueAt(asked, 'mode'))
    const isAsked = asked !== undefined && mode !== 'request' && mode !== 'verify_if_given'
    if (isMeant && (isAsked || !isTable(policy))) return 'client_authentication of tls_connection_policies'
  }
  return null
}

/** Whether a host is a name, or under a wildcard. */
export function isUnder(host: string, name: string): boolean {
  const [asked, own] = [name.split('.'), host.split('.')]
  return asked.length === own.length && asked.every((label, at) => label === '*' || label === own[at])
}

/** Whether nothing says which hosts a route is for. */
export function isForAny(match: unknown): boolean {
  const sets = tablesOf(match)
  return sets.length === 0 || sets.some(({ host }) => host === undefined || textsOf(host).includes('*'))
}

export function hostsOfRoute(route: Table): readonly string[] {
  return tablesOf(route.match).flatMap(({ host }) => textsOf(host).map(lowerHost))
}

/** Routes do not stand in each other more often. */
export const MAX_DEPTH = 40

/** The lists of routes in a route, those that it jumps to among them. */
export function listsIn(route: Table, named: Table): readonly (readonly Table[])[] {
  return tablesOf(route.handle).flatMap(({ handler, routes, name }) => {
    if (handler === 'subroute') return [tablesOf(routes)]
    const invoked = handler === 'invoke' ? valueAt(named, textOf(name) ?? '') : undefined
    return isTable(invoked) ? [[invoked]] : []
  })
}

export function routesIn(route: Table, named: Table, depth = 0): readonly Table[] {
  if (depth > MAX_DEPTH) return [route]
  return [route, ...listsIn(route, named).flatMap(list => list.flatMap(one => routesIn(one, named, depth + 1)))]
}

/** Every path that routes of a list choose by, with those in front of it that are taken off in the same list. */
export function patternsIn(routes: readonly Table[], named: Table, depth = 0): readonly string[] {
  if (depth > MAX_DEPTH) return []
  const own = routes.flatMap(route => [
    ...chosenBy(route.match).paths,
    ...listsIn(route, named).flatMap(list => patternsIn(list, named, depth + 1)),
  ])
  const prefixes = routes
    .flatMap(({ handle }) => tablesOf(handle))
    .flatMap(({ handler, strip_path_prefix: prefix, uri_substring: list }) =>
      handler === 'rewrite'
        ? [textOf(prefix) ?? [], ...tablesOf(list).map(({ find }) => textOf(find) ?? [])].flat()
        : [],
    )
    .map(prefix => prefix.replace(/\/+$/, ''))
    .filter(prefix => prefix.startsWith('/'))
  return [...new Set([...own, ...prefixes, ...prefixes.flatMap(before => own.map(path => before + path))])]
}

/**
 * Where all servers have the same addresses, so does the new one. Otherwise a server with only some addresses would
 * listen at the addresses of the others, too.
 */
export function boundPlaces({ notes }: Context, servers: readonly Server[]) {
  const keyOf = ({ places }: Server) => [...new Set(places)].sort().join(' ')
  const [first] = servers
  const isSame = first !== undefined && servers.every(server => keyOf(server) === keyOf(first))
  const isPlace = (place: string) => place === 'localhost' || isIP(place) !== 0
  if (isSame && first.places.length > 0 && first.places.every(isPlace)) {
    return {
      listen: [...new Set(first.places)].map(place =>
        place.includes(':') ? `[${place}]` : place === 'localhost' ? '127.0.0.1' : place,
      ),
      closedAt: (_: Server): string | null => null,
    }
  }
  return {
    listen: ['0.0.0.0'],
    closedAt({ name, places }: Server): string | null {
      if (places.every(place => place === '' || place === '0.0.0.0' || place === '::')) return null
      const what = `listen of the server ${name}`
      const say =
        'its routes stay closed: it was reachable at that address only; run a separate Sallyport for it, or write a rule with networks'
      notes.add('closed', what, null, say)
      return what
    },
  }
}

/** Writes `[server]` for imported sites. */

import { formatToml } from '../../config/keys/table.ts'
import type { Entry, Section } from '../draft.ts'
import type { Context } from './context.ts'
import { onlyTexts, type Table, valueAt } from './json.ts'
import { networkOf } from './matchers.ts'
import type { Server } from './servers.ts'

/** What sites come to that the server has to know. */
interface Serving {
  readonly listen: readonly string[]
  /** Whether rules ask where clients come from. */
  readonly asksClients: boolean
  /** The ports of applications on this machine. */
  readonly taken: ReadonlySet<string>
}

/** The first that no application has is the one to listen at. */
const PORTS = ['8080', '8000', '8888', '3080']

/**
 * `[server]` with `listen`, and the proxy in front where rules ask where clients come from.
 *
 * Caddy did TLS automatically. Comments have the same settings, since a proxy may have the ports and certificates now.
 */
export function serverSection(
  context: Context,
  http: Table,
  servers: readonly Server[],
  { listen: places, asksClients, taken }: Serving,
): Section {
  const isSecure = servers.some(({ isPlain }) => !isPlain)
  if (isSecure) {
    context.notes.add(
      'decide',
      'https',
      null,
      'Caddy made the certificates: uncomment [tls] in the new file, which does too, or name files there (sallyport help https); or keep a TLS proxy in front, named in trusted_proxies',
    )
  }
  const port = http.http_port
  const free = PORTS.find(one => !taken.has(one)) ?? '8080'
  const at = typeof port === 'number' && port !== 443 && port !== 80 ? String(port) : free
  const listen = {
    key: 'listen',
    value: places.map(place => `${place}:${at}`),
    comment: isSecure ? 'plain HTTP, behind a TLS proxy; or uncomment [tls]' : 'plain HTTP',
  }
  return {
    title: '[server]',
    entries: [listen, ...proxiesInFront(context, servers, { isSecure, asksClients })],
    also: isSecure ? tlsLines(places, http.https_port) : [],
  }
}

/** What does the same, at Caddy's port of HTTPS. */
function tlsLines(places: readonly string[], port: unknown): readonly string[] {
  return [
    '[tls]   # as Caddy did: requests to listen above are redirected here, and port 80 of each name has to lead there',
    `listen = ${formatToml(places.map(place => `${place}:${typeof port === 'number' ? port : 443}`))}`,
    'acme = { email = "me@example.com" }',
  ]
}

/**
 * The proxies that Caddy believed, and the field in which they say where a client comes from. Everyone has the address of a proxy that is
 * not named, and a rule about networks may hold for that.
 */
function proxiesInFront(
  { notes, blanks }: Context,
  servers: readonly Server[],
  { isSecure, asksClients }: { readonly isSecure: boolean; readonly asksClients: boolean },
): readonly Entry[] {
  const stated = servers.map(({ table }) => [
    valueAt(table.trusted_proxies, 'source') ?? null,
    valueAt(table.trusted_proxies, 'ranges') ?? null,
    table.client_ip_headers ?? null,
  ])
  const [[source, listed, named] = [null, null, null]] = stated
  const isSame = stated.every(one => JSON.stringify(one) === JSON.stringify(stated[0]))
  const known = (onlyTexts(listed) ?? []).map(networkOf)
  const ranges = isSame && source === 'static' && !known.includes(null) ? [...new Set(known)] : []
  const headers = isSame ? (onlyTexts(named ?? []) ?? []) : []
  if (stated.some(([from]) => from !== null) && ranges.length === 0) {
    const say = 'not the same for all servers, or no list of ranges: write trusted_proxies into [server]'
    notes.add('decide', 'trusted_proxies', null, say)
  }
  if (headers.length > 1 || (!isSame && stated.some(([, , fields]) => fields !== null))) {
    const say = `write the field that your proxy overwrites as client_address into [server]: until then it is X-Forwarded-For`
    notes.add('decide', 'client_ip_headers', null, say)
  }
  const [header] = headers
  const isOther = headers.length === 1 && header !== undefined && !/^x-forwarded-for$/i.test(header)
  const field = isOther
    ? [{ key: 'client_address', value: header, comment: 'as Caddy had it (client_ip_headers)' }]
    : []
  if (ranges.length > 0) {
    notes.add('kept', 'trusted_proxies', null, 'trusted_proxies in [server]')
    return [{ key: 'trusted_proxies', value: ranges, comment: 'as Caddy had them' }, ...field]
  }
  if (!asksClients || !isSecure) return []
  const meaning = 'the address that the TLS proxy in front comes from; without one, take trusted_proxies out'
  const value = [blanks.add('PROXY_ADDRESS', meaning, '10.0.0.2')]
  return [{ key: 'trusted_proxies', value, comment: 'so that networks in rules see the clients' }, ...field]
}

/** Which logs are understood, and how a request is read from a line of each. */

import { isJsonObject } from '../../base/json.ts'
import { clientOf, type LoggedRequest, logTimeMs, type ReadLine, requestOf, unescapeText, userOf } from './logged.ts'

/** How a log is written. */
export interface Format {
  /** What `--format` takes. */
  readonly name: string
  readonly about: string
  readonly read: ReadLine
  /** Whether every line names the signed-in user: then a line without a name was anonymous. */
  readonly namesUsers: boolean
}

/** What docker compose, and what syslog and journalctl, put before a line. */
const BEFORE = /^(?:[\w.-]+ +\| |(?:<\d+>)?[A-Z][a-z]{2} [ \d]\d [\d:]{8} \S+ [^\s:]+: )/

/** A line without what another program put before it. */
export function bareLine(line: string): string {
  return line.replace(BEFORE, '')
}

type Table = Readonly<Record<string, unknown>>

/**
 * Caddy's access log. Lines of its other loggers are passed over.
 *
 * Source: caddyserver.com/docs/caddyfile/directives/log, `format json`; older ones have `remote_addr` in place of `remote_ip`.
 */
const readCaddy: ReadLine = line => {
  const entry = tableOf(line)
  if (entry === null || typeof entry.logger !== 'string') return null
  const { request, status, ts, user_id } = entry
  if (!isJsonObject(request) || typeof status !== 'number') return 'other'
  const { client_ip, remote_ip, remote_addr, method, host, uri } = request
  const client = [client_ip, remote_ip, remote_addr].find(one => typeof one === 'string') ?? ''
  return checked({ time: ts, client, method, host, address: uri, user: user_id, status, isForwarded: null })
}

/** Our own access log. */
export const readOwn: ReadLine = line => {
  const entry = tableOf(line)
  if (entry === null || typeof entry.level !== 'string' || typeof entry.message !== 'string') return null
  if (entry.message !== 'request' || !('route' in entry)) return 'other'
  const { time, client, method, host, path, user, status } = entry
  return checked({ time, client, method, host, address: path, user, status, isForwarded: null })
}

/**
 * Traefik's access log with `format: json`. A request that a middleware answered never was at its origin.
 *
 * Source: doc.traefik.io, Access Logs, available fields.
 */
const readTraefik: ReadLine = line => {
  const entry = tableOf(line)
  if (entry === null) return null
  const { StartUTC, ClientHost, RequestMethod, RequestHost, RequestPath, ClientUsername, DownstreamStatus } = entry
  if (DownstreamStatus === undefined) return typeof entry.level === 'string' && !('ts' in entry) ? 'other' : null
  const { OriginStatus: origin } = entry
  return checked({
    time: StartUTC,
    client: ClientHost,
    method: RequestMethod,
    host: RequestHost,
    address: RequestPath,
    user: ClientUsername,
    status: DownstreamStatus,
    isForwarded: typeof origin === 'number' ? origin > 0 : null,
  })
}

interface Unchecked {
  /** RFC 3339, or seconds or milliseconds since the epoch. */
  readonly time: unknown
  readonly client: unknown
  readonly method: unknown
  readonly host: unknown
  readonly address: unknown
  readonly user: unknown
  readonly status: unknown
  readonly isForwarded: boolean | null
}

/** Null where anything that a request has is missing. */
function checked({ time, client, method, host, address, user, status, isForwarded }: Unchecked): LoggedRequest | null {
  const atMs = timeMs(time)
  if (Number.isNaN(atMs) || typeof status !== 'number') return null
  if (typeof method !== 'string' || typeof address !== 'string') return null
  return {
    atMs,
    client: typeof client === 'string' ? clientOf(client) : null,
    method: method === '' ? 'GET' : method,
    host: typeof host === 'string' ? host : null,
    address,
    user: userOf(user),
    status,
    isForwarded,
  }
}

/** What is above is milliseconds: as seconds it would be in the year 5138. */
const MOST_SECONDS = 1e11

/** NaN for what is no moment that there can be. */
function timeMs(time: unknown): number {
  if (typeof time === 'string') return Date.parse(time)
  if (typeof time !== 'number') return Number.NaN
  return new Date(time < MOST_SECONDS ? time * 1000 : time).getTime()
}

function tableOf(line: string): Table | null {
  if (!line.startsWith('{')) return null
  try {
    const parsed: unknown = JSON.parse(line)
    return isJsonObject(parsed) ? parsed : null
  } catch {
    return null
  }
}

/** A quoted text in which quotes are escaped. */
const QUOTED = '"((?:[^"\\\\]|\\\\.)*)"'

const COMMON = new RegExp(`^(\\S+(?: \\S+)+?) \\[([^\\]]+)\\] ${QUOTED} (\\d{3}) (?:\\d+|-)(?: |$)`)

/**
 * nginx's and Apache's combined and common formats, those of Traefik that are like them, and Apache's `vhost_combined`, whose lines
 * begin with host and port.
 *
 * Source: nginx.org, ngx_http_log_module; httpd.apache.org, mod_log_config.
 */
export const readCombined: ReadLine = line => {
  const [, before = '', time = '', request = '', status = ''] = COMMON.exec(line) ?? []
  const words = before.split(' ')
  // A name may have blanks, so the first word decides: a client is an address.
  const hasHost = words.length > 3 && clientOf(words[0] ?? '') === null
  const [client = '', , ...user] = hasHost ? words.slice(1) : words
  const atMs = logTimeMs(time)
  if (user.length === 0 || Number.isNaN(atMs)) return null
  return requestOf(unescapeText(request), {
    atMs,
    client: clientOf(client),
    host: hasHost ? (words[0] ?? null) : null,
    user: userOf(user.join(' ')),
    status: Number(status),
    isForwarded: null,
  })
}

const OAUTH2_PROXY = new RegExp(
  `^(\\S+) - (?:\\S+ - )?([^\\[]+?) \\[([^\\]]+)\\] (\\S+) ([A-Z-]+) (\\S+) ${QUOTED} (HTTP/\\S+) ${QUOTED} (\\d{3}) \\d+ [\\d.]+$`,
)

/** Its other lines: attempts to sign in, and messages about itself. */
const OAUTH2_PROXY_OTHER = /^\S+ - [^[]+ \[[^\]]+\] \[Auth\w+\] |^\[[^\]]+\] \[[\w.-]+:\d+\] /

/**
 * oauth2-proxy's lines by its own templates, with the request's id and in the older form. Its own answers name no
 * upstream.
 *
 * Source: oauth2-proxy.github.io, Logging Configuration (request, authentication and standard log format).
 */
const readOauth2Proxy: ReadLine = line => {
  const found = OAUTH2_PROXY.exec(line)
  if (found === null) return OAUTH2_PROXY_OTHER.test(line) ? 'other' : null
  const [, client = '', user, time = '', host = '', method, upstream, uri = '', protocol, , status] = found
  const atMs = logTimeMs(time)
  if (Number.isNaN(atMs)) return null
  return requestOf(`${method} ${unescapeText(uri)} ${protocol}`, {
    atMs,
    client: clientOf(client),
    host,
    user: userOf(user),
    status: Number(status),
    isForwarded: upstream !== '-',
  })
}

const HAPROXY = new RegExp(
  `^(\\S+):\\d+ \\[([^\\]]+)\\] \\S+ (\\S+)/(\\S+) [\\d/+-]+ (\\d{3}|-1) \\S+ \\S+ \\S+ \\S{4} \\S+ \\S+ (?:\\{([^|}]*)(?:\\|[^}]*)?\\} )*${QUOTED}$`,
)

/**
 * HAProxy's `option httplog`, with the first captured field as the host. Its own answers have no server.
 *
 * Source: HAProxy Configuration Manual, 8.2.3 (HTTP log format).
 */
const readHaproxy: ReadLine = line => {
  const found = HAPROXY.exec(line)
  if (found === null) return null
  const [, client = '', time = '', , server, status, host, request = ''] = found
  const atMs = logTimeMs(time)
  if (Number.isNaN(atMs)) return null
  // What cannot stand in a line is #XX there, as %XX is in an address; no request has a bare #.
  return requestOf(request.replaceAll('#', '%'), {
    atMs,
    client: clientOf(client),
    host: userOf(host),
    user: null,
    status: Number(status),
    isForwarded: server !== '<NOSRV>' && server !== '<STATS>',
  })
}

/** The formats that can be recognised by their lines, in this order. */
export const FORMATS: readonly Format[] = [
  { name: 'caddy', about: "Caddy's access log", read: readCaddy, namesUsers: false },
  { name: 'oauth2-proxy', about: "oauth2-proxy's log", read: readOauth2Proxy, namesUsers: true },
  { name: 'combined', about: 'a combined or common access log', read: readCombined, namesUsers: false },
  { name: 'sallyport', about: "Sallyport's access log", read: readOwn, namesUsers: false },
  { name: 'traefik', about: "Traefik's access log", read: readTraefik, namesUsers: false },
  { name: 'haproxy', about: "HAProxy's HTTP log", read: readHaproxy, namesUsers: false },
]

/** The format that has most of these lines; null where none has any request among them. */
export function findFormat(lines: readonly string[]): Format | null {
  let best: Format | null = null
  let most = 0
  for (const format of FORMATS) {
    const read = lines.map(line => format.read(bareLine(line)))
    const count = read.filter(one => one !== null).length
    if (count > most && read.some(one => one !== null && one !== 'other')) [best, most] = [format, count]
  }
  return best
}

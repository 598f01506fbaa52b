import { clientOf, type LoggedRequest, type ReadLine, userOf } from './logged.ts'

type Table = Readonly<Record<string, unknown>>

/**
 * Caddy's access log. Lines of its other loggers are passed over.
 *
 * Source: caddyserver.com/docs/caddyfile/directives/log, `format json`; older ones have `remote_addr` in place of `remote_ip`.
 */
export const readCaddy: ReadLine = line => {
  const entry = tableOf(line)
  if (entry === null || typeof entry.logger !== 'string') return null
  const { request, status, ts, user_id } = entry
  if (!isTable(request) || typeof status !== 'number') return 'other'
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
export const readTraefik: ReadLine = line => {
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
    return isTable(parsed) ? parsed : null
  } catch {
    return null
  }
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

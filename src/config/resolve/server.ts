/** `[server]`, as the program takes it: its listeners, its limits and the proxy for requests of our own. */

import { isIPv4 } from 'node:net'
import { basicField } from '../../base/basic.ts'
import type { OutgoingConfig } from '../../base/outgoing.ts'
import type { SERVER_LIMITS, SERVER_RATE } from '../keys/limits.ts'
import type { OutgoingException, OutgoingTable } from '../keys/outgoing.ts'
import type { RouteTable } from '../keys/routes.ts'
import { type Known, known, type Table } from '../keys/table.ts'
import type { ListenAddress } from '../values/listen.ts'

export interface ServerConfig {
  readonly listen: readonly ListenAddress[]
  /** CIDRs (or single addresses, as /32 or /128) of peers whose X-Forwarded-* count. */
  readonly trustedProxies: readonly string[]
  /** The field in which those say where the client is, as written. */
  readonly clientAddress: string
  /** Fields that those may set, in lower case. */
  readonly trustedFields: readonly string[]
  /** Processes that share the listeners; `auto` is one for each core. */
  readonly workers: number | 'auto'
  readonly admin: ListenAddress | null
  /** Hosts of the admin listener, in addition to this machine and its address; lower case, IPv6 in brackets. */
  readonly adminHosts: readonly string[]
  /** Where proxies in front ask whether a request may pass; empty: nowhere. */
  readonly verify: readonly ListenAddress[]
  /** By which proxy requests of our own go; null: by none. */
  readonly outgoing: OutgoingConfig | null
  readonly accessLog: boolean
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** How long requests in flight may take to finish after SIGTERM. */
  readonly drainMs: number
  readonly flows: FlowsConfig
  /** How many connections one client may have open; null for any number. */
  readonly maxConnections: number | null
  /** How long one message of a WebSocket may be, in either direction. */
  readonly maxMessageBytes: number
  /** Whether admins may change the file in the browser. */
  readonly isEditable: boolean
  /** Requests that a client gives up before they are answered; null: they are not counted. */
  readonly resets: RateConfig | null
  /** Sign-ins that each client may begin. */
  readonly signIns: RateConfig
  /** For each client; null: no limit. */
  readonly rate: RateConfig | null
}

/** How much bodies under way may take of the process. */
interface FlowsConfig {
  /** How many one client may have; null for any number. */
  readonly maxOpen: number | null
  /** How long one may go without progress. */
  readonly stallMs: number
  /** How much unread bodies may hold together; null: a part of what the process may use. */
  readonly memoryBytes: number | null
}

/** How many requests may come. */
export interface RateConfig {
  readonly requests: number
  readonly perMs: number
  /** How many of them at once. */
  readonly burst: number
  /** Who shares a bucket. */
  readonly by: 'client' | 'user' | 'route'
}

/** How large a body may be on a route: the route's own value, else that of `[server]`. */
export function buildMaxBody(
  route: Pick<Known<RouteTable>, 'max_body'>,
  server: Known<Table<typeof SERVER_LIMITS>>,
): number | null {
  return (route.max_body ?? server.max_body).maxBytes
}

/** What `[server]` says of bodies that are under way. */
export function buildFlows(server: Known<Table<typeof SERVER_LIMITS>>): FlowsConfig {
  return {
    maxOpen: server.max_open === 'off' ? null : server.max_open,
    stallMs: server.stall_timeout,
    memoryBytes: server.stall_memory,
  }
}

/** What `[server]` says of requests that are given up. */
export function buildResets({ max_resets: most }: Known<Table<typeof SERVER_LIMITS>>): RateConfig | null {
  return most === 'off' ? null : { requests: most, perMs: 60_000, burst: Math.ceil(most / 6), by: 'client' }
}

/** The rate limit that a table gives to each client, user or route, as `by` says. */
export function buildRate(rate: Known<Table<typeof SERVER_RATE>>, by: RateConfig['by']): RateConfig {
  return { requests: rate.requests, perMs: rate.per, burst: rate.burst ?? rate.requests, by }
}

/** How many sign-ins a client may begin: only against loops and floods, since many users may share an address. */
export function buildSignIns({ sign_in_rate: rate }: Known<Table<typeof SERVER_LIMITS>>): RateConfig {
  return rate === null ? { requests: 60, perMs: 60_000, burst: 300, by: 'client' } : buildRate(known(rate), 'client')
}

/**
 * The same places, but `[::]` may leave IPv4 to another listener. `[::]` takes both families, unless a place of the
 * file (`all` are its places) uses its port on IPv4: both could not be open.
 */
export function shareFamilies<T extends ListenAddress>(
  places: readonly T[],
  all: readonly ListenAddress[],
): readonly T[] {
  const ports = new Set(all.flatMap(one => (one.kind === 'tcp' && isIPv4(one.host) && one.port !== 0 ? one.port : [])))
  return places.map(one =>
    one.kind === 'tcp' && one.host === '::' && ports.has(one.port) ? { ...one, isIpv6Only: true as const } : one,
  )
}

/** `outgoing` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildOutgoing(table: OutgoingTable): OutgoingConfig {
  const { proxy, user, password, except } = known(table)
  const of = (wanted: OutgoingException['kind']) => except.filter(({ kind }) => kind === wanted).map(({ text }) => text)
  return {
    proxy,
    authorization: user === null ? null : basicField(user, password ?? ''),
    except: { hosts: of('host'), suffixes: of('suffix'), networks: of('network') },
  }
}

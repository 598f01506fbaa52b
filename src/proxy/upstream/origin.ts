/** One address of an upstream: its TLS, its failures, and what is under way there. */

import type { UpstreamConfig } from '../../config/keys/upstreams.ts'
import type { UpstreamAddress } from '../../config/values/address.ts'

/** fetch's TLS options. The same texts share connections; other texts never do (Bun keeps a pool for each). */
export type OriginTls = Readonly<{
  ca?: string
  cert?: string
  key?: string
  serverName?: string
  rejectUnauthorized?: false
}>

/** One address of an upstream, as fetch wants it, and what is known about it now. */
export interface Origin {
  readonly address: UpstreamAddress
  /** What a path is appended to: scheme, authority and base path. */
  readonly base: string
  /** Socket path for a unix upstream. */
  readonly unix: string | undefined
  /** What Host is where the address's own is wanted. */
  readonly authority: string
  /** host:port or the socket's path, for logs. */
  readonly label: string
  readonly tls: OriginTls | undefined
  readonly protocol: 'http2' | undefined
  /** Requests that wait for their answer's head, answers that are watched to their end, and open WebSockets. */
  inFlight: number
  /** Requests in a row that failed here; 0 while all is well, -1 before anything was heard of it. */
  failures: number
  /** Until when (ms since the epoch) other addresses are preferred, after a failure. */
  restsUntilMs: number
  /** What active checks found. */
  isUnwell: boolean
  /** What was found when somebody looked; null: nobody has. */
  look: { readonly atMs: number; readonly isWell: boolean } | null
  /** When it last answered as applications refuse a Host or an Origin (ms since the epoch); 0 for never. */
  refusedMs: number
}

/** An address as logs and metrics name it: host:port, or the socket's path. */
export function addressLabel(address: UpstreamAddress): string {
  return address.kind === 'unix' ? `unix:${address.path}` : address.authority
}

/** An address as an Origin about which nothing is known yet. */
export function createOrigin(address: UpstreamAddress, config: Pick<UpstreamConfig, 'tls' | 'http2'>): Origin {
  const isUnix = address.kind === 'unix'
  const isHttps = !isUnix && address.scheme === 'https'
  return {
    address,
    base: isUnix ? 'http://localhost' : `${address.scheme}://${address.authority}${address.basePath}`,
    unix: isUnix ? address.path : undefined,
    authority: isUnix ? 'localhost' : address.authority,
    label: addressLabel(address),
    tls: isHttps && config.tls !== null ? tlsOptions(config.tls) : undefined,
    protocol: isHttps && config.http2 ? 'http2' : undefined,
    inFlight: 0,
    failures: -1,
    restsUntilMs: 0,
    isUnwell: false,
    look: null,
    refusedMs: 0,
  }
}

function tlsOptions({ ca, serverName, own, insecureSkipVerify }: NonNullable<UpstreamConfig['tls']>): OriginTls {
  return Object.freeze({
    ...(ca === null ? {} : { ca }),
    ...(serverName === null ? {} : { serverName }),
    ...(own === null ? {} : own),
    ...(insecureSkipVerify ? { rejectUnauthorized: false } : {}),
  })
}

const FIRST_REST_MS = 1000
const LONGEST_REST_MS = 30_000

/**
 * Notes that a request failed at an address before its answer began: it rests for a second, for twice as long after each
 * further failure, for half a minute at most. Answers whether this is news.
 *
 * Requests that were under way together are one failure: only one that began after the rest lengthens it.
 */
export function noteFailure(origin: Origin, nowMs: number): boolean {
  if (isResting(origin, nowMs)) return false
  origin.failures = Math.max(origin.failures, 0) + 1
  origin.restsUntilMs = nowMs + Math.min(FIRST_REST_MS * 2 ** (origin.failures - 1), LONGEST_REST_MS)
  return origin.failures === 1
}

/** Notes that an address answered. */
export function noteAnswer(origin: Origin): void {
  origin.failures = 0
  origin.restsUntilMs = 0
}

/** Whether an answer of this status may refuse a Host, or an Origin. */
export function mayRefuse(status: number): boolean {
  return status === 400 || status === 403 || status === 421
}

/** Whether requests should go to an address while there are others. */
export function isUp(origin: Origin, nowMs: number): boolean {
  return !origin.isUnwell && !isResting(origin, nowMs)
}

/** A rest longer than any that is given means that the clock was set back: it is over. */
function isResting({ restsUntilMs }: Origin, nowMs: number): boolean {
  return nowMs < restsUntilMs && restsUntilMs - nowMs <= LONGEST_REST_MS
}

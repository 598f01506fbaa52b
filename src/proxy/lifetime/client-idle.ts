/** How long a client's connection may be idle, and what is known of it. */

import { parseLength } from '../../base/byte-counts.ts'
import type { ConnectionEnds } from '../../base/connections.ts'
import type { Deadlines, Waiting } from './deadlines.ts'
import { NOWHERE } from './roster.ts'

/** What Bun's server can do about the connection that a request came by. */
export type ClientSide = Pick<Bun.Server<unknown>, 'timeout' | 'requestIP' | 'port' | 'protocol'>

/** How long a client's connection may be silent: as long as its request takes, and then for the usual limit. */
export interface ClientIdle {
  /** Seconds that a connection may be silent between and during ordinary requests. */
  readonly idleTimeoutS: number
  /**
   * Whether no other request shares a request's connection while it lasts: a client that does not read blocks the
   * connection.
   */
  hasOwnConnection(side: ClientSide, sent: Readonly<Record<string, string>>): boolean
  /** However long this request takes, its connection stays. */
  hold(side: ClientSide, request: Request): void
  /** The usual time starts again, while the request is still under way. */
  renew(side: ClientSide, request: Request): void
  /** It is answered while the rest of it is still being sent: the answer can be read, and then its connection is closed. */
  part(side: ClientSide, request: Request): void
}

/**
 * Whether these requests come by a socket in the file system, where clients have no address. A closed port is 0.
 *
 * Bun 1.4.5 asks the system for the port each time, which takes 0.2 µs; a listener's kind never changes.
 */
export function isLocalSocket(side: Pick<ClientSide, 'port'>): boolean {
  const known = LOCAL.get(side)
  if (known !== undefined) return known
  const isLocal = side.port === undefined
  LOCAL.set(side, isLocal)
  return isLocal
}

const LOCAL = new WeakMap<object, boolean>()

/** Whether a request is over, or its client is gone. Always false on a local socket, which does not show it. */
export function hasLeft(side: ClientSide, request: Request): boolean {
  return !isLocalSocket(side) && side.requestIP(request) === null
}

/** By what the kernel knows the connection of a request; null once that is over, and on a local socket. */
export function endsOf(side: ClientSide, request: Request): ConnectionEnds | null {
  const peer = side.requestIP(request)
  if (peer === null || side.port === undefined) return null
  return { ownPort: side.port, peer: peer.address, peerPort: peer.port }
}

/**
 * Whether a request that came by HTTPS, where HTTP/2 is on offer, came by HTTP/1.1: by HTTP/2 `Connection` is forbidden (RFC 9113
 * §8.2.2), and Bun 1.4.5 puts Host behind all other fields, made of `:authority`. In HTTP/1.1 it comes first from nearly all
 * clients (RFC 9110 §7.2).
 */
export function looksLikeHttp1(sent: Readonly<Record<string, string>>): boolean {
  if (sent.connection !== undefined) return true
  for (const name in sent) return name === 'host'
  return true
}

/** Whether a request's fields announce a body (RFC 9112 §6.3), for any method. */
export function announcesBody(sent: Readonly<Record<string, string>>): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = sent
  return coding !== undefined || (length !== undefined && parseLength(length) !== 0)
}

/** As long as nginx lingers: closing at once, with unread bytes, may cost the client its answer (RFC 9112 §9.6). */
const PARTING_S = 5

/** Most requests are over by then, and cost nothing more. */
const FIRST_LOOK_MS = 2000

/**
 * Bun 1.4.5 cuts a connection that is silent for its idle timeout, no matter which side is silent. If the timeout is
 * removed, it stays off for the next request on the connection and between the two. So it is never removed: it starts
 * again as long as the request is under way, which `requestIP` shows.
 *
 * A local socket does not show that: there it is removed, and comes back with the next ordinary request.
 */
export function createClientIdle(
  deadlines: Deadlines,
  now: () => number,
  { idleTimeoutS, offersHttp2 }: { readonly idleTimeoutS: number; readonly offersHttp2: boolean },
): ClientIdle {
  return {
    idleTimeoutS,
    hasOwnConnection(side, sent) {
      if (side.protocol !== 'https' || !offersHttp2) return true
      // A request with only Host may have come either way.
      return looksLikeHttp1(sent) && Object.keys(sent).length > 1
    },
    hold(side, request) {
      if (isLocalSocket(side)) side.timeout(request, 0)
      else deadlines.add(new Held(side, request, deadlines, now, idleTimeoutS))
    },
    renew: (side, request) => side.timeout(request, idleTimeoutS),
    // Bun 1.4.5 keeps reading and counts none of it; the next request on the connection has the usual time again. By
    // HTTP/2 other requests share the connection, and Bun does not say which protocol it is: where both are possible,
    // it is the usual time.
    part: (side, request) => side.timeout(request, side.protocol === 'https' && offersHttp2 ? idleTimeoutS : PARTING_S),
  }
}

class Held implements Waiting {
  deadlineMs: number
  slot = NOWHERE
  readonly #side: ClientSide
  readonly #request: Request
  readonly #deadlines: Deadlines
  readonly #now: () => number
  readonly #idleTimeoutS: number

  constructor(side: ClientSide, request: Request, deadlines: Deadlines, now: () => number, idleTimeoutS: number) {
    this.#side = side
    this.#request = request
    this.#deadlines = deadlines
    this.#now = now
    this.#idleTimeoutS = idleTimeoutS
    this.deadlineMs = now() + FIRST_LOOK_MS
  }

  expire(): void {
    if (hasLeft(this.#side, this.#request)) return
    this.#side.timeout(this.#request, this.#idleTimeoutS)
    this.deadlineMs = this.#now() + this.#idleTimeoutS * 400
    this.#deadlines.add(this)
  }
}

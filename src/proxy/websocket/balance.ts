/** Dials the addresses of an upstream for a WebSocket, one after another. */

import { type GateError, toGateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { isUnsent } from '../failures.ts'
import { askedAt, type Delivery } from '../forwarded.ts'
import type { Asker } from '../upstream/balance.ts'
import type { Leave } from '../upstream/max-connections.ts'
import { mayRefuse, noteAnswer, noteFailure, type Origin } from '../upstream/origin.ts'
import { type OwnPages, writeOwnPages } from '../upstream/origin-and-referer.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { type Dialled, type DialOptions, dialUpstream } from './dial.ts'

/** What a dial needs in addition to the upstream. */
export interface BalancedDial
  extends Omit<DialOptions, 'address' | 'tls' | 'isDoubtful' | 'connectTimeoutMs' | 'onClosed'> {
  /** Whether Host becomes the address's own. */
  readonly hasOwnHost: boolean
  /** What Origin and Referer name, where the application is to take it for its own; null on other routes. */
  readonly ownPages: OwnPages | null
  /** What is said of its way. */
  readonly delivery: Delivery
}

/**
 * Asks an upstream for a WebSocket at the address that is due, and at the others where none came about.
 *
 * A WebSocket counts as under way, and keeps its place among `max_connections`, until its connection is over.
 * Throws `upstream.busy`, and what `dialUpstream` throws for the last address that was tried.
 */
export async function dialBalanced(
  upstream: Upstream,
  asker: Asker & { readonly signal: AbortSignal },
  ports: Pick<Ports, 'now' | 'log'>,
  options: BalancedDial,
): Promise<Dialled> {
  const { balancing } = upstream
  const leave = balancing?.slots == null ? NOTHING_TO_LEAVE : await balancing.slots.enter(asker.signal)
  const tried: Origin[] = []
  for (;;) {
    const origin = balancing === null ? upstream.first : balancing.balance(asker, tried, ports.now())
    askedAt(options.delivery, origin.label)
    try {
      const dialled = await dialCounted(origin, upstream, options, leave)
      if (dialled.kind === 'refused' && mayRefuse(dialled.response.status)) origin.refusedMs = ports.now()
      return dialled
    } catch (thrown) {
      const error = toGateError(thrown)
      tried.push(origin)
      const isGone = asker.signal.aborted
      if (!isGone && countsAgainst(error)) noteFailure(origin, ports.now())
      if (isGone || tried.length === upstream.origins.length || !mayGoOn(error)) {
        leave()
        throw error
      }
      ports.log.warn('A WebSocket is tried at another address', { ...error.facts, why: error.message })
    }
  }
}

const NOTHING_TO_LEAVE: Leave = () => undefined

async function dialCounted(origin: Origin, upstream: Upstream, options: BalancedDial, leave: Leave): Promise<Dialled> {
  let isClosed = false
  let isOpen = false
  const dialling = dialUpstream({
    ...options,
    headers: fieldsFor(origin, options),
    address: origin.address,
    tls: origin.tls,
    isDoubtful: origin.failures > 0,
    connectTimeoutMs: upstream.connectTimeoutMs,
    onClosed() {
      origin.inFlight--
      isClosed = true
      if (isOpen) leave()
    },
  })
  // Behind it: what cannot be written as a handshake has no connection whose end would count it down.
  origin.inFlight++
  const dialled = await dialling
  noteAnswer(origin)
  if (dialled.kind === 'refused' || isClosed) leave()
  else isOpen = true
  return dialled
}

/** The fields as they are for this address. */
function fieldsFor(origin: Origin, { headers: given, hasOwnHost, ownPages }: BalancedDial): DialOptions['headers'] {
  if (!hasOwnHost && ownPages === null) return given
  const headers = new Headers(given)
  if (hasOwnHost) headers.set('host', origin.authority)
  if (ownPages !== null) writeOwnPages(headers, ownPages, origin)
  return headers.toJSON() as Record<string, string>
}

/** A handshake is a GET that changes nothing, so it may be repeated where no connection came about. */
function mayGoOn(error: GateError): boolean {
  return isUnsent(error) || error.code === 'upstream.unreachable'
}

function countsAgainst(error: GateError): boolean {
  return error.code.startsWith('upstream.') && error.code !== 'upstream.timeout'
}

/** How the addresses of upstreams are, asked because somebody looks: for those that no check asks anyway. */

import { connect } from 'node:net'
import { inTime } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { afterLimit } from '../../base/time-limit.ts'
import type { HealthConfig } from '../../config/keys/upstreams.ts'
import { faultOf } from './health.ts'
import type { Origin } from './origin.ts'
import { splitAuthority } from './reach.ts'

/** How long an answer counts for everybody who looks: nothing is asked more often. */
const LOOK_EVERY_MS = 30_000

/** How long somebody who looks waits; what comes later is there at the next look. */
const WAIT_MS = 700

/** How long an address may take to accept a connection. */
const CONNECT_MS = 2_000

/** So many addresses are asked at once. */
const AT_ONCE = 64

/** What a look needs of an upstream; `health` as the file says it, null where it does not. */
interface Looked {
  readonly origins: readonly Origin[]
  readonly authorization: string | null
  readonly health: HealthConfig | null
}

/** Asks when somebody looks. Pairs with `close`. */
export interface Looks {
  /** Settles once all that is due was asked, or after a moment. Never rejects. */
  look(): Promise<void>
  close(): void
}

/**
 * Asks each address by the `health` of its upstream; without one it only connects, and sends nothing. It never asks for a page of an
 * application. Addresses whose own checks are as frequent are left to these.
 */
export function createLooks(ports: Pick<Ports, 'ask' | 'now'>, inUse: () => Iterable<Looked>): Looks {
  const closing = new AbortController()
  let lastMs = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | null = null

  async function ask(due: readonly (readonly [Origin, Looked])[]): Promise<void> {
    const left = due[Symbol.iterator]()
    async function work(): Promise<void> {
      for (const [origin, { health, authorization }] of left) {
        if (closing.signal.aborted) return
        const isWell =
          health === null
            ? await accepts(origin, closing.signal)
            : (await faultOf(origin, authorization, health, ports, closing.signal)) === null
        origin.look = { atMs: ports.now(), isWell }
      }
    }
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, due.length) }, work))
  }

  return {
    async look() {
      // A clock that was set back would keep everybody from asking.
      const agoMs = ports.now() - lastMs
      if (asking === null && (agoMs >= LOOK_EVERY_MS || agoMs < 0)) {
        lastMs = ports.now()
        const due = [...inUse()].filter(({ health }) => health === null || health.intervalMs > LOOK_EVERY_MS)
        asking = ask(due.flatMap(one => one.origins.map(origin => [origin, one] as const))).finally(() => {
          asking = null
        })
      }
      if (asking !== null) await inTime(asking, WAIT_MS, undefined)
    },
    close: () => closing.abort(),
  }
}

/** Whether an address accepts a connection in time. Nothing is sent over it. */
function accepts({ address }: Origin, closing: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    const where =
      address.kind === 'unix'
        ? { path: address.path }
        : splitAuthority(address.authority, address.scheme === 'https' ? 443 : 80)
    const socket = connect(where)
    const end = () => finish(false)
    const stopWaiting = afterLimit(CONNECT_MS, end)
    function finish(isAccepted: boolean): void {
      stopWaiting()
      closing.removeEventListener('abort', end)
      socket.destroy()
      resolve(isAccepted)
    }
    closing.addEventListener('abort', end)
    socket.once('connect', () => finish(true))
    // Stays: a socket that was given up may still report an error.
    socket.on('error', end)
  })
}

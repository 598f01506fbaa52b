/** `max_connections` of an upstream: places, and a queue for them. */

import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { afterLimit } from '../../base/time-limit.ts'

/** Gives a place back; more than once is the same as once. */
export type Leave = () => void

/** Places for requests that may be under way at a time, and a bounded queue of those that wait for one. */
export interface Slots {
  readonly taken: number
  readonly waiting: number
  /** A place at once; null where none is free. */
  take(): Leave | null
  /**
   * A place at once, or when one is given back; first come, first served.
   *
   * Throws or rejects with `upstream.busy`: the queue is full, the wait took too long, or the client left.
   */
  enter(signal: AbortSignal): MaybePromise<Leave>
}

export interface SlotLimits {
  readonly label: string
  readonly maxConnections: number
  /** How many may wait. */
  readonly queue: number
  readonly queueTimeoutMs: number
}

/** Slots of which none is taken. */
export function createSlots(limits: SlotLimits): Slots {
  const queue = new Set<(leave: Leave) => void>()
  let taken = 0

  function place(): Leave {
    let isLeft = false
    return () => {
      if (isLeft) return
      isLeft = true
      const [next] = queue
      if (next === undefined) taken--
      else next(place())
    }
  }

  function take(): Leave | null {
    if (taken >= limits.maxConnections) return null
    taken++
    return place()
  }

  return {
    take,
    get taken() {
      return taken
    },
    get waiting() {
      return queue.size
    },
    enter(signal) {
      const free = take()
      if (free !== null) return free
      if (signal.aborted) throw busy(limits, LEFT)
      if (queue.size >= limits.queue) throw busy(limits, 'and as many as may wait do')
      return new Promise((resolve, reject) => {
        const stopWaiting = afterLimit(limits.queueTimeoutMs, () =>
          giveUp(`and none ended in ${limits.queueTimeoutMs} ms`),
        )
        const onAbort = (): void => giveUp(LEFT)
        function settle(): void {
          queue.delete(onTurn)
          stopWaiting()
          signal.removeEventListener('abort', onAbort)
        }
        function onTurn(leave: Leave): void {
          settle()
          resolve(leave)
        }
        function giveUp(why: string): void {
          settle()
          reject(busy(limits, why))
        }
        queue.add(onTurn)
        signal.addEventListener('abort', onAbort)
      })
    },
  }
}

const LEFT = 'and the client left while it waited'

function busy({ label, maxConnections }: SlotLimits, why: string): GateError {
  return new GateError('upstream.busy', `${label}: ${maxConnections} requests are under way, ${why}`, {
    facts: { upstream: label },
    hint: 'raise max_connections or queue_timeout of this upstream if it can do more at a time',
    retryAfterS: 2,
  })
}

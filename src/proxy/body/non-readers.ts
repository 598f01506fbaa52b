/**
 * Finds clients that do not read what they asked for, through the kernel, and cuts their answers when memory is
 * short.
 */

import type { ConnectionEnds, ConnectionState, Connections } from '../../base/connections.ts'
import { nextTurn } from '../../base/event-loop.ts'
import type { Deadlines, Waiting } from '../lifetime/deadlines.ts'
import { NOWHERE } from '../lifetime/roster.ts'

/** An answer under way whose client may have stopped reading. */
export interface Readable {
  /** Its client's connection, which is its own; null where the kernel is not asked about it. */
  readonly ends: ConnectionEnds | null
  /** Where that connection is, once it is known. */
  descriptor: number | null
  /** When it began. */
  readonly sinceBeginMs: number
  /** Whether it may hold anything. */
  isHolding(): boolean
  cut(why: 'memory'): void
}

export interface NonReadersTools {
  readonly deadlines: Pick<Deadlines, 'add'>
  readonly now: () => number
  readonly connections: Connections | null
  readonly candidates: () => Iterable<Readable>
  /** Whether memory is short. */
  readonly isShort: () => boolean
}

const LOOK_MS = 200

/** Who takes nothing for so long does not read: a client that is only slow opens its window sooner. */
const DEAF_MS = 1000

/** If no non-reader was found in this time, the clients that hold memory do read. */
const HOPE_MS = 3000

/** How many connections are asked about in one turn of the event loop: some 0.5 ms. */
const CHUNK = 100

/**
 * Cuts answers whose clients read nothing, the oldest first, while memory is short: Linux's kernel knows which windows are closed. `wake` is called
 * whenever it may have become short.
 *
 * It does not show there that a stream of HTTP/2 is held back by its own window, who waits behind a proxy that reads, and who reads a byte now
 * and then; a local socket has no queue.
 */
export function createNonReaders(tools: NonReadersTools): {
  wake(): void
  /**
   * Whether a non-reader may be found: the search has not begun, memory has become short only now, or one was found
   * recently.
   */
  mayFind(): boolean
} {
  const { deadlines, now, connections, candidates, isShort } = tools
  let isLooking = false
  let hopefulSinceMs = 0
  /** Since when windows are closed, and what had been taken by then. */
  const closed = new WeakMap<Readable, { readonly ackedBytes: number; readonly sinceMs: number }>()

  async function look(system: Connections): Promise<void> {
    const all = [...candidates()].filter(one => one.ends !== null && one.isHolding())
    const strange = all.filter(({ descriptor }) => descriptor === null)
    if (strange.length > 0) {
      const found = await system.find(strange.flatMap(({ ends }) => (ends === null ? [] : [ends])))
      for (const [index, one] of strange.entries()) one.descriptor = found[index] ?? null
    }
    all.sort((one, other) => one.sinceBeginMs - other.sinceBeginMs)
    for (const [index, one] of all.entries()) {
      if (!isShort()) return
      if (index % CHUNK === CHUNK - 1) await nextTurn()
      if (one.ends === null || one.descriptor === null || !one.isHolding()) continue
      const state = system.stateOf(one.descriptor, one.ends)
      if (state === null) one.descriptor = null
      else if (isDeaf(one, state)) {
        hopefulSinceMs = now()
        one.cut('memory')
      }
    }
  }

  /** Whether a client's window has been closed for `DEAF_MS`, and it has taken nothing since. */
  function isDeaf(one: Readable, { isWindowClosed, ackedBytes }: ConnectionState): boolean {
    const before = closed.get(one)
    if (!isWindowClosed) closed.delete(one)
    else if (before?.ackedBytes !== ackedBytes) closed.set(one, { ackedBytes, sinceMs: now() })
    else return now() - before.sinceMs >= DEAF_MS
    return false
  }

  const sweep: Waiting = {
    slot: NOWHERE,
    deadlineMs: 0,
    expire() {
      if (!isShort() || connections === null) return
      if (!isLooking) {
        isLooking = true
        look(connections)
          .catch(() => undefined)
          .finally(() => {
            isLooking = false
          })
      }
      wait()
    },
  }

  function wait(): void {
    sweep.deadlineMs = now() + LOOK_MS
    deadlines.add(sweep)
  }

  return {
    wake() {
      if (sweep.slot !== NOWHERE || connections === null || !isShort()) return
      hopefulSinceMs = now()
      wait()
    },
    mayFind: () => sweep.slot === NOWHERE || Math.abs(now() - hopefulSinceMs) < HOPE_MS,
  }
}

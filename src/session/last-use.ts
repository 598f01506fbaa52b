/** When sessions were last used, written now and then. */

import { useGrainMs } from './lifetimes.ts'
import type { HeldSession } from './session-cache.ts'
import type { SessionStore } from './store.ts'

/** When sessions were last used, as far as the store does not know it yet. */
export interface LastUses {
  /** A use of a session: written once it is much newer than what the store knows (`useGrainMs`). */
  note(held: HeldSession, nowMs: number): void
  /** A session that has to leave memory: its last use is written if the store does not know it. */
  noteLeaving(held: HeldSession): void
  /** A use that is not written yet; 0 where there is none. */
  of(sessionId: string): number
  forget(sessionId: string): void
  /** Writes all of them. Throws what the store throws: they are written next time. */
  flush(): Promise<void>
  /** Whether there is one to be written that no flush under way has. */
  readonly isPending: boolean
  /** Called whenever there is one to be written where there was none. */
  onPending(listener: () => void): void
  /** Called with the id of a session that was used here but is not in the store: it has ended without a notice. */
  onGone(listener: (sessionId: string) => void): void
}

/** Last uses on the way to a store. Noting one costs comparisons of numbers. */
export function createLastUses(store: Pick<SessionStore, 'touch'>): LastUses {
  const unwritten = new Map<string, number>()
  let tellPending = () => {}
  let tellGone = (_sessionId: string) => {}

  function add(sessionId: string, atMs: number): void {
    unwritten.set(sessionId, atMs)
    if (unwritten.size === 1) tellPending()
  }

  return {
    note(held, nowMs) {
      held.lastSeenMs = nowMs
      if (nowMs - held.storedSeenMs <= useGrainMs(held.moments)) return
      held.storedSeenMs = nowMs
      add(held.session.id, nowMs)
    },
    noteLeaving(held) {
      if (held.lastSeenMs > held.storedSeenMs) add(held.session.id, held.lastSeenMs)
    },
    of: sessionId => unwritten.get(sessionId) ?? 0,
    forget: sessionId => void unwritten.delete(sessionId),
    async flush() {
      if (unwritten.size === 0) return
      const seen = new Map(unwritten)
      unwritten.clear()
      try {
        for (const id of await store.touch(seen)) tellGone(id)
      } catch (error) {
        for (const [id, atMs] of seen) if (!unwritten.has(id)) add(id, atMs)
        throw error
      }
    },
    get isPending() {
      return unwritten.size > 0
    },
    onPending(listener) {
      tellPending = listener
    },
    onGone(listener) {
      tellGone = listener
    },
  }
}

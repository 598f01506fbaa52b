/** How sessions, tokens and links end, here and in other processes. */

import { errorFacts, GateError } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import type { OwnerBoundTokens } from './credentials/owner-bound-tokens.ts'
import { type EndedMatch, isOfMatch } from './ended.ts'
import type { LastUses } from './last-use.ts'
import type { SessionMemory } from './memory.ts'
import type { Revocations } from './revoke-refresh-tokens.ts'
import { guarded, sidOf } from './rows.ts'
import type { Session } from './session.ts'
import type { SessionStore } from './store.ts'

export interface EndTools {
  readonly store: Pick<SessionStore, 'remove' | 'findById'>
  readonly memory: SessionMemory
  readonly uses: LastUses
  readonly ownerBound: OwnerBoundTokens
  /** Null where no provider is asked. */
  readonly revocations: Revocations | null
  readonly log: Pick<Log, 'info' | 'error'>
}

/** How sessions, tokens and links end. */
export interface Ends {
  /** A session has ended, here or elsewhere: drops it from memory and notifies the listeners. */
  forget(sessionId: string): void
  /**
   * Ends these sessions while `work` removes them from the store. A request with one of them waits for the result, and
   * a request that passed all the same ends with it. Throws what `work` throws: then they are as the store has them.
   */
  endBy(sessionIds: readonly string[], work: () => Promise<void>): Promise<void>
  /**
   * Ends the matching sessions that are only in memory: the store, which is the truth, does not have them. Returns how
   * many. Throws `session.store`.
   */
  endUnstored(match: EndedMatch): Promise<number>
  /** Ends all of these. Throws `session.end` where the store keeps what was to end: then it is owed. */
  end(...sessionIds: readonly string[]): Promise<void>
  /** The same. Returns how many it took out of the store: not those that another process had ended by then. */
  endCounted(...sessionIds: readonly string[]): Promise<number>
  /**
   * Ends a session whose tokens have moved to another session: no provider revokes them. Where the store does not
   * remove it, that is tried again later.
   */
  endMoved(sessionId: string): Promise<void>
  /** Tries again what could not be ended. Throws what the store does. */
  settle(): Promise<void>
  /** Whether there is any such thing. */
  readonly isOwing: boolean
  /** Whether this one is such: it ends yet, so that nothing may begin or go on by it. */
  isOwed(sessionId: string): boolean
  /** Takes over what another process could not end. */
  owe(sessionIds: readonly string[]): void
  /** Called where there is any, with what could not be ended here just now; nothing where others could not. */
  onOwing(listener: (ownIds: readonly string[]) => void): void
  onEnd(listener: (sessionId: string) => void): void
  /** Tries it a last time, and says what is left: nobody else may know of it. Never throws. */
  close(): Promise<void>
}

/** Ends over a store and what is in memory of it. */
export function createEnds({ store, memory, uses, ownerBound, revocations, log }: EndTools): Ends {
  /** What was to end and is still in the store: what is tried next comes first. */
  const owed = new Set<string>()
  /** Those among them whose tokens another session has. */
  const moved = new Set<string>()
  const owing: ((ownIds: readonly string[]) => void)[] = []
  const listeners: ((sessionId: string) => void)[] = []

  function forget(sessionId: string): void {
    memory.forget(sessionId)
    uses.forget(sessionId)
    ownerBound.forget(sessionId)
    for (const listener of listeners) listener(sessionId)
  }

  async function endBy(sessionIds: readonly string[], work: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const id of sessionIds) memory.ending.set(id, promise)
    try {
      // Out of memory first: should the store fail, this process at least stops honouring it until it is read again.
      for (const id of sessionIds) forget(id)
      await work()
    } finally {
      for (const id of sessionIds) if (memory.ending.get(id) === promise) memory.ending.delete(id)
      resolve()
    }
    for (const id of sessionIds) forget(id)
  }

  /** An id is never used twice: to end it once more is always right. */
  async function endNow(sessionIds: readonly string[]): Promise<number> {
    let number = 0
    await endBy(sessionIds, async () => {
      // Sessions are kept elsewhere, perhaps: they end all the same where a token or link cannot.
      try {
        for (const id of sessionIds) if (await ownerBound.revoke(id)) number++
      } finally {
        number += await remove(sessionIds.filter(id => !ownerBound.has(id)))
      }
    })
    return number
  }

  async function remove(sessionIds: readonly string[]): Promise<number> {
    if (sessionIds.length === 0) return 0
    const { ids, refreshable } = await guarded(() => store.remove(...sessionIds))
    revocations?.revoke(refreshable.filter(({ id }) => !moved.has(id)))
    return ids.length
  }

  function keep(sessionIds: readonly string[], ownIds: readonly string[]): void {
    for (const id of sessionIds) owed.add(id)
    for (const oldest of owed) {
      if (owed.size <= MOST_OWED) break
      settled(oldest)
    }
    for (const listener of owing) listener(ownIds)
  }

  function settled(sessionId: string): void {
    owed.delete(sessionId)
    moved.delete(sessionId)
  }

  async function endCounted(...sessionIds: readonly string[]): Promise<number> {
    try {
      const number = await endNow(sessionIds)
      for (const id of sessionIds) settled(id)
      return number
    } catch (error) {
      keep(sessionIds, sessionIds)
      throw notEnded(error)
    }
  }

  async function settle(): Promise<void> {
    const ids = [...owed].slice(0, SETTLED_AT_ONCE)
    const [first, ...rest] = ids
    if (first === undefined) return
    try {
      await endNow(ids)
    } catch (error) {
      // What may be the cause comes last, and these after all others.
      for (const id of [...rest, first]) if (owed.delete(id)) owed.add(id)
      throw error
    }
    for (const id of ids) settled(id)
    log.info('What could not be ended while the session store failed has ended', { number: ids.length })
  }

  return {
    forget,
    endBy,
    endCounted,
    async endUnstored(match) {
      let number = 0
      // Memory has only the latest sid of a session. For a session that the store no longer has, it does not matter by
      // which sid the user signs out.
      const wider = match.subject === null ? match : { ...match, sid: null }
      for (const { session } of [...memory.cache.all()]) {
        if (!isOfMatch(wider, namesOf(session)) || (await guarded(() => store.findById(session.id))) !== null) continue
        forget(session.id)
        number++
      }
      return number
    },
    async end(...sessionIds) {
      await endCounted(...sessionIds)
    },
    async endMoved(sessionId) {
      moved.add(sessionId)
      try {
        await endNow([sessionId])
        moved.delete(sessionId)
      } catch {
        // Other processes do not know that its tokens are still in use, so they are not notified.
        keep([sessionId], [])
      }
    },
    settle,
    get isOwing() {
      return owed.size > 0
    },
    isOwed: sessionId => owed.has(sessionId),
    owe: sessionIds => keep(sessionIds, []),
    onOwing(listener) {
      owing.push(listener)
    },
    onEnd(listener) {
      listeners.push(listener)
    },
    async close() {
      try {
        while (owed.size > 0) await settle()
      } catch (error) {
        log.error('What was to end is still valid, since the session store failed until this process stopped', {
          number: owed.size,
          ...errorFacts(error),
          hint: 'other processes of the same server go on to try it; else "sallyport sessions list" shows what is left, and revoke ends it',
        })
      }
    },
  }
}

function namesOf({ identity }: Session) {
  return { issuer: identity.issuer, subject: identity.subject, sid: sidOf(identity) }
}

/** Bounds the memory where a store is away for long. */
const MOST_OWED = 10_000

const SETTLED_AT_ONCE = 50

/** The caller has to know that it did not end: the store still has it, and it will be read again. */
function notEnded(cause: unknown): GateError {
  return new GateError('session.end', 'what was to end is still valid: the session store failed', {
    cause,
    hint: 'see whether its disk is full, another process holds the database, or Redis answers; it is tried again until then',
    retryAfterS: 5,
  })
}

import { GateError } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import type { Followers } from './credentials/followers.ts'
import { type EndedMatch, isOfMatch } from './ended.ts'
import type { LastUses } from './last-use.ts'
import type { SessionMemory } from './memory.ts'
import type { Revocations } from './revocations.ts'
import { guarded, sidOf } from './rows.ts'
import type { Session } from './session.ts'
import type { SessionStore } from './store.ts'

export interface EndTools {
  readonly store: Pick<SessionStore, 'remove' | 'findById'>
  readonly memory: SessionMemory
  readonly uses: LastUses
  readonly followers: Followers
  /** Null where no provider is asked. */
  readonly revocations: Revocations | null
  readonly log: Pick<Log, 'info'>
}

/** How sessions, tokens and links end. */
export interface Ends {
  /** One has ended, here or elsewhere: nothing in memory stands for it, and whoever listens is told. */
  forget(sessionId: string): void
  /**
   * Has these end while `work` takes them out of the store. Whoever comes with one meanwhile waits for what comes of that, and whoever came in
   * all the same ends with it. Throws what `work` does: then they are as good as the store says.
   */
  endBy(sessionIds: readonly string[], work: () => Promise<void>): Promise<void>
  /**
   * Ends whom this match is about and who is in memory alone: the store, which is the truth, has no such session. Answers how many. Throws
   * `session.store`.
   */
  endUnstored(match: EndedMatch): Promise<number>
  /** Ends all of these. Throws `session.end` where the store keeps what was to end: then it is owed. */
  end(...sessionIds: readonly string[]): Promise<void>
  /** Ends one whose tokens another session has by now: no provider is told to forget them. Where the store keeps it, it is owed. */
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
}

/** Ends over a store and what is in memory of it. */
export function createEnds({ store, memory, uses, followers, revocations, log }: EndTools): Ends {
  /** What was to end and is still in the store, oldest first. */
  const owed = new Set<string>()
  /** Those among them whose tokens another session has. */
  const moved = new Set<string>()
  const owing: ((ownIds: readonly string[]) => void)[] = []
  const listeners: ((sessionId: string) => void)[] = []

  function forget(sessionId: string): void {
    memory.forget(sessionId)
    uses.forget(sessionId)
    followers.forget(sessionId)
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
  async function endNow(sessionIds: readonly string[]): Promise<void> {
    await endBy(sessionIds, async () => {
      for (const id of sessionIds) await followers.revoke(id)
      const others = sessionIds.filter(id => !followers.has(id))
      if (others.length === 0) return
      const rows = await guarded(() => store.remove(...others))
      revocations?.revoke(rows.filter(({ id }) => !moved.has(id)))
    })
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

  return {
    forget,
    endBy,
    async endUnstored(match) {
      let number = 0
      // Memory knows the latest sid of a session alone; of one that the store has no more it does not matter by which its person signs out.
      const wider = match.subject === null ? match : { ...match, sid: null }
      for (const { session } of [...memory.cache.all()]) {
        if (!isOfMatch(wider, namesOf(session)) || (await guarded(() => store.findById(session.id))) !== null) continue
        forget(session.id)
        number++
      }
      return number
    },
    async end(...sessionIds) {
      try {
        await endNow(sessionIds)
      } catch (error) {
        keep(sessionIds, sessionIds)
        throw notEnded(error)
      }
    },
    async endMoved(sessionId) {
      moved.add(sessionId)
      try {
        await endNow([sessionId])
        moved.delete(sessionId)
      } catch {
        // Other processes do not know that its tokens live on: they are not told.
        keep([sessionId], [])
      }
    },
    async settle() {
      const ids = [...owed].slice(0, SETTLED_AT_ONCE)
      if (ids.length === 0) return
      await endNow(ids)
      for (const id of ids) settled(id)
      log.info('What could not be ended while the session store failed has ended', { number: ids.length })
    },
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
  }
}

function namesOf({ identity }: Session) {
  return { issuer: identity.issuer, subject: identity.subject, sid: sidOf(identity) }
}

/** Bounds the memory where a store is away for long. */
const MOST_OWED = 10_000

const SETTLED_AT_ONCE = 50

/** Whoever asked for an end has to know that there was none: the store still has what was to end, and it will be read again. */
function notEnded(cause: unknown): GateError {
  return new GateError('session.end', 'what was to end is still valid: the session store failed', {
    cause,
    hint: 'see whether its disk is full, another process holds the database, or Redis answers; it is tried again until then',
    retryAfterS: 5,
  })
}

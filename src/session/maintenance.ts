/** Background work for sessions: hears of changes elsewhere, writes last uses, and cleans up. */

import type { OpenAudit } from '../audit/writer.ts'
import { errorFacts } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Log, Ports } from '../base/ports.ts'
import { oneAtATime, repeatEvery } from '../base/repeat.ts'
import { tickWhileBusy } from '../base/while-busy.ts'
import { isAccountId, type OwnAccounts } from './accounts/accounts.ts'
import type { ClockWatch } from './clock-watch.ts'
import type { OwnerBoundTokens } from './credentials/owner-bound-tokens.ts'
import { isOwnerId } from './credentials/owners.ts'
import type { DeferredEnds } from './deferred-ends.ts'
import { keptOf } from './device-binding.ts'
import { type EndedMatch, isEveryone } from './ended.ts'
import type { LastUses } from './last-use.ts'
import { longestIdleMs, longestUnwrittenMs } from './lifetimes.ts'
import type { SessionMemory } from './memory.ts'
import { parseSession } from './rows.ts'
import { isDirectoryId } from './scim/resource.ts'
import type { Sealer } from './seal.ts'
import { COOKIES_OF, type SessionStore, type StoredChanges } from './store.ts'

export interface SessionTimers {
  /** How soon to hear of sessions that other processes ended or changed. */
  readonly watchMs: number
  /** How often last uses are written. */
  readonly flushMs: number
  readonly purgeMs: number
  /** How much longer than the longest `idle` a session is kept in the store: for last uses that other processes have yet to write. */
  readonly lateMs?: number
  /** How often gates that share a store say what they run. */
  readonly gatesMs?: number
}

const LATE_MS = 2 * 60_000

export const DEFAULT_TIMERS: SessionTimers = { watchMs: 500, flushMs: 5_000, purgeMs: 60_000 }

export interface UpkeepTools {
  readonly store: Pick<SessionStore, 'changesSince' | 'findById' | 'purge' | 'onWritten'>
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly audit: Pick<OpenAudit, 'tend'>
  readonly memory: SessionMemory
  readonly clock: ClockWatch
  readonly uses: LastUses
  readonly ownerBound: OwnerBoundTokens
  readonly ends: { settle(): Promise<void>; readonly isOwing: boolean; onOwing(listener: () => void): void }
  readonly signing: { tend(): Promise<void> }
  readonly grants: { hear(): Promise<void>; readonly isAnyTimed: boolean }
  readonly directories: {
    hear(id: string): Promise<void>
    hearAll(): Promise<void>
    tend(): Promise<void>
    readonly isBehind: boolean
  }
  readonly accounts: Pick<OwnAccounts, 'heard'>
  readonly deferredEnds: Pick<DeferredEnds, 'tend'>
  readonly gates: { longestIdleMs(ownMs: number): number }
  forget(sessionId: string): void
  /** These have ended elsewhere: sessions of them that are only in memory end here. */
  endUnstored(match: EndedMatch): Promise<number>
  /** Anything may have ended elsewhere. */
  lookAgain(): void
}

export interface Upkeep {
  /** Hears now what other processes did up to now: what they say is in memory once it is done. */
  hearOthers(): Promise<void>
  close(): Promise<void>
}

/**
 * What is done while sessions are open, whether anyone comes or not: hearing of what other processes did, writing last uses,
 * removing what is over. `close` stops it and writes what is pending; it never throws.
 */
export function startUpkeep(tools: UpkeepTools, timers: SessionTimers): Upkeep {
  const { store, ports, audit, memory, clock, uses, ownerBound, signing, grants, directories } = tools
  const { forget, endUnstored, lookAgain } = tools

  /** The store tells each change once: all of them are heard, whatever cannot be read, and what that is about is read before its next use. */
  async function hearOthers(): Promise<void> {
    const failures: unknown[] = []
    const failed = (error: unknown) => void failures.push(error)
    await directories.tend().catch(failed)
    const { removed, updated, ended = [], isIncomplete: isLate, takeBack } = await store.changesSince()
    const isIncomplete = isLate === true || ended.some(isEveryone)
    for (const id of removed) forget(id)
    if (isIncomplete) forgetEverything()
    // Logged once: where the store cannot list its sessions, every session is read again before its next use.
    else for (const match of ended) await endUnstored(match).catch(forgetEverything)
    for (const id of updated) {
      await hearUpdated(id).catch((error: unknown) => {
        memory.readCookiesAgain(id)
        failed(error)
      })
    }
    if (isIncomplete) await directories.hearAll().catch(failed)
    else for (const id of new Set(updated.filter(isDirectoryId))) await directories.hear(id).catch(failed)
    if (takeBack !== undefined) await handBack(takeBack)
    if (failures.length > 0) throw failures[0]
  }

  async function hearUpdated(id: string): Promise<void> {
    if (isAccountId(id)) return tools.accounts.heard(id)
    if (isOwnerId(id)) return ownerBound.forgetOwner(id)
    if (isDirectoryId(id)) return
    if (id.startsWith(COOKIES_OF)) return readAgain(id.slice(COOKIES_OF.length))
    const held = memory.cache.held(id)
    // Who is on the way into memory was perhaps read before this.
    if (held === undefined) return memory.readCookiesAgain(id)
    const row = await store.findById(id)
    if (row === null) return
    if (row.createdAtMs !== held.session.createdAtMs) memory.takeOver(row)
    else if (row.checkedAtMs > held.checkedAtMs || row.bound !== keptOf(held.session.bound)) memory.adopt(row, held)
    const now = parseSession(row)
    // A gate with another file may have written what it accepts, and this one does not.
    if (now !== null && memory.trustedIdentity(now) === null) memory.readCookiesAgain(id)
  }

  /** A session, token or link is read again before its next use. */
  function readAgain(id: string): void {
    memory.readCookiesAgain(id)
    ownerBound.forget(id)
  }

  /** Sessions in memory continue in the new store: every process finds them there, and they end like all others. */
  async function handBack(takeBack: NonNullable<StoredChanges['takeBack']>): Promise<void> {
    const kept = await memory.rows(tools.sealer)
    for (const id of await takeBack(kept)) forget(id)
    await signing.tend()
    if (kept.length > 0)
      ports.log.info('Sessions in memory continue in the new session database', { sessions: kept.length })
  }

  let hearing: Promise<void> = Promise.resolve()
  /** One after the other: what one call has taken from the store is in memory before the next one looks. */
  function hearInTurn(): Promise<void> {
    const heard = hearing.then(hearOthers)
    hearing = heard.catch(() => undefined)
    return heard
  }

  /** Everything is read again before its next use, and listeners check what is under way. */
  function forgetEverything(): void {
    tools.accounts.heard(null)
    ownerBound.forgetAll()
    memory.forgetAll()
    lookAgain()
    signing.tend().catch((error: unknown) => ports.log.warn('The signing keys could not be read', errorFacts(error)))
  }

  async function purge(): Promise<void> {
    // A use that could not be written yet must not count for nothing.
    await uses.flush()
    const nowMs = ports.now()
    // Another gate may run another file: what it may accept is not this one's to remove.
    const longestMs = tools.gates.longestIdleMs(longestIdleMs(memory.limits))
    const idleMs = longestMs + longestUnwrittenMs(longestMs) + (timers.lateMs ?? LATE_MS)
    if (!(await clock.look())) return
    for (const id of await store.purge(nowMs, idleMs)) forget(id)
  }

  grants
    .hear()
    .catch((error: unknown) => ports.log.warn('Which roles were granted could not be read', errorFacts(error)))
  const repeat = (everyMs: number, what: string, work: () => MaybePromise<unknown>) =>
    repeatEvery(everyMs, { what, work, log: ports.log })
  const running = [
    repeat(timers.purgeMs, 'purge old sessions', purge),
    repeat(timers.purgeMs, 'purge the audit trail', async () => {
      await audit.tend(await clock.look())
    }),
    repeat(timers.purgeMs, 'look after the signing keys', signing.tend),
    repeat(timers.purgeMs, 'end what the file does not accept any more', tools.deferredEnds.tend),
  ]
  const flush = oneAtATime({ what: 'write the last use of sessions', work: uses.flush, log: ports.log })
  // What cannot be written is pending again by the time that it fails; what comes while a store is slow waits for the next time.
  const flushing = tickWhileBusy(timers.flushMs, () => {
    void flush()
    return uses.isPending
  })
  uses.onPending(flushing.wake)
  const settle = oneAtATime({ what: 'end what was to end before', work: tools.ends.settle, log: ports.log })
  const settling = tickWhileBusy(timers.watchMs, () => {
    void settle()
    return tools.ends.isOwing
  })
  tools.ends.onOwing(() => settling.wake())
  const listening = startHearing({
    everyMs: timers.watchMs,
    works: [
      { what: 'look for sessions that ended elsewhere', work: hearInTurn },
      { what: 'look for roles that were granted', work: grants.hear },
    ],
    onWritten: store.onWritten,
    isWaiting: () => grants.isAnyTimed || directories.isBehind,
    log: ports.log,
  })

  return {
    hearOthers: hearInTurn,
    async close() {
      listening.close()
      flushing.close()
      settling.close()
      for (const timer of running) clearInterval(timer)
      await uses
        .flush()
        .catch((error: unknown) =>
          ports.log.warn('The last use of some sessions could not be written', errorFacts(error)),
        )
    },
  }
}

interface HearingTools {
  readonly everyMs: number
  /** What is done at each look, one after the other; `what` completes "Could not …". */
  readonly works: readonly { readonly what: string; readonly work: () => Promise<void> }[]
  readonly onWritten: SessionStore['onWritten']
  /** Whether some work is due regardless of other processes. */
  readonly isWaiting: () => boolean
  readonly log: Pick<Log, 'warn'>
}

/** Looks after something was written: what is at work on a file is not done with it at its first write. */
const LOOKS = 2

/** How much of the time between two looks passes before the first of them: what is written together is one change. */
const FIRST_LOOK = 0.1

/** By what factor the interval is longer where the store reports every write. */
const SELDOM = 30

/**
 * Follows what other processes did to a store. Where the store reports every write, it reads soon after a write, and
 * otherwise seldom (`SELDOM`); without such reports at a fixed interval.
 *
 * A failure that lasts is logged once, and again only after a success. Pairs with `close`.
 */
function startHearing({ everyMs, works, onWritten, isWaiting, log }: HearingTools): { close(): void } {
  const steps = works.map(one => oneAtATime({ ...one, log }))
  let left = LOOKS
  let timer: Timer | null = null
  let isClosed = false
  let isLooking = false
  const watching = onWritten?.(hearOf)

  function hearOf(): void {
    const isAtRest = left === 0
    left = LOOKS
    if (isAtRest && !isLooking) lookIn(everyMs * FIRST_LOOK)
  }

  function lookIn(waitMs: number): void {
    if (timer !== null) clearTimeout(timer)
    if (isClosed) return
    timer = setTimeout(look, waitMs)
    timer.unref()
  }

  async function look(): Promise<void> {
    isLooking = true
    left = Math.max(0, left - 1)
    let isDone = true
    for (const step of steps) if (!(await step())) isDone = false
    isLooking = false
    const isAtRest = watching?.isSure === true && left === 0 && isDone && !isWaiting()
    lookIn(isAtRest ? everyMs * SELDOM : everyMs)
  }

  lookIn(everyMs)
  return {
    close() {
      isClosed = true
      watching?.close()
      if (timer !== null) clearTimeout(timer)
    },
  }
}

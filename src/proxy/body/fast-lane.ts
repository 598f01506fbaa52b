/** Bodies that Bun copies by itself: watched through the kernel alone, since no byte of them passes here. */

import { Tally } from '../../base/byte-counts.ts'
import type { ConnectionEnds, ConnectionState, Connections } from '../../base/connections.ts'
import type { Deadlines, Waiting } from '../lifetime/deadlines.ts'
import { createRoster, NOWHERE, type Roster } from '../lifetime/roster.ts'
import type { Readable } from './non-readers.ts'

/** A body that Bun itself copies, and how its progress and end are found out. */
export interface UnseenBody {
  readonly kind: 'answer' | 'upload'
  /** Its client's connection; null where the kernel is not asked about it. */
  readonly ends: ConnectionEnds | null
  /**
   * The port of its application, for an answer by HTTP/2: its client's connection is that of others too, and the kernel
   * does not know who holds back one of its streams, but whose application is not read. Null elsewhere.
   */
  readonly upstreamPort: number | null
  /** Asked several times a second, until it is. */
  isOver(): boolean
  /** It has left: it is over, or this process ends. */
  onLeave(isOver: boolean): void
}

export interface LaneEntry {
  /** It is over. Any number of times. */
  leave(): void
}

/**
 * The bodies that Bun copies without JavaScript seeing their pieces, which takes less CPU (docs/performance.md). Bun 1.4.5
 * reports nothing of them: each may hold as much as fetch keeps of a body, so their number bounds their memory.
 */
export interface FastLane<Owner extends UnseenBody> {
  /** What they may hold all together. */
  readonly bytes: number
  hasRoom(bytes: number): boolean
  /** `onLeave` is called once, however it leaves. */
  enter(owner: Owner, bytes: number, onLeave: () => void): LaneEntry
  /** Those that are in it. */
  readonly members: readonly Readable[]
  /** Lets those leave that are over by now. */
  letGoOver(): void
  /** Lets all of them leave. */
  close(): void
}

export interface LaneTools<Owner> {
  readonly deadlines: Pick<Deadlines, 'add'>
  readonly now: () => number
  /** Null where the kernel has no information about connections: then there is no fast lane. */
  readonly connections: Connections | null
  readonly limitBytes: () => number
  readonly stallMs: () => number
  /** One has gone too long without progress, or makes room, and has left: who sends it, or who takes it, is to blame. */
  readonly onCut: (owner: Owner, why: 'stalled' | 'memory', waitsFor: 'source' | 'taker') => void
}

/** How often they are checked for their end: a record is late by at most this. */
const LOOK_MS = 200

/** The kernel is asked this often within `stall_timeout`, and no more seldom than each 15 seconds. */
const ASKED_WITHIN_STALL = 4
const MOST_BETWEEN_MS = 15_000

/** Less than this within `stall_timeout` is no progress of an answer. */
const PROGRESS_BYTES = 64 * 1024

/** What those in a lane have in common. */
interface Lane<Owner extends UnseenBody> extends Pick<LaneTools<Owner>, 'now' | 'onCut'> {
  readonly members: Roster<Unseen<Owner>>
  readonly held: Tally
}

class Unseen<Owner extends UnseenBody> implements LaneEntry, Readable {
  place = NOWHERE
  sinceMs: number
  readonly sinceBeginMs: number
  askedMs: number
  descriptor: number | null = null
  /** What its client had taken when it last made progress; null until that is known. */
  ackedBytes: number | null = null
  readonly owner: Owner
  readonly #lane: Lane<Owner>
  readonly #bytes: number
  readonly #onLeave: () => void

  constructor(lane: Lane<Owner>, owner: Owner, bytes: number, onLeave: () => void) {
    this.#lane = lane
    this.sinceMs = lane.now()
    this.sinceBeginMs = this.sinceMs
    this.askedMs = this.sinceMs
    this.owner = owner
    this.#bytes = bytes
    this.#onLeave = onLeave
    lane.held.add(bytes)
  }

  leave(): void {
    if (this.place === NOWHERE) return
    this.#lane.members.remove(this)
    this.#lane.held.remove(this.#bytes)
    this.#onLeave()
  }

  get ends(): ConnectionEnds | null {
    return this.owner.kind === 'answer' ? this.owner.ends : null
  }

  isHolding(): boolean {
    return this.place !== NOWHERE
  }

  cut(why: 'stalled' | 'memory', waitsFor: 'source' | 'taker' = 'taker'): void {
    this.leave()
    this.#lane.onCut(this.owner, why, waitsFor)
  }

  /** Notes what the kernel says. */
  note(state: ConnectionState): void {
    const nowMs = this.#lane.now()
    if (this.owner.kind === 'upload') {
      this.sinceMs = Math.max(this.sinceMs, nowMs - state.quietMs)
      return
    }
    const isFirst = this.ackedBytes === null
    const taken = state.ackedBytes - (this.ackedBytes ?? state.ackedBytes)
    // Where nothing waits to be taken, it is the application that is waited for; or the window of a stream.
    const waitsForSource = !state.hasUnsent && this.owner.upstreamPort === null
    if (waitsForSource || taken >= PROGRESS_BYTES) this.sinceMs = nowMs
    if (isFirst || this.sinceMs === nowMs) this.ackedBytes = state.ackedBytes
  }
}

/** A lane with nothing in it. */
export function createFastLane<Owner extends UnseenBody>(tools: LaneTools<Owner>): FastLane<Owner> {
  const { deadlines, now, connections, limitBytes, stallMs, onCut } = tools
  const held = new Tally()

  const members = createRoster<Unseen<Owner>>(
    one => one.place,
    (one, place) => {
      one.place = place
    },
  )
  const lane = { now, onCut, members, held }

  function letGoOver(): void {
    for (const one of [...members.members]) {
      if (one.place === NOWHERE || !one.owner.isOver()) continue
      one.leave()
      one.owner.onLeave(true)
    }
  }

  /** Notes what the kernel says, and cuts where that shows who stalls; answers whether it does not. */
  function judge(one: Unseen<Owner>, ends: ConnectionEnds, system: Connections): boolean {
    if (one.place === NOWHERE || one.descriptor === null) return false
    const state = system.stateOf(one.descriptor, ends)
    if (state === null) {
      one.descriptor = null
      return false
    }
    one.note(state)
    if (now() - one.sinceMs <= stallMs()) return false
    if (one.owner.upstreamPort !== null && !state.hasUnsent) return true
    one.cut('stalled', one.owner.kind === 'upload' && !state.hasUnread ? 'source' : 'taker')
    return false
  }

  /**
   * Cuts those that have waited for too long on connections of several, where as many connections to their application
   * are not read; where none is, the application is silent. Where only some are, nobody is cut for another's sake.
   */
  async function judgeShared(due: readonly Unseen<Owner>[], upstreamPort: number, system: Connections): Promise<void> {
    const longMs = (stallMs() * 3) / 4
    const held = await system.countHeldBack(upstreamPort, longMs)
    const waiting = members.members.filter(
      one => one.owner.upstreamPort === upstreamPort && now() - one.sinceMs >= longMs,
    )
    for (const one of due) {
      if (held === 0) one.sinceMs = now()
      else if (held >= waiting.length && one.place !== NOWHERE) one.cut('stalled')
    }
  }

  async function askKernel(due: readonly Unseen<Owner>[], system: Connections): Promise<void> {
    const known = due.flatMap(one => (one.owner.ends === null ? [] : [{ one, ends: one.owner.ends }]))
    const strange = known.filter(({ one }) => one.descriptor === null)
    if (strange.length > 0) {
      const found = await system.find(strange.map(({ ends }) => ends))
      for (const [index, { one }] of strange.entries()) one.descriptor = found[index] ?? null
    }
    const shared = known.flatMap(({ one, ends }) => (judge(one, ends, system) ? [one] : []))
    for (const [port, ones] of Map.groupBy(shared, one => one.owner.upstreamPort)) {
      if (port !== null) await judgeShared(ones, port, system)
    }
  }

  const sweep: Waiting = {
    slot: NOWHERE,
    deadlineMs: 0,
    expire() {
      letGoOver()
      const nowMs = now()
      const everyMs = Math.min(stallMs() / ASKED_WITHIN_STALL, MOST_BETWEEN_MS)
      const due = members.members.filter(one => {
        // A clock that was set back must not let anyone wait for as long again.
        if (one.sinceMs > nowMs) one.sinceMs = nowMs
        if (one.askedMs > nowMs) one.askedMs = nowMs
        return nowMs - one.sinceMs >= everyMs && nowMs - one.askedMs >= everyMs
      })
      for (const one of due) one.askedMs = nowMs
      if (due.length > 0 && connections !== null) askKernel(due, connections).catch(() => undefined)
      if (members.members.length > 0) wait()
    },
  }

  function wait(): void {
    sweep.deadlineMs = now() + LOOK_MS
    deadlines.add(sweep)
  }

  return {
    get bytes() {
      return held.sum
    },
    hasRoom: bytes => held.sum + bytes <= limitBytes(),
    enter(owner, bytes, onLeave) {
      const one = new Unseen(lane, owner, bytes, onLeave)
      members.add(one)
      if (sweep.slot === NOWHERE) wait()
      return one
    },
    members: members.members,
    letGoOver,
    close() {
      letGoOver()
      for (const one of [...members.members]) {
        one.leave()
        one.owner.onLeave(false)
      }
    },
  }
}

/** All bodies under way: who holds how much memory, who stalls, and which are cut when memory is short. */

import { amountOf, Tally } from '../../base/byte-counts.ts'
import type { ConnectionEnds, Connections } from '../../base/connections.ts'
import { createLoopShare } from '../../base/event-loop.ts'
import type { Deadlines } from '../lifetime/deadlines.ts'
import { createRoster, NOWHERE, type Roster } from '../lifetime/roster.ts'
import { createFastLane, type LaneEntry, type UnseenBody } from './fast-lane.ts'
import { createKnownLengths, type KnownLengths } from './known-lengths.ts'
import { createLongTurns, type LongTurns } from './long-turns.ts'
import { createShares, type Share } from './max-open.ts'
import { createNonReaders, type Readable } from './non-readers.ts'
import { createStallSweep, type Progressing } from './stall-timeout.ts'
import { createTurns, NO_STAMP, type Turns } from './turns.ts'

/** How much memory stalled bodies may hold. */
interface FlowLimits {
  /** How many bodies one client may have under way; null for any number. */
  readonly maxOpen: number | null
  /** How long one may go without progress. */
  readonly stallMs: number
  /** What stalled bodies may hold together, in bytes. */
  readonly memoryBytes: number
}

/** Whom a body waits for: who sends it, or who takes it. */
export type WaitsFor = 'source' | 'taker'

/** Why a body is cut: no progress for too long, or memory for others. */
export type CutReason = 'stalled' | 'memory'

export interface FlowOwner {
  readonly kind: 'answer' | 'upload'
  readonly route: string
  /** The client's address. */
  readonly client: string
  /** How long the body is, as far as that is known; Infinity where it is not. */
  readonly length: number
  /** Its client's connection, which is its own; absent or null where the kernel is not asked about it. */
  readonly ends?: ConnectionEnds | null
  /** Ends it for both sides. Its flow has been left by then. */
  cut(why: CutReason, waitsFor: WaitsFor): void
  /** Whether it is over without anyone having said so; absent where its end is always said. */
  isOver?(): boolean
}

/** A body that goes unseen; `cut` is called where it goes without progress for too long, by what the kernel says. */
export interface UnseenOwner extends FlowOwner, UnseenBody {
  readonly ends: ConnectionEnds | null
  isOver(): boolean
}

/** One body under way. The calls cost some 50 ns each. */
export interface Flow {
  /** A piece was handed on, and is not taken yet; `isLong` where more may have come with it than shows. */
  given(isLong: boolean): void
  /** All that was handed on has been taken. */
  taken(): void
  /** Null where the next piece may be handed on now; else it resolves once it may. */
  mayGive(): Promise<void> | null
  /** It is over. Any number of times. */
  leave(): void
}

/** All bodies under way whose pieces pass here, or that wait as a whole. */
export interface Flows {
  /** How many are under way. */
  readonly open: { readonly answers: number; readonly uploads: number }
  /** What stalled bodies may hold. */
  readonly heldBytes: number
  /** When requests are sent whose answers may be held. */
  readonly turns: Pick<Turns, 'begin' | 'wait'>
  /**
   * When requests are sent whose answers were long before, while memory is short: what fetch reads ahead of all of them would be too
   * much. Null for any other request.
   */
  turnsOfLong(address: string, inFlight: number): LongTurns | null
  readonly lengths: Pick<KnownLengths, 'matter' | 'isAwaited' | 'note'>
  /** A request that had its turn is answered, has failed, or takes its time; once. */
  begun(stamp: number): void
  /** Throws `limit.open` where this client has as many under way as it may. */
  admit(client: string): void
  /** Whether this much more may be held without cutting anything. */
  hasRoom(bytes: number): boolean
  enter(owner: FlowOwner): Flow
  /** Whether tests want every body to go unseen that can. */
  readonly isEveryUnseen: boolean
  /** Lets a body go on unseen; null where enough do, or where it would not show who stalls. */
  enterUnseen(owner: UnseenOwner): LaneEntry | null
  /** Those that go unseen tell of their end while they still can. */
  close(): void
}

/**
 * What fetch of Bun 1.4.5 keeps of a stalled body of any length: between 1.7 and 2.5 MB were measured, for answers and
 * for uploads. It has no option for it.
 */
const HELD_BYTES = 2_500_000

/** How many bodies of that size go unseen at most, and which part of what all may hold. */
const MOST_UNSEEN = 32
const UNSEEN_PART = 2

/** From here on clients that read nothing are cut; or from three quarters of `stall_memory` on, where that is less. */
const SHORT_BYTES = 100_000_000

/** How much is handed on in one turn of the event loop of what goes piece by piece: others have their turn each millisecond or two. */
const BYTES_A_TURN = 1024 * 1024

/** Smaller pieces show progress sooner: 64 KiB in `stall_timeout` is the least that counts. */
export const PIECE_BYTES = 64 * 1024

/** A body up to this length fits the kernel's buffers, and is none of this one's business. */
export const SMALL_BYTES = 16 * 1024

export interface FlowsTools {
  readonly deadlines: Deadlines
  readonly now: () => number
  readonly limits: () => FlowLimits
  /** The kernel's information about connections; null without it: then every body is sent piece by piece. */
  readonly connections: Connections | null
  /** For tests: every body that can goes unseen, or none; null: those for which there is room. */
  readonly unseen: 'every' | 'none' | null
  /** Called for each that was cut. */
  readonly onCut: (owner: FlowOwner, why: CutReason) => void
  /** Called for each request that has to wait for its turn. */
  readonly onWait: () => void
  /** Gives back the memory that cut bodies have left. */
  readonly reclaim: () => void
}

/** What the bodies that go piece by piece have in common. */
interface Account extends Pick<FlowsTools, 'now' | 'onCut'> {
  readonly turns: Turns
  readonly loopShare: ReturnType<typeof createLoopShare>
  readonly passing: Roster<Passing>
  /** Those that have handed on what is not taken yet, and what that may be together. */
  readonly untaken: Roster<Passing>
  readonly held: Tally
  /** More is held than before. */
  noteMore(): void
  /** A body is over, and its client has one less under way. */
  noteLeft(owner: FlowOwner, share: Share): void
}

/** A body whose pieces pass here, or that waits as a whole. */
class Passing implements Flow, Progressing, Readable {
  place = NOWHERE
  untakenPlace = NOWHERE
  sinceMs: number
  readonly sinceBeginMs: number
  descriptor: number | null = null
  /** Its place in the count while its memory is unknown. */
  stamp: number
  isLong = false
  readonly owner: FlowOwner
  readonly share: Share
  readonly weight: number
  readonly #all: Account

  constructor(all: Account, owner: FlowOwner, share: Share, weight: number) {
    this.#all = all
    this.sinceMs = all.now()
    this.sinceBeginMs = this.sinceMs
    this.owner = owner
    this.share = share
    this.weight = weight
    this.stamp = all.turns.enter(this.weight)
  }

  given(isLong: boolean): void {
    if (this.place === NOWHERE) return
    this.sinceMs = this.#all.now()
    this.isLong = isLong
    if (this.untakenPlace !== NOWHERE) return
    this.show()
    this.#all.untaken.add(this)
    this.#all.held.add(this.weight)
    this.share.held.add(this.weight)
    this.#all.noteMore()
  }

  taken(): void {
    if (this.place === NOWHERE) return
    this.sinceMs = this.#all.now()
    if (this.untakenPlace === NOWHERE) return
    this.release()
    if (this.isLong) this.stamp = this.#all.turns.enter(this.weight)
    this.#all.turns.goOn()
  }

  mayGive(): Promise<void> | null {
    const turn = this.#all.loopShare.take(PIECE_BYTES)
    // Meanwhile fetch holds what is to come.
    if (turn !== null) this.given(this.isLong)
    return turn
  }

  get ends(): ConnectionEnds | null {
    return this.owner.ends ?? null
  }

  isHolding(): boolean {
    return this.untakenPlace !== NOWHERE
  }

  show(): void {
    this.#all.turns.leave(this.stamp, this.weight)
    this.stamp = NO_STAMP
  }

  release(): void {
    if (this.untakenPlace === NOWHERE) return
    this.#all.untaken.remove(this)
    this.#all.held.remove(this.weight)
    this.share.held.remove(this.weight)
  }

  leave(): void {
    if (this.place === NOWHERE) return
    this.release()
    this.show()
    this.#all.passing.remove(this)
    this.#all.noteLeft(this.owner, this.share)
  }

  isOver(): boolean {
    return this.owner.isOver?.() === true
  }

  /** An application may be silent in its answer for as long as its upstream allows. */
  mayWait(): boolean {
    return this.owner.kind === 'answer' && this.untakenPlace === NOWHERE
  }

  cut(why: CutReason): void {
    const waitsFor = this.untakenPlace === NOWHERE ? 'source' : 'taker'
    this.#all.turns.noteCut(this.weight)
    this.leave()
    this.#all.onCut(this.owner, why)
    this.owner.cut(why, waitsFor)
  }
}

/**
 * An account of the bodies under way.
 *
 * Who does not read makes the process hold 2.5 MB for a body, which cannot be made less; so there are only so many for a
 * client, each has to go on, and all together have a budget. Where it is used up, the client that holds most of it makes room,
 * with the body that has waited longest for its taker: where each has one, that is the one of all. And while it is, requests take
 * turns (`turns.ts`).
 */
export function createFlows(tools: FlowsTools): Flows {
  const { deadlines, now, limits, onCut, onWait, reclaim } = tools
  const shares = createShares()
  const open = { answers: 0, uploads: 0 }
  const held = new Tally()
  const { passing, untaken } = emptyRosters()
  const turns = createTurns({
    beginBytes: HELD_BYTES,
    limitBytes: roomBytes,
    heldBytes: () => held.sum,
    countOf: shares.countOf,
    makeRoom: limitBytes => makeRoom(account, limitBytes),
    onWait,
    reclaim,
  })

  const lane = createFastLane<UnseenOwner>({
    deadlines,
    now,
    connections: tools.connections,
    limitBytes: () => unseenBytes(tools),
    stallMs: () => limits().stallMs,
    onCut(owner, why, waitsFor) {
      turns.noteCut(amountOf(Math.min(owner.length, HELD_BYTES)))
      onCut(owner, why)
      owner.cut(why, waitsFor)
    },
  })

  /** What bodies may hold that go piece by piece: all but what those may that go unseen. */
  function roomBytes(): number {
    return Math.max(0, limits().memoryBytes - lane.bytes)
  }

  const nonReaders = createNonReaders({
    deadlines,
    now,
    connections: tools.connections,
    *candidates() {
      yield* lane.members
      yield* passing.members
    },
    isShort: () => held.sum + lane.bytes > shortBytes(tools) || longTurns.isWaitedFor,
  })
  const lengths = createKnownLengths()
  const longTurns = createLongTurns({
    // Where no non-reading client can be found, honest clients need that memory: `stall_memory` bounds them.
    hasRoom: sent => held.sum + lane.bytes + (sent + 1) * HELD_BYTES <= shortBytes(tools) || !nonReaders.mayFind(),
    countOf: shares.countOf,
    onWait,
    // To make room, only clients that read nothing are cut.
    makeRoom: () => nonReaders.wake(),
  })

  /** A body is over, and its client has one less under way. */
  function noteLeft({ kind, client }: FlowOwner, share: Share): void {
    open[kind === 'answer' ? 'answers' : 'uploads']--
    shares.leave(share)
    turns.noteLess(client)
    longTurns.noteLess(client)
    turns.goOn()
    longTurns.goOn()
  }

  function noteMore(): void {
    makeRoom(account, roomBytes())
    nonReaders.wake()
  }

  const loopShare = createLoopShare(BYTES_A_TURN)
  const account: Account = { now, onCut, turns, loopShare, passing, untaken, held, noteMore, noteLeft }

  /**
   * Completely sent answers do not report that: they are checked before they keep their client from the next request.
   */
  function letGoOver(share: Share): void {
    lane.letGoOver()
    for (const one of passing.members.filter(each => each.share === share)) if (one.isOver()) one.leave()
  }

  const stalls = createStallSweep({ deadlines, now, stallMs: () => limits().stallMs, members: passing.members })

  return {
    open,
    get heldBytes() {
      return held.sum
    },
    turns,
    isEveryUnseen: tools.unseen === 'every',
    lengths: {
      matter: lengths.matter,
      get isAwaited() {
        return lengths.isAwaited
      },
      note(address, isLong) {
        lengths.note(address, isLong)
        if (!isLong && longTurns.isWaitedFor) longTurns.release(address)
      },
    },
    turnsOfLong: (address, inFlight) => (lengths.mayBeLong(address, inFlight) ? longTurns : null),
    begun(stamp) {
      turns.leave(stamp, HELD_BYTES)
      turns.goOn()
    },
    hasRoom: bytes => held.sum + bytes <= roomBytes(),
    admit(client) {
      const { maxOpen } = limits()
      if (maxOpen !== null) shares.admit(client, maxOpen, letGoOver)
    },
    enter(owner) {
      const weight = amountOf(Math.min(owner.length, HELD_BYTES))
      const share = shares.enter(owner.client)
      open[owner.kind === 'answer' ? 'answers' : 'uploads']++
      const one = new Passing(account, owner, share, weight)
      passing.add(one)
      stalls.wake()
      return one
    },
    close: lane.close,
    enterUnseen(owner) {
      const weight = amountOf(Math.min(owner.length, HELD_BYTES))
      if (!lane.hasRoom(weight)) return null
      const share = shares.enter(owner.client)
      open[owner.kind === 'answer' ? 'answers' : 'uploads']++
      const entry = lane.enter(owner, weight, () => noteLeft(owner, share))
      nonReaders.wake()
      return entry
    },
  }
}

/** What bodies may hold that go unseen. */
function unseenBytes({ unseen, connections, limits }: FlowsTools): number {
  if (unseen === 'every') return Number.POSITIVE_INFINITY
  if (unseen === 'none' || connections === null) return 0
  return Math.min(MOST_UNSEEN * HELD_BYTES, limits().memoryBytes / UNSEEN_PART)
}

/** From here on memory is short. */
function shortBytes({ limits }: Pick<FlowsTools, 'limits'>): number {
  return Math.min(SHORT_BYTES, (limits().memoryBytes * 3) / 4)
}

/** Cuts until no more than this is held. */
function makeRoom({ held, untaken }: Pick<Account, 'held' | 'untaken'>, limitBytes: number): void {
  while (held.sum > limitBytes) {
    let last: Passing | null = null
    for (const one of untaken.members) if (last === null || isBefore(one, last)) last = one
    if (last === null) return
    if (last.isOver()) last.leave()
    else last.cut('memory')
  }
}

/** Nobody is under way, and nothing is held. */
function emptyRosters(): Pick<Account, 'passing' | 'untaken'> {
  const passing = createRoster<Passing>(
    one => one.place,
    (one, place) => {
      one.place = place
    },
  )
  const untaken = createRoster<Passing>(
    one => one.untakenPlace,
    (one, place) => {
      one.untakenPlace = place
    },
  )
  return { passing, untaken }
}

/** Whether one makes room before another: it is of the client that holds more, or has waited for longer. */
function isBefore(
  one: { readonly share: Share; readonly sinceMs: number },
  other: { readonly share: Share; readonly sinceMs: number },
): boolean {
  const more = one.share.held.sum - other.share.held.sum
  return more > 0 || (more === 0 && one.sinceMs < other.sinceMs)
}

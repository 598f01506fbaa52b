import { describe, expect, test } from 'bun:test'
import type { ConnectionState } from '../../../src/base/connections.ts'
import { createFastLane, type UnseenBody } from '../../../src/proxy/body/fast-lane.ts'
import type { Waiting } from '../../../src/proxy/lifetime/deadlines.ts'
import { NOWHERE } from '../../../src/proxy/lifetime/roster.ts'

const STALL_MS = 60_000
const ENDS = { ownPort: 443, peer: '192.0.2.1', peerPort: 50_000 }
const TAKEN: ConnectionState = { ackedBytes: 0, hasUnsent: false, isWindowClosed: false, quietMs: 0, hasUnread: false }

const OWN = { upstreamPort: null, held: () => 0 }

/** A lane with one body, a clock that is moved by hand, and a kernel that says what a test wants. */
function laneOf(
  kind: 'answer' | 'upload',
  state: () => ConnectionState | null,
  { upstreamPort, held }: { readonly upstreamPort: number | null; held(): number } = OWN,
) {
  let nowMs = 1_000_000
  let due: Waiting | null = null
  const told: string[] = []
  const body = { isOver: false }
  let asked = 0
  const lane = createFastLane<UnseenBody>({
    deadlines: {
      add(waiting) {
        waiting.slot = 0
        due = waiting
      },
    },
    now: () => nowMs,
    connections: {
      async find(wanted) {
        return wanted.map(() => 7)
      },
      stateOf() {
        asked++
        return state()
      },
      async countHeldBack(port, ms) {
        expect([port, ms]).toEqual([8080, (STALL_MS * 3) / 4])
        return held()
      },
    },
    limitBytes: () => 10,
    stallMs: () => STALL_MS,
    onCut: (_owner, _why, waitsFor) => void told.push(waitsFor),
  })
  const entry = lane.enter(
    {
      kind,
      ends: ENDS,
      upstreamPort,
      isOver: () => body.isOver,
      onLeave: isOver => void told.push(isOver ? 'over' : 'ended'),
    },
    4,
    () => void told.push('left'),
  )
  return {
    lane,
    told,
    body,
    entry,
    get asked() {
      return asked
    },
    /** Lets so many seconds go by, with all that is due in each. */
    async after(seconds: number) {
      for (let second = 0; second < seconds; second++) {
        nowMs += 1000
        const expired = due
        due = null
        if (expired !== null) expired.slot = NOWHERE
        expired?.expire()
        await Bun.sleep(0)
      }
      return told
    },
    setBack(ms: number) {
      nowMs -= ms
    },
  }
}

test('what is in it holds its part of what all may, until it is over', async () => {
  const one = laneOf('answer', () => TAKEN)
  expect([one.lane.bytes, one.lane.hasRoom(6), one.lane.hasRoom(7)]).toEqual([4, true, false])
  one.body.isOver = true
  expect(await one.after(1)).toEqual(['left', 'over'])
  one.entry.leave()
  expect([one.lane.bytes, one.told.length]).toEqual([0, 2])
})

test('an answer that its client does not take is cut, and no later than a quarter of stall_timeout after it', async () => {
  const one = laneOf('answer', () => ({ ...TAKEN, ackedBytes: 5_000_000, hasUnsent: true }))
  expect(await one.after(60)).toEqual([])
  expect(await one.after(15)).toEqual(['left', 'taker'])
})

test('less than 64 KiB in stall_timeout is as good as nothing, and as much of it is enough', async () => {
  /** A client that takes so many bytes between two looks. */
  const taking = (bytes: number) => {
    let ackedBytes = 0
    return () => {
      ackedBytes += bytes
      return { ...TAKEN, ackedBytes, hasUnsent: true }
    }
  }
  const slow = laneOf('answer', taking(1000))
  expect(await slow.after(80)).toEqual(['left', 'taker'])
  const good = laneOf('answer', taking(64 * 1024))
  expect(await good.after(300)).toEqual([])
})

test('an answer whose application is silent is not cut, however long that lasts', async () => {
  expect(await laneOf('answer', () => TAKEN).after(300)).toEqual([])
})

describe('of several on one connection,', () => {
  const shared = (state: () => ConnectionState, held: number) =>
    laneOf('answer', state, { upstreamPort: 8080, held: () => held })

  test('one is cut where nothing is taken and its application is not read, or its client takes nothing at all', async () => {
    // The window of its stream is closed: nothing waits in the kernel.
    expect(await shared(() => TAKEN, 1).after(75)).toEqual(['left', 'taker'])
    expect(await shared(() => ({ ...TAKEN, hasUnsent: true }), 0).after(75)).toEqual(['left', 'taker'])
  })

  test('one is not cut whose application is silent, nor where anything is taken', async () => {
    expect(await shared(() => TAKEN, 0).after(300)).toEqual([])
    let ackedBytes = 0
    const taking = () => {
      ackedBytes += 64 * 1024
      return { ...TAKEN, ackedBytes }
    }
    expect(await shared(taking, 1).after(300)).toEqual([])
  })

  test('none is cut where two wait and one application is not read, until one of them is over', async () => {
    const one = shared(() => TAKEN, 1)
    const other = one.lane.enter(
      { kind: 'answer', ends: ENDS, upstreamPort: 8080, isOver: () => false, onLeave: () => undefined },
      4,
      () => void one.told.push('other left'),
    )
    expect(await one.after(300)).toEqual([])
    other.leave()
    expect(await one.after(20)).toEqual(['other left', 'left', 'taker'])
  })
})

test.each([
  [false, 'source'],
  [true, 'taker'],
] as const)(
  'an upload goes on while bytes come, and where unread bytes wait is %p, it waits for its %s',
  async (hasUnread, waitsFor) => {
    let quietMs = 100
    const one = laneOf('upload', () => ({ ...TAKEN, quietMs, hasUnread }))
    expect(await one.after(300)).toEqual([])
    quietMs = STALL_MS + 1
    expect(await one.after(90)).toEqual(['left', waitsFor])
  },
)

test('a connection that is not found is not cut, and asked about again', async () => {
  const one = laneOf('answer', () => null)
  expect(await one.after(200)).toEqual([])
  expect(one.asked).toBeGreaterThan(5)
})

test('the kernel is asked about each four times in stall_timeout at most, and never about short ones', async () => {
  const one = laneOf('answer', () => ({ ...TAKEN, ackedBytes: 1, hasUnsent: true }))
  await one.after(14)
  expect(one.asked).toBe(0)
  await one.after(46)
  expect(one.asked).toBeLessThanOrEqual(4)
})

test('a clock that was set back lets nobody wait for as long again', async () => {
  const one = laneOf('answer', () => ({ ...TAKEN, ackedBytes: 1, hasUnsent: true }))
  await one.after(1)
  one.setBack(10 * STALL_MS)
  expect(await one.after(80)).toEqual(['left', 'taker'])
})

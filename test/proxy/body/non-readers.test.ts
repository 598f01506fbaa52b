import { expect, test } from 'bun:test'
import type { ConnectionState } from '../../../src/base/connections.ts'
import { createLoopShare } from '../../../src/base/event-loop.ts'
import { createKnownLengths } from '../../../src/proxy/body/known-lengths.ts'
import { createLongTurns } from '../../../src/proxy/body/long-turns.ts'
import { createNonReaders, type Readable } from '../../../src/proxy/body/non-readers.ts'
import type { Waiting } from '../../../src/proxy/lifetime/deadlines.ts'
import { NOWHERE } from '../../../src/proxy/lifetime/roster.ts'

const OPEN: ConnectionState = { ackedBytes: 1, hasUnsent: true, isWindowClosed: false, quietMs: 0, hasUnread: false }
const CLOSED: ConnectionState = { ...OPEN, isWindowClosed: true }

/** Answers whose clients' connections are in these states, by the order in which they began; how many have to go. */
function cutOf(states: readonly (() => ConnectionState)[], mayStay: number) {
  let nowMs = 1_000_000
  let due: Waiting | null = null
  const cut: number[] = []
  const answers = states.map(
    (_, number): Readable => ({
      ends: { ownPort: 443, peer: '192.0.2.1', peerPort: 50_000 + number },
      descriptor: null,
      sinceBeginMs: number,
      isHolding: () => !cut.includes(number),
      cut: () => void cut.push(number),
    }),
  )
  const nonReaders = createNonReaders({
    deadlines: {
      add(waiting) {
        waiting.slot = 0
        due = waiting
      },
    },
    now: () => nowMs,
    connections: {
      find: async wanted => wanted.map(({ peerPort }) => peerPort - 50_000),
      stateOf: descriptor => states[descriptor]?.() ?? null,
      countHeldBack: async () => 0,
    },
    candidates: () => [...answers].reverse(),
    isShort: () => states.length - cut.length > mayStay,
  })
  nonReaders.wake()
  return {
    get isLooking() {
      return due !== null
    },
    mayFind: () => nonReaders.mayFind(),
    async after(ms: number) {
      for (let passed = 0; passed < ms; passed += 200) {
        nowMs += 200
        const expired = due
        due = null
        if (expired !== null) expired.slot = NOWHERE
        expired?.expire()
        await Bun.sleep(0)
      }
      return cut
    },
  }
}

test('while memory is short, clients whose window stays closed for a second are cut, the oldest first', async () => {
  const gate = cutOf([() => OPEN, () => CLOSED, () => CLOSED, () => OPEN, () => CLOSED], 3)
  expect(await gate.after(1000)).toEqual([])
  expect(await gate.after(400)).toEqual([1, 2])
  await gate.after(400)
  expect(gate.isLooking).toBe(false)
})

test('who takes a little now and then, or opens its window, is not', async () => {
  let acked = 0
  let count = 0
  const slow = () => ({ ...CLOSED, ackedBytes: ++acked })
  const atTimes = () => (++count % 4 === 0 ? OPEN : CLOSED)
  expect(await cutOf([slow, atTimes], 0).after(10_000)).toEqual([])
})

test('there is hope for somebody for some seconds after memory became short, and after each who was found', async () => {
  expect(cutOf([() => OPEN], 1).mayFind()).toBe(true)
  const readers = cutOf([() => OPEN, () => OPEN], 0)
  expect(readers.mayFind()).toBe(true)
  await readers.after(3000)
  expect(readers.mayFind()).toBe(false)
  const gate = cutOf([() => CLOSED, () => OPEN], 0)
  await gate.after(3000)
  expect(gate.mayFind()).toBe(true)
})

test('nobody is asked about while memory is not short', () => {
  expect(cutOf([() => CLOSED], 1).isLooking).toBe(false)
})

test('of what is done in a turn of the event loop so much is done at once, and the rest in order', async () => {
  const share = createLoopShare(100)
  const done: number[] = []
  for (const number of [1, 2, 3, 4, 5]) {
    const turn = share.take(50)
    if (turn === null) done.push(number)
    else void turn.then(() => done.push(number))
  }
  expect(done).toEqual([1, 2])
  await new Promise(resolve => setImmediate(resolve))
  await Bun.sleep(0)
  expect(done.slice(0, 4)).toEqual([1, 2, 3, 4])
  for (let turn = 0; turn < 5 && done.length < 5; turn++) await new Promise(resolve => setImmediate(resolve))
  expect(done).toEqual([1, 2, 3, 4, 5])
})

test('an address may be long where it was, or where several wait for its first answer', () => {
  const lengths = createKnownLengths()
  expect([lengths.matter(3), lengths.matter(100)]).toEqual([false, true])
  const first = Array.from({ length: 10 }, () => lengths.mayBeLong('a', 100))
  expect(first.filter(mayBe => mayBe)).toHaveLength(2)
  expect(lengths.mayBeLong('b', 100)).toBe(false)
  expect(lengths.isAwaited).toBe(true)
  lengths.note('a', false)
  expect(Array.from({ length: 10 }, () => lengths.mayBeLong('a', 100))).not.toContain(true)
  lengths.note('a', true)
  expect([lengths.mayBeLong('a', 0), lengths.matter(0)]).toEqual([true, true])
})

test('what is remembered of addresses is bounded, and the last ones are', () => {
  const lengths = createKnownLengths()
  for (let number = 0; number < 3000; number++) lengths.note(`${number}`, true)
  expect([lengths.mayBeLong('0', 0), lengths.mayBeLong('2999', 0)]).toEqual([false, true])
})

test('who may get a long answer is sent while there is room, then one after the other, and at once where it is short', () => {
  let room = 1
  let waits = 0
  const turns = createLongTurns({
    hasRoom: sent => sent < room,
    countOf: () => 0,
    onWait: () => waits++,
    makeRoom: () => undefined,
  })
  const gone: string[] = []
  const wait = (name: string, address: string, hasLeft = false) =>
    turns.wait(
      {
        client: '192.0.2.1',
        hasLeft: () => hasLeft,
        go: () => void gone.push(name),
        leave: () => void gone.push(`${name} left`),
      },
      address,
    )
  expect([turns.begin(), turns.begin()]).toEqual([true, false])
  wait('first', 'long')
  wait('small', 'short')
  wait('gone', 'short', true)
  const giveUp = wait('ended', 'long')
  wait('last', 'long')
  expect(turns.begin()).toBe(false)
  giveUp()
  turns.release('short')
  expect(gone).toEqual(['small', 'gone left'])
  turns.leave()
  turns.leave()
  expect(gone).toEqual(['small', 'gone left', 'first'])
  room = 5
  turns.goOn()
  expect([gone.at(-1), turns.isWaitedFor, waits]).toEqual(['last', false, 5])
})

import { expect, test } from 'bun:test'
import { createTurns, type TurnsTools } from '../../../src/proxy/body/turns.ts'

/** Turns of ten bytes each, in a hundred. */
function turnsOf(tools: Partial<TurnsTools> = {}) {
  return createTurns({
    beginBytes: 10,
    limitBytes: () => 100,
    heldBytes: () => 0,
    countOf: () => 0,
    makeRoom: () => undefined,
    onWait: () => undefined,
    reclaim: () => undefined,
    ...tools,
  })
}

type Turns = ReturnType<typeof turnsOf>

/** Waits, and resolves with the client once its turn has come. */
function waits(turns: Turns, client: string, hasLeft = false): Promise<string> {
  return new Promise((resolve, reject) => {
    turns.wait({
      client,
      hasLeft: () => hasLeft,
      go: () => resolve(client),
      leave: () => reject(new Error('it left')),
    })
  })
}

/** Sends as many as may be sent at once. */
function fill(turns: Turns): number[] {
  const stamps: number[] = []
  for (let stamp = turns.begin(); stamp !== null; stamp = turns.begin()) stamps.push(stamp)
  return stamps
}

test('requests are sent at once as long as there is room for what they may bring, beside what is held', () => {
  expect(fill(turnsOf()).length).toBe(10)
  expect(fill(turnsOf({ heldBytes: () => 65 })).length).toBe(3)
  expect(fill(turnsOf({ heldBytes: () => 95 })).length).toBe(0)
})

test('one that has begun gives its room to the next, and nobody passes those who wait', async () => {
  const turns = turnsOf()
  const [first = 0, second = 0] = fill(turns)
  const waiting = waits(turns, 'a')
  turns.leave(first, 10)
  expect(turns.begin()).toBeNull()
  turns.goOn()
  expect(await waiting).toBe('a')
  expect(turns.begin()).toBeNull()
  turns.leave(second, 10)
  expect(turns.begin()).not.toBeNull()
})

test('whoever has had nothing for a turn is idle: long polls keep nobody waiting', async () => {
  const turns = turnsOf()
  const [first = 0] = fill(turns)
  await Promise.all(Array.from({ length: 30 }, (_, count) => waits(turns, String(count))))
  const { bytes } = turns
  turns.leave(first, 10)
  expect(turns.bytes).toBe(bytes)
})

test('where nothing makes room, they go on one by one, and the client with least under way first', async () => {
  const order: string[] = []
  const turns = turnsOf({ heldBytes: () => 100, countOf: client => (client === 'greedy' ? 7 : 0) })
  await Promise.all(['greedy', 'greedy', 'modest', 'other'].map(async client => order.push(await waits(turns, client))))
  expect(order).toEqual(['modest', 'other', 'greedy', 'greedy'])
})

test('while some wait, what nobody takes makes room, down to three quarters', async () => {
  let held = 100
  const turns = turnsOf({
    heldBytes: () => held,
    makeRoom(limit) {
      held = Math.min(held, limit)
    },
  })
  expect(turns.begin()).toBeNull()
  await Promise.all([waits(turns, 'a'), waits(turns, 'b')])
  expect([held, turns.bytes]).toEqual([75, 20])
})

test('whoever has left while they waited is sent nowhere, nor is one that gave up', async () => {
  const turns = turnsOf({ heldBytes: () => 100 })
  const sent: string[] = []
  const giveUp = turns.wait({
    client: 'b',
    hasLeft: () => false,
    go: () => sent.push('b'),
    leave: () => sent.push('b left'),
  })
  const gone = waits(turns, 'a', true)
  giveUp()
  expect(await gone.catch(({ message }: Error) => message)).toBe('it left')
  await waits(turns, 'c')
  expect([sent, turns.bytes]).toEqual([[], 10])
})

test('whoever waits is looked at a few times, however many others wait', async () => {
  const most = 4000
  let looks = 0
  const order: number[] = []
  const turns = turnsOf({
    heldBytes: () => 0,
    countOf(client) {
      looks++
      return Number(client) % 7
    },
  })
  const stamps = fill(turns)
  for (let count = 0; count < most; count++) {
    const go = (stamp: number) => {
      order.push(count)
      stamps.push(stamp)
    }
    turns.wait({ client: String(count), hasLeft: () => false, go, leave: () => undefined })
  }
  for (let stamp = stamps.shift(); stamp !== undefined; stamp = stamps.shift()) {
    turns.leave(stamp, 10)
    turns.goOn()
  }
  expect(looks).toBeLessThan(10 * most)
  const wanted = Array.from({ length: most }, (_, count) => count).sort(
    (one, other) => (one % 7) - (other % 7) || one - other,
  )
  expect(order).toEqual(wanted)
})

test('a client that has more by its turn, or less, is where it belongs then', () => {
  const counts = new Map([
    ['a', 0],
    ['b', 1],
    ['c', 3],
  ])
  const order: string[] = []
  let held = 100
  const turns = turnsOf({ heldBytes: () => held, countOf: client => counts.get(client) ?? 0 })
  for (const client of ['a', 'b', 'c', 'a'])
    turns.wait({ client, hasLeft: () => false, go: () => order.push(client), leave: () => undefined })
  counts.set('a', 2)
  counts.set('c', 0)
  turns.noteLess('c')
  held = 0
  turns.goOn()
  expect(order).toEqual(['c', 'b', 'a', 'a'])
})

test('what cut bodies have left is given back once it is 50 MB, or a quarter of the limit', async () => {
  let reclaimed = 0
  const turns = turnsOf({ reclaim: () => reclaimed++, heldBytes: () => 100 })
  turns.noteCut(20)
  await waits(turns, 'a')
  expect(reclaimed).toBe(0)
  turns.noteCut(20)
  await waits(turns, 'b')
  expect(reclaimed).toBe(1)

  const large = turnsOf({ reclaim: () => reclaimed++, limitBytes: () => 6e9, heldBytes: () => 6e9 })
  large.noteCut(50e6)
  await waits(large, 'a')
  expect(reclaimed).toBe(1)
  large.noteCut(1)
  await waits(large, 'b')
  expect(reclaimed).toBe(2)
})

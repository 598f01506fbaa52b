import { expect, test } from 'bun:test'
import { toGateError } from '../../../src/base/errors.ts'
import { createSlots, type Leave, type Slots } from '../../../src/proxy/upstream/max-connections.ts'

const FOREVER_MS = 60_000

function slotsOf(maxConnections: number, queue: number, queueTimeoutMs = FOREVER_MS): Slots {
  return createSlots({ label: 'app', maxConnections, queue, queueTimeoutMs })
}

/** Enters without a client that leaves. */
function enter(slots: Slots, signal = new AbortController().signal): Promise<Leave> {
  return Promise.resolve(slots.enter(signal))
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'none'
  } catch (error) {
    return toGateError(error).code
  }
}

test('a place is there at once while there are any', () => {
  const slots = slotsOf(2, 0)
  expect(slots.enter(new AbortController().signal)).toBeFunction()
  expect(slots.enter(new AbortController().signal)).toBeFunction()
  expect(slots.taken).toBe(2)
})

test('those who wait come in the order in which they came', async () => {
  const slots = slotsOf(1, 2)
  const first = await enter(slots)
  const order: string[] = []
  const enterAs = async (name: string) => {
    const leave = await enter(slots)
    order.push(name)
    return leave
  }
  const second = enterAs('second')
  const third = enterAs('third')
  first()
  ;(await second)()
  ;(await third)()
  expect(order).toEqual(['second', 'third'])
  expect([slots.taken, slots.waiting]).toEqual([0, 0])
})

test('a place that is given back twice is one place', async () => {
  const slots = slotsOf(1, 1)
  const leave = await enter(slots)
  const next = enter(slots)
  leave()
  leave()
  await next
  expect(slots.taken).toBe(1)
  expect(await codeOf(() => Promise.race([enter(slots), Promise.reject(new Error('it waits'))]))).toBe('internal')
})

test('a full queue is upstream.busy at once', async () => {
  const slots = slotsOf(1, 0)
  await enter(slots)
  expect(await codeOf(() => slots.enter(new AbortController().signal))).toBe('upstream.busy')
})

test('a wait that takes too long is upstream.busy, and nobody waits any more', async () => {
  const slots = slotsOf(1, 1, 10)
  await enter(slots)
  expect(await codeOf(() => enter(slots))).toBe('upstream.busy')
  expect([slots.taken, slots.waiting]).toEqual([1, 0])
})

test('a client that has left takes no turn of those who wait', async () => {
  const slots = slotsOf(1, 1)
  await enter(slots)
  expect(await codeOf(() => slots.enter(AbortSignal.abort()))).toBe('upstream.busy')
  expect([slots.taken, slots.waiting]).toEqual([1, 0])
})

test('a client that leaves gives its turn up', async () => {
  const slots = slotsOf(1, 2)
  const first = await enter(slots)
  const leaving = new AbortController()
  const gone = codeOf(() => enter(slots, leaving.signal))
  const next = enter(slots)
  leaving.abort()
  expect(await gone).toBe('upstream.busy')
  first()
  ;(await next)()
  expect(slots.taken).toBe(0)
})

import { expect, test } from 'bun:test'
import type { Connections } from '../../../src/base/connections.ts'
import { createFlows, type FlowOwner, type FlowsTools, type UnseenOwner } from '../../../src/proxy/body/flows.ts'
import { openDeadlines } from '../../../src/proxy/lifetime/deadlines.ts'

/** A kernel that knows no connection. */
const CONNECTIONS: Connections = {
  find: async wanted => wanted.map(() => null),
  stateOf: () => null,
  countHeldBack: async () => 0,
}

function flowsOf(options: Partial<Pick<FlowsTools, 'connections' | 'unseen'>> = {}, memoryBytes = 10_000_000) {
  const deadlines = openDeadlines(() => 0)
  const flows = createFlows({
    deadlines,
    now: () => 0,
    limits: () => ({ maxOpen: null, stallMs: 60_000, memoryBytes }),
    onCut: () => undefined,
    connections: null,
    unseen: null,
    ...options,
    onWait: () => undefined,
    reclaim: () => undefined,
  })
  return { flows, [Symbol.dispose]: () => deadlines.close() }
}

const owner = (length: number): FlowOwner => ({
  kind: 'answer',
  route: 'r',
  client: '192.0.2.1',
  length,
  cut: () => undefined,
})

test('a body whose length is no number is not taken into account at all', () => {
  using made = flowsOf()
  const { flows } = made
  for (const length of [Number.NaN, -1]) expect(() => flows.enter(owner(length))).toThrow(TypeError)
  expect([flows.open.answers, flows.heldBytes, flows.hasRoom(10_000_000)]).toEqual([0, 0, true])
})

test('one of unknown length counts with the most that one may hold, until it is over', () => {
  using made = flowsOf()
  const { flows } = made
  const flow = flows.enter(owner(Number.POSITIVE_INFINITY))
  flow.given(false)
  expect([flows.open.answers, flows.heldBytes]).toEqual([1, 2_500_000])
  flow.leave()
  expect([flows.open.answers, flows.heldBytes]).toEqual([0, 0])
})

/** How many bodies of this length may go unseen at a time. */
function unseenOf({ flows }: ReturnType<typeof flowsOf>, length: number): number {
  const one: UnseenOwner = {
    ...owner(length),
    ends: null,
    upstreamPort: null,
    isOver: () => false,
    onLeave: () => undefined,
  }
  let count = 0
  while (count < 1000 && flows.enterUnseen(one) !== null) count++
  return count
}

test('of long bodies 32 go unseen at a time, of shorter ones more, and with little memory half of it', () => {
  const connections = CONNECTIONS
  for (const [memoryBytes, length, count] of [
    [1_000_000_000, Number.POSITIVE_INFINITY, 32],
    [1_000_000_000, 1_000_000, 80],
    [10_000_000, Number.POSITIVE_INFINITY, 2],
  ] as const) {
    using made = flowsOf({ connections }, memoryBytes)
    expect(unseenOf(made, length)).toBe(count)
  }
})

test('none does where the kernel tells nothing of connections', () => {
  using made = flowsOf({ connections: null }, 1_000_000_000)
  expect(unseenOf(made, Number.POSITIVE_INFINITY)).toBe(0)
})

test('what may go unseen is taken from what those may hold that do not, and counts for max_open', () => {
  using made = flowsOf({ connections: CONNECTIONS })
  const { flows } = made
  expect(flows.hasRoom(10_000_000)).toBe(true)
  const entry = flows.enterUnseen({
    ...owner(20_000_000),
    ends: null,
    upstreamPort: null,
    isOver: () => false,
    onLeave: () => undefined,
  })
  expect([flows.hasRoom(7_500_000), flows.hasRoom(7_500_001), flows.open.answers, flows.heldBytes]).toEqual([
    true,
    false,
    1,
    0,
  ])
  entry?.leave()
  expect([flows.hasRoom(10_000_000), flows.open.answers]).toEqual([true, 0])
})

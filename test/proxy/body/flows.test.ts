import { expect, test } from 'bun:test'
import { createFlows, type FlowOwner } from '../../../src/proxy/body/flows.ts'
import { openDeadlines } from '../../../src/proxy/lifetime/deadlines.ts'

function flowsOf() {
  const deadlines = openDeadlines(() => 0)
  const flows = createFlows({
    deadlines,
    now: () => 0,
    limits: () => ({ maxOpen: null, stallMs: 60_000, memoryBytes: 10_000_000 }),
    onCut: () => undefined,
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

test('one of unknown length holds as much as any may, until it is over', () => {
  using made = flowsOf()
  const { flows } = made
  const flow = flows.enter(owner(Number.POSITIVE_INFINITY))
  flow.given(false)
  expect([flows.open.answers, flows.heldBytes]).toEqual([1, 2_500_000])
  flow.leave()
  expect([flows.open.answers, flows.heldBytes]).toEqual([0, 0])
})

import { expect, test } from 'bun:test'
import { createRouteUses } from '../../../src/server/observe/route-use.ts'

test('of each route the last use counts, and how long its last requests took, the older the less', () => {
  const uses = createRouteUses()
  expect(uses.all()).toEqual([])
  uses.note('a', 1000, 1010)
  uses.note('a', 2000, 2030)
  uses.note('b', 3000, 2990)
  expect(uses.all()).toEqual([
    { route: 'a', lastMs: 2030, tookMs: 20, count: 2 },
    { route: 'b', lastMs: 2990, tookMs: 0, count: 1 },
  ])
  for (let at = 0; at < 200; at++) uses.note('a', 5000, 5500)
  expect(uses.all()[0]?.tookMs).toBeCloseTo(500, 0)
  uses.retain(['b', 'c'])
  expect(uses.all().map(({ route }) => route)).toEqual(['b'])
})

import { expect, test } from 'bun:test'
import { eachInSteps, finish, finishInTurns, type Steps } from '../../src/base/steps.ts'
import { createUpstreamPool } from '../../src/proxy/upstream/upstream.ts'
import { compileSnapshot, compileSteps } from '../../src/server/config/compile.ts'
import { fakeClock, quietPorts } from '../kit/clock.ts'
import { manyRoutes } from '../kit/many-routes.ts'

test('each value is made something of, so many to a step', () => {
  const sizes: number[] = []
  let made = 0
  const steps = eachInSteps([1, 2, 3, 4, 5, 6, 7], 3, value => {
    made++
    return value * 2
  })
  let step = steps.next()
  for (; step.done !== true; step = steps.next()) sizes.push(made)
  expect(sizes).toEqual([3, 6])
  expect(step.value).toEqual([2, 4, 6, 8, 10, 12, 14])
  expect(finish(eachInSteps([], 3, String))).toEqual([])
})

test('what is done in turns lets everything that waits have its own before each step', async () => {
  const order: string[] = []
  function* work(): Steps<string> {
    for (const step of ['one', 'two', 'three']) {
      order.push(step)
      yield
    }
    return 'done'
  }
  let turns = 0
  const tick = () => {
    if (++turns < 10) setImmediate(tick)
    order.push('turn')
  }
  setImmediate(tick)
  expect(await finishInTurns(work())).toBe('done')
  expect(order.slice(0, 6)).toEqual(['turn', 'one', 'turn', 'two', 'turn', 'three'])
})

test('routes are compiled at most 250 to a step, to what they are compiled to at once', () => {
  const { config, fingerprint } = manyRoutes(2000)
  const pool = createUpstreamPool({ ...quietPorts(fakeClock()), ask: () => Promise.reject(new Error('nobody asks')) })
  const steps = compileSteps(config, fingerprint, pool)
  let count = 1
  let step = steps.next()
  for (; step.done !== true; step = steps.next()) count++
  expect(count).toBeGreaterThanOrEqual(2000 / 250)
  const once = compileSnapshot(config, fingerprint, pool)
  expect(step.value.routes.map(route => route.config)).toEqual(once.routes.map(route => route.config))
  pool.close()
})

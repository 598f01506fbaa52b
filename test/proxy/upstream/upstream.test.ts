import { expect, test } from 'bun:test'
import { askBy } from '../../../src/base/http-client.ts'
import { createUpstreamPool } from '../../../src/proxy/upstream/upstream.ts'
import { accepts } from '../../config/checks.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { eventually } from '../../kit/gate.ts'

const MANY = 250

function manyChecked() {
  const routes = Array.from(
    { length: MANY },
    (_, index) => `
[[routes]]
host = "app${index}.example.com"
upstream = { to = ["http://127.0.0.1:9/${index}"], health = { path = "/up" } }
allow = "public"`,
  )
  return accepts(routes.join('\n')).routes.flatMap(({ upstream }) => upstream ?? [])
}

function countingPool() {
  const asked = new Set<string>()
  const ask = askBy(async address => {
    asked.add(address)
    return new Response()
  })
  return { asked, pool: createUpstreamPool({ ...quietPorts(fakeClock()), ask }) }
}

test('of many upstreams that come together, a hundred are checked at once and the others in turns', async () => {
  const { asked, pool } = countingPool()
  pool.retain(manyChecked().map(pool.upstream))
  expect(asked.size).toBe(100)
  await eventually(() => asked.size === MANY, 'all are checked')
  pool.close()
})

test('a check that has not begun does not begin once its upstream is gone', async () => {
  const { asked, pool } = countingPool()
  const [first, ...others] = manyChecked()
  if (first === undefined) throw new TypeError('there are many')
  pool.retain([first, ...others].map(pool.upstream))
  pool.retain([pool.upstream(first)])
  const { asked: askedOfOthers, pool: next } = countingPool()
  next.retain([first, ...others].map(next.upstream))
  await eventually(() => askedOfOthers.size === MANY, 'those that began later have all begun')
  expect(asked.size).toBe(100)
  pool.close()
  next.close()
})

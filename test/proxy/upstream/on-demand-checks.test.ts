import { expect, test } from 'bun:test'
import { askBy } from '../../../src/base/http-client.ts'
import { createUpstreamPool } from '../../../src/proxy/upstream/upstream.ts'
import { accepts } from '../../config/checks.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { eventually } from '../../kit/gate.ts'

const SLOW = `
[[routes]]
host = "app.example.com"
upstream = { to = ["http://127.0.0.1:9"], health = { path = "/up", interval = "1h" } }
allow = "public"`

test('while an upstream takes longer to answer than a look counts, it is not asked again', async () => {
  const clock = fakeClock()
  const waiting: (() => void)[] = []
  const ask = askBy(async () => {
    const { promise, resolve } = Promise.withResolvers<Response>()
    waiting.push(() => resolve(new Response()))
    return promise
  })
  const pool = createUpstreamPool({ ...quietPorts(clock), ask })
  const upstreams = accepts(SLOW).routes.flatMap(({ upstream }) => (upstream ? [pool.upstream(upstream)] : []))
  pool.retain(upstreams)
  const origin = upstreams[0]?.origins[0]
  // The first is the check of the upstream itself, whose turn comes again in an hour.
  await eventually(() => waiting.length === 1, 'checked once')

  for (let times = 0; times < 3; times++) {
    await pool.look()
    clock.advance(31_000)
  }
  expect(waiting.length).toBe(2)
  waiting[1]?.()
  await eventually(() => origin?.look?.isWell === true, 'the answer counts')
  expect(waiting.length).toBe(2)

  const next = pool.look()
  await eventually(() => waiting.length === 3, 'asked again once it has answered')
  waiting[2]?.()
  await next
  pool.close()
})

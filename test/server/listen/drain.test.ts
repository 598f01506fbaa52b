/** When a process that stops has said so to all who keep a connection. */
import { expect, test } from 'bun:test'
import { createDrain } from '../../../src/server/listen/drain.ts'

/** This process has no turn for so long. */
function holdUp(ms: number): void {
  for (const began = performance.now(); performance.now() - began < ms; ) Math.random()
}

test('a process that was held up itself for as long as it waits for clients reads first what they have sent', async () => {
  const drain = createDrain()
  const order: string[] = []
  const begun = drain.begin(100, 60_000).then(() => order.push('over'))
  holdUp(150)
  // What came meanwhile.
  setTimeout(() => {
    drain.mark(new Response())
    order.push('answered')
  }, 1)
  await begun
  expect(order).toEqual(['answered', 'over'])
})

test('clients that come again and again hold up a stop for no longer than its limit, and nothing is waited for where that is 0', async () => {
  const drain = createDrain()
  const answering = setInterval(() => drain.mark(new Response()), 1)
  const tookMs = await drain.begin(50, 200)
  clearInterval(answering)
  expect(tookMs).toBeGreaterThanOrEqual(200)
  expect(drain.isOn).toBe(true)
  expect(await createDrain().begin(0, 60_000)).toBe(0)
})

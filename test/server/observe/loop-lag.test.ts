import { expect, test } from 'bun:test'
import { createLoopLag, type LoopLag } from '../../../src/server/observe/loop-lag.ts'

async function countOf(lag: LoopLag, series: string): Promise<number | undefined> {
  const [family] = await lag.families()
  return family?.series.get(`sallyport_event_loop_lag_seconds_${series}`)
}

/** What timers are started while something is done, which then come only by hand. */
function timersDuring(act: () => void): readonly (() => void)[] {
  const real = globalThis.setTimeout
  const started: (() => void)[] = []
  const start = (act: () => void) => ({ unref: () => started.push(act) })
  Reflect.set(globalThis, 'setTimeout', start)
  try {
    act()
  } finally {
    globalThis.setTimeout = real
  }
  return started
}

test('a timer runs only while there is work', () => {
  const lag = createLoopLag(() => 0)
  const [first, ...others] = timersDuring(() => {
    for (let requests = 0; requests < 1000; requests++) lag.noteWork()
  })
  expect(others).toEqual([])
  const [second] = timersDuring(() => first?.())
  // Nothing has come since.
  expect([second === undefined, timersDuring(() => second?.())]).toEqual([false, []])
  expect(timersDuring(lag.noteWork)).toHaveLength(1)
  lag.close()
  expect(timersDuring(lag.noteWork)).toEqual([])
})

test('what holds the process up shows as lag', async () => {
  const lag = createLoopLag(() => performance.now())
  lag.noteWork()
  const untilMs = performance.now() + 400
  while (performance.now() < untilMs);
  await Bun.sleep(10)
  expect(await countOf(lag, 'sum')).toBeGreaterThan(0.25)
  lag.close()
})

test('each question is a look of its own', async () => {
  const lag = createLoopLag(() => performance.now())
  expect([await countOf(lag, 'count'), await countOf(lag, 'count')]).toEqual([1, 2])
  lag.close()
})

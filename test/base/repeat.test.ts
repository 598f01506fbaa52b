import { expect, test } from 'bun:test'
import { repeatEvery } from '../../src/base/repeat.ts'

/** Runs each of these once, in turn, and answers what the log was told. */
async function told(...works: readonly (() => unknown)[]): Promise<readonly string[]> {
  const lines: string[] = []
  const done = Promise.withResolvers<void>()
  let next = 0
  const timer = repeatEvery(1, {
    what: 'look',
    work() {
      const work = works[next++]
      if (work === undefined) return done.resolve()
      return work()
    },
    log: { warn: text => void lines.push(text) },
  })
  await done.promise
  clearInterval(timer)
  return lines
}

const works = () => {}
const fails = () => {
  throw new Error('away')
}

test('what fails for long is told once, and again only after it has worked', async () => {
  expect(await told(works, fails, fails, fails)).toEqual(['Could not look; it is tried again'])
  expect(await told(fails, works, () => Promise.reject(new Error('away')))).toHaveLength(2)
})

test('work that takes longer than its turn is not begun a second time', async () => {
  let running = 0
  let most = 0
  const slow = async () => {
    most = Math.max(most, ++running)
    await Bun.sleep(5)
    running--
  }
  await told(slow, slow, slow)
  expect(most).toBe(1)
})

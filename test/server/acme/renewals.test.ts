import { expect, test } from 'bun:test'
import { workWhenDue } from '../../../src/server/acme/renewals.ts'

/** What each turn of some work answers or throws, until there is none left; then the turns that were taken and what the log was told. */
async function turns(...answers: readonly (number | Error)[]) {
  const lines: string[] = []
  const done = Promise.withResolvers<void>()
  let taken = 0
  const sleeper = workWhenDue({
    what: 'look',
    leastMs: 1,
    async work() {
      const answer = answers[taken++]
      if (taken >= answers.length) done.resolve()
      if (answer instanceof Error) throw answer
      return answer ?? Number.POSITIVE_INFINITY
    },
    log: { warn: text => void lines.push(text) },
  })
  await done.promise
  await Bun.sleep(0)
  sleeper.close()
  return { taken, lines }
}

const away = new Error('away')

test('work begins by itself and is done again when it said; what fails is tried again, and told once', async () => {
  expect(await turns(0, 1, 0)).toEqual({ taken: 3, lines: [] })
  expect((await turns(0, away, away, away, 0)).lines).toEqual(['Could not look; it is tried again'])
  expect((await turns(away, 0, away, 0)).lines).toHaveLength(2)
})

test('work that is never due again sleeps until it is woken, and a wake in its midst is one more turn', async () => {
  const begun: number[] = []
  let finish = () => {}
  const sleeper = workWhenDue({
    what: 'look',
    leastMs: 1,
    async work() {
      begun.push(begun.length)
      await new Promise<void>(done => {
        finish = done
      })
      return Number.POSITIVE_INFINITY
    },
    log: { warn() {} },
  })
  const until = async (count: number) => {
    while (begun.length < count) await Bun.sleep(1)
  }
  await until(1)
  sleeper.wake()
  sleeper.wake()
  await Bun.sleep(5)
  expect(begun).toHaveLength(1)
  finish()
  await until(2)
  finish()
  await Bun.sleep(5)
  expect(begun).toHaveLength(2)
  sleeper.wake()
  await until(3)
  sleeper.close()
  sleeper.wake()
  finish()
  await Bun.sleep(5)
  expect(begun).toHaveLength(3)
})

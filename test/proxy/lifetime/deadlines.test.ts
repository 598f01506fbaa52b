import { expect, test } from 'bun:test'
import { openDeadlines, type Waiting } from '../../../src/proxy/lifetime/deadlines.ts'
import { NOWHERE } from '../../../src/proxy/lifetime/roster.ts'
import { fakeClock } from '../../kit/clock.ts'
import { eventually } from '../../kit/gate.ts'

test('those whose time is over expire once, those that left or have time do not', async () => {
  const clock = fakeClock()
  const deadlines = openDeadlines(clock.now)
  const expired: number[] = []
  const all = Array.from(
    { length: 50 },
    (_, index): Waiting => ({
      deadlineMs: clock.now() + (index % 2 === 0 ? 1000 : 100_000),
      slot: NOWHERE,
      expire: () => void expired.push(index),
    }),
  )
  for (const one of all) deadlines.add(one)
  for (const index of [0, 49, 7, 24]) {
    const one = all[index]
    if (one === undefined) throw new TypeError('no such entry')
    deadlines.remove(one)
    deadlines.remove(one)
  }
  clock.advance(5000)
  await eventually(() => expired.length >= 23, 'the even ones expire')
  await Bun.sleep(450)
  const even = all.map((_, index) => index).filter(index => index % 2 === 0 && index !== 0 && index !== 24)
  expect(expired.toSorted((left, right) => left - right)).toEqual(even)
  clock.advance(200_000)
  await eventually(() => expired.length === 46, 'the others expire in their time')
  deadlines.close()
})

test('a clock that is set back lets nobody wait for as long again', async () => {
  const clock = fakeClock()
  const deadlines = openDeadlines(clock.now)
  let isOver = false
  deadlines.add({
    deadlineMs: clock.now() + 2000,
    slot: NOWHERE,
    expire: () => {
      isOver = true
    },
  })
  clock.advance(-3_600_000)
  await Bun.sleep(450)
  expect(isOver).toBe(false)
  clock.advance(2001)
  await eventually(() => isOver, 'it expires in its time')
  deadlines.close()
})

test('what has come while this process was held up itself is in time', async () => {
  const deadlines = openDeadlines(Date.now)
  const over: string[] = []
  const [answered, silent] = ['answered', 'silent'].map(
    (name): Waiting => ({ deadlineMs: Date.now() + 300, slot: NOWHERE, expire: () => void over.push(name) }),
  )
  if (answered === undefined || silent === undefined) throw new TypeError('two')
  deadlines.add(answered)
  deadlines.add(silent)
  for (const began = performance.now(); performance.now() - began < 700; ) Math.random()
  // What came meanwhile.
  setTimeout(() => deadlines.remove(answered), 1)
  await eventually(() => over.length > 0, 'the other one expires')
  expect(over).toEqual(['silent'])
  deadlines.close()
})

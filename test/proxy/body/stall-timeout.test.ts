import { expect, test } from 'bun:test'
import { createStallSweep } from '../../../src/proxy/body/stall-timeout.ts'
import type { Waiting } from '../../../src/proxy/lifetime/deadlines.ts'
import { NOWHERE } from '../../../src/proxy/lifetime/roster.ts'

const STALL_MS = 30_000

/** A sweep over one body, with a clock and deadlines that are moved by hand. */
function watched(body: { mayWait?: boolean; isOver?: boolean } = {}) {
  let nowMs = 1_000_000
  let due: Waiting | null = null
  const told: string[] = []
  const members: {
    sinceMs: number
    mayWait(): boolean
    isOver(): boolean
    leave(): void
    cut(): void
  }[] = []
  const gone = (what: string) => {
    told.push(what)
    members.length = 0
  }
  members.push({
    sinceMs: nowMs,
    mayWait: () => body.mayWait === true,
    isOver: () => body.isOver === true,
    leave: () => gone('leave'),
    cut: () => gone('cut'),
  })
  const deadlines = {
    add(waiting: Waiting) {
      waiting.slot = 0
      due = waiting
    },
  }
  const sweep = createStallSweep({ deadlines, now: () => nowMs, stallMs: () => STALL_MS, members })
  sweep.wake()
  return {
    told,
    get isWatching() {
      return due !== null
    },
    after(ms: number) {
      nowMs += ms
      const expired = due
      due = null
      if (expired !== null) expired.slot = NOWHERE
      expired?.expire()
      return told
    },
  }
}

test('a body without progress is cut once that has lasted for too long, and the sweep rests with the last', () => {
  const body = watched()
  expect(body.after(STALL_MS)).toEqual([])
  expect(body.isWatching).toBe(true)
  expect(body.after(1)).toEqual(['cut'])
  expect(body.isWatching).toBe(false)
})

test('a body that may wait is left alone, and one that is over leaves without being cut', () => {
  expect(watched({ mayWait: true }).after(STALL_MS * 10)).toEqual([])
  expect(watched({ isOver: true }).after(1)).toEqual(['leave'])
})

test('a clock that was set back lets nobody wait for as long again', () => {
  const body = watched()
  body.after(-STALL_MS * 10)
  expect(body.after(STALL_MS + 1)).toEqual(['cut'])
})

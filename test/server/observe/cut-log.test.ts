import { expect, test } from 'bun:test'
import type { Facts } from '../../../src/base/errors.ts'
import type { Waiting } from '../../../src/proxy/lifetime/deadlines.ts'
import { createCutLog } from '../../../src/server/observe/cut-log.ts'

/** A log of cuts, whose pause ends when the test says so. */
function startLog() {
  const lines: Facts[] = []
  const waiting = new Set<Waiting>()
  const silent = () => undefined
  const log = { debug: silent, warn: silent, error: silent, info: (_: string, facts: Facts = {}) => lines.push(facts) }
  const deadlines = {
    add(one: Waiting) {
      one.slot = 0
      waiting.add(one)
    },
    remove(one: Waiting) {
      one.slot = -1
      waiting.delete(one)
    },
    close: silent,
  }
  return {
    lines,
    cuts: createCutLog(log, deadlines, () => 0),
    endPause() {
      for (const one of [...waiting]) {
        deadlines.remove(one)
        one.expire()
      }
      return waiting.size
    },
  }
}

test('the first answer that is cut is told of at once, with its client and its route', () => {
  const { cuts, lines } = startLog()
  cuts.note({ client: '192.0.2.1', route: 'app.example/' }, 'stalled')
  expect(lines).toEqual([{ count: 1, stalled: 1, memory: 0, clients: ['192.0.2.1'], routes: ['app.example/'] }])
})

test('a thousand after it are one line, that counts all and names a few', () => {
  const { cuts, lines, endPause } = startLog()
  for (let count = 0; count < 1001; count++) {
    cuts.note({ client: `192.0.2.${count % 200}`, route: 'app.example/' }, count % 2 === 0 ? 'memory' : 'stalled')
  }
  expect(lines.length).toBe(1)
  expect(endPause()).toBe(1)
  expect(lines.slice(1)).toEqual([
    {
      count: 1000,
      stalled: 500,
      memory: 500,
      clients: ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5', 'and others'],
      routes: ['app.example/'],
    },
  ])
})

test('a time without any ends the pause, and what is left at the end is told', () => {
  const { cuts, lines, endPause } = startLog()
  cuts.note({ client: '192.0.2.1', route: 'a' }, 'memory')
  expect(endPause()).toBe(0)
  cuts.note({ client: '192.0.2.2', route: 'b' }, 'memory')
  cuts.note({ client: '192.0.2.3', route: 'c' }, 'memory')
  cuts.close()
  expect(lines.map(({ clients }) => clients)).toEqual([['192.0.2.1'], ['192.0.2.2'], ['192.0.2.3']])
})

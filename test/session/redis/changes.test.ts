/** The stream of changes, where the server becomes another one. */

import { expect, test } from 'bun:test'
import { createChangeFeed } from '../../../src/session/redis/changes.ts'
import type { RedisLink } from '../../../src/session/redis/connection.ts'
import { createEndings, type Endings } from '../../../src/session/redis/repeat-after-failover.ts'

/** A stream with an update for each of these subjects, at 1-0, 2-0 and so on. */
const serverWith = (...subjects: readonly string[]) => serverFrom(1, ...subjects)

/** The same, from another number on. */
function serverFrom(first: number, ...subjects: readonly string[]): RedisLink['send'] {
  const rows = subjects.map((subject, index) => [`${first + index}-0`, ['updated', subject]] as const)
  return async (command, [, from = '']) => {
    if (command === 'XRANGE') return rows.filter(([id]) => id >= from)
    if (command === 'XREVRANGE') return rows.filter(([id]) => from === '+' || id <= from).slice(-1)
    throw new TypeError(`nobody asks for ${command}`)
  }
}

test('a failover while changes are read has what was lost read again, and nothing else', async () => {
  const told: string[] = []
  const feed = createChangeFeed({ prefix: '', count: 1, has: () => true }, createEndings({ now: () => 0 }), {
    onLost: () => told.push('lost'),
    onBehind: (_again, heardMs, keptMs) => told.push(`behind: ${heardMs}, ${keptMs}`),
  })
  const primary = serverWith('ada', 'bob')
  await feed.greet(serverWith('ada'))
  expect((await feed.since(primary)).updated).toEqual(['bob'])
  const replica = serverWith('ada')
  // The question goes to the server that is there once the new connection has been greeted.
  const across: RedisLink['send'] = async (...question) => {
    await feed.greet(replica)
    return replica(...question)
  }
  const { updated, isIncomplete = false } = await feed.since(across)
  expect([isIncomplete, updated.filter(id => id.endsWith('bob')).length, told]).toEqual([false, 2, ['behind: 2, 1']])
  expect(await feed.since(replica)).toEqual({ removed: [], updated: [] })
})

test('what a server that takes no writes yet could not be told has ended is told it once it takes them, and not again', async () => {
  let tries = 0
  const told: number[] = []
  const endings: Endings = {
    ...createEndings({ now: () => 0 }),
    async repeat() {
      if (++tries < 3) throw new Error('READONLY You can’t write against a read only replica.')
      return { number: 1, sinceMs: 0 }
    },
  }
  const feed = createChangeFeed({ prefix: '', count: 1, has: () => true }, endings, {
    onLost: () => undefined,
    onBehind: ({ number }) => told.push(number),
  })
  const server = serverWith('ada')
  await feed.greet(server)
  await feed.greet(server)
  for (let look = 0; look < 4; look++) {
    await feed.since(server)
    // It goes on beside the reading.
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  }
  expect([tries, told]).toEqual([3, [1]])
})

test('where too many changes came for all to be remembered, a failover that has lost some has everything read again', async () => {
  const told: string[] = []
  // So many places share what may be remembered that nothing is left for this one.
  const where = { prefix: '', count: Number.MAX_SAFE_INTEGER, has: () => true }
  const feed = createChangeFeed(where, createEndings({ now: () => 0 }), {
    onLost: () => told.push('lost'),
    onBehind: (_again, heardMs, keptMs) => told.push(`behind: ${heardMs}, ${keptMs}`),
  })
  await feed.greet(serverWith('ada'))
  expect((await feed.since(serverWith('ada', 'bob'))).updated).toEqual(['bob'])
  const replica = serverWith('ada')
  await feed.greet(replica)
  expect(await feed.since(replica)).toMatchObject({ isIncomplete: true })
  expect(told).toEqual(['behind: 2, 1'])
})

test('what was heard of a server counts no more once another had to be read from its newest change on', async () => {
  const told: string[] = []
  const feed = createChangeFeed({ prefix: '', count: 1, has: () => true }, createEndings({ now: () => 0 }), {
    onLost: () => told.push('lost'),
    onBehind: (_again, heardMs, keptMs) => told.push(`behind: ${heardMs}, ${keptMs}`),
  })
  await feed.greet(serverWith('ada'))
  expect((await feed.since(serverWith('ada', 'bob'))).updated).toEqual(['bob'])
  // It has nothing of the first: whatever it has said before 6-0 was read from it, and not heard.
  expect(await feed.since(serverFrom(5, 'cy', 'dan'))).toMatchObject({ isIncomplete: true })
  const replica = serverWith('ada')
  await feed.greet(replica)
  expect(await feed.since(replica)).toMatchObject({ isIncomplete: true })
  expect(told).toEqual(['lost', 'behind: 6, 1'])
})

test('a failover has what this process wrote read again, unless it has heard of it since', async () => {
  const feed = createChangeFeed({ prefix: '', count: 1, has: () => true }, createEndings({ now: () => 0 }), {
    onLost: () => undefined,
    onBehind: () => undefined,
  })
  const server = serverWith('ada', 'bob')
  await feed.greet(serverWith('ada'))
  feed.writing('bob')
  feed.writing('cy')
  expect((await feed.since(server)).updated).toEqual(['bob'])
  await feed.greet(server)
  const { updated } = await feed.since(server)
  expect([updated.some(id => id.endsWith('bob')), updated.filter(id => id.endsWith('cy')).length]).toEqual([false, 2])
})

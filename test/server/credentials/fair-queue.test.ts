import { expect, test } from 'bun:test'
import { createFairQueue, type Leave } from '../../../src/server/credentials/fair-queue.ts'

/** A queue with one place, which is taken; `order` has who was let in and who was refused. */
async function taken(waiting: number, waitMs = 60_000) {
  const queue = createFairQueue({ places: 1, waiting, waitMs })
  const first = await queue.enter(['first'])
  if (first === null) throw new Error('the first has a place at once')
  const order: string[] = []
  const enter = (name: string, ...groups: string[]) =>
    queue.enter(groups).then((leave: Leave | null) => {
      order.push(leave === null ? `no ${name}` : name)
      leave?.()
      leave?.()
    })
  return { queue, order, enter, first }
}

test('groups beside each other have their turns equally often, and so have the groups within', async () => {
  const { queue, order, enter, first } = await taken(100)
  const all = [
    ...['a1', 'a2', 'a3', 'a4'].map(name => enter(name, 'wide', 'a')),
    ...['b1', 'b2'].map(name => enter(name, 'wide', 'b')),
    enter('c1', 'else', 'c'),
    enter('d1', 'more', 'd'),
  ]
  expect(queue.waiting).toBe(8)
  first()
  first()
  await Promise.all(all)
  expect(order).toEqual(['a1', 'c1', 'd1', 'b1', 'a2', 'b2', 'a3', 'a4'])
  expect(queue.waiting).toBe(0)
  expect(await queue.enter(['again'])).not.toBeNull()
})

test('where the queue is full, the newest of the largest group makes room, and nobody who is alone', async () => {
  const { order, enter, first } = await taken(4)
  const all = [
    ...['a1', 'a2', 'a3', 'a4', 'a5'].map(name => enter(name, 'wide', 'a')),
    enter('b1', 'else', 'b'),
    enter('c1', 'more', 'c'),
    enter('d1', 'last', 'd'),
  ]
  await Bun.sleep(0)
  expect(order).toEqual(['no a5', 'no a4', 'no a3', 'no a2'])
  all.push(enter('e1', 'late', 'e'))
  await Bun.sleep(0)
  expect(order.at(-1)).toBe('no e1')
  first()
  await Promise.all(all)
  expect(order.slice(5)).toEqual(['a1', 'b1', 'c1', 'd1'])
})

test('who waits too long is refused, and leaves no gap', async () => {
  const { queue, order, enter, first } = await taken(4, 20)
  await Promise.all([enter('a1', 'wide', 'a'), enter('b1', 'else', 'b')])
  expect([order, queue.waiting]).toEqual([['no a1', 'no b1'], 0])
  const late = enter('c1', 'wide', 'c')
  first()
  await late
  expect(order.at(-1)).toBe('c1')
})

test('who waits is not late for a place that was given back while this process was held up itself', async () => {
  const { order, enter, first } = await taken(4, 200)
  const waiting = enter('a1', 'wide', 'a')
  // As the thread that checks a password: it ended meanwhile, and is heard afterwards.
  setTimeout(first, 201)
  Bun.sleepSync(300)
  await waiting
  expect(order).toEqual(['a1'])
})

import { expect, test } from 'bun:test'
import { fileAnswer } from '../../../src/portal/answer.ts'
import { ownBytes } from '../../../src/server/request/record.ts'

test('a text is counted, and none for HEAD', () => {
  expect(ownBytes(new Response('ünd'), 'GET')).toBe(4)
  expect(ownBytes(new Response('text'), 'HEAD')).toBe(0)
  expect(ownBytes(undefined, 'GET')).toBeNull()
})

test('an answer that is made while it is sent is made no faster than it is read', async () => {
  let made = 0
  async function* pieces() {
    for (; made < 50; made++) yield new Uint8Array(1)
  }
  const answer = fileAnswer({ bytes: pieces(), type: 'text/csv', name: 'a.csv', onBreak: () => undefined })
  expect(ownBytes(answer, 'GET')).toBeNull()
  for (let turn = 0; turn < 200; turn++) await new Promise(resolve => setImmediate(resolve))
  expect(made).toBeLessThan(3)
  expect((await answer.bytes()).length).toBe(50)
})

import { expect, test } from 'bun:test'
import { createSocket } from 'node:dgram'
import { lookBy } from '../../../../src/server/acme/dns/lookup.ts'

/** A name server that answers every question by one CNAME, whose labels may be anything; once they are there, by nothing. */
async function startAliases(labels: readonly string[]) {
  const socket = createSocket('udp4')
  const bytes = labels.map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]))
  const target = Buffer.concat([...bytes, Buffer.from([0])])
  socket.on('message', (message, { port, address }) => {
    let end = 12
    while (message[end] !== 0) end += (message[end] ?? 0) + 1
    const question = message.subarray(12, end + 5)
    const isThere = question.subarray(0, target.length).equals(target)
    const head = Buffer.from([0x84, 0, 0, 1, 0, isThere ? 0 : 1, 0, 0, 0, 0])
    const record = Buffer.from([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, target.length])
    const answer = isThere ? [] : [record, target]
    socket.send(Buffer.concat([message.subarray(0, 2), head, question, ...answer]), port, address)
  })
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  return {
    follow: async () =>
      (await lookBy([{ host: '127.0.0.1', port }], { resolve: async () => [] })).follow('_acme-challenge.a.example'),
    [Symbol.dispose]: () => socket.close(),
  }
}

test('an alias leads to the name that it says', async () => {
  using aliases = await startAliases(['_acme-challenge', 'a-b', 'example'])
  expect(await aliases.follow()).toBe('_acme-challenge.a-b.example')
})

test.each([
  ['an option of a program', ['-rf', 'example']],
  ['an option with a value', ['--config=x', 'example']],
  ['a blank', ['a b', 'example']],
  ['a line', ['a\nb', 'example']],
  ['a path', ['..', 'etc', 'example']],
  ['a slash', ['a/b', 'example']],
  ['a star', ['*', 'example']],
  ['a command', ['$(id)', 'example']],
  ['a byte', ['\xff', 'example']],
  ['the root', []],
  ['a name of one label', ['localhost']],
])('to no name: %s', async (_, labels) => {
  using aliases = await startAliases(labels)
  await expect(aliases.follow()).rejects.toMatchObject({ code: 'acme.dns' })
})

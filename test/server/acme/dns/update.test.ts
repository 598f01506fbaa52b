import { expect } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import type { DnsUpdate } from '../../../../src/config/keys/acme.ts'
import { encodeName, makeUpdate, parseReply } from '../../../../src/server/acme/dns/message.ts'
import { exchange, signMessage, writeByUpdate } from '../../../../src/server/acme/dns/update.ts'
import { needs } from '../../../kit/needs.ts'
import { type Bind, startBind } from '../../../kit/programs/bind.ts'

const { afterAll, beforeAll, test } = needs('named')

let bind: Bind
beforeAll(async () => {
  bind = await startBind()
})
afterAll(async () => await bind[Symbol.asyncDispose]())

const ports = {
  resolve: async () => ['127.0.0.1'],
  random: (count: number) => new Uint8Array(randomBytes(count)),
  now: () => Date.now(),
}
const writer = (other: Partial<DnsUpdate> = {}, now = ports.now) =>
  writeByUpdate({ ...bind.update, ...other }, { ...ports, now })

test('RFC 2136: a record is added beside others of its name, and it alone is taken away', async () => {
  const name = '_acme-challenge.both.example.com'
  await writer().present({ name, text: 'one' })
  await writer().present({ name, text: 'two' })
  expect([...(await bind.texts(name))].sort()).toEqual(['one', 'two'])
  await writer().cleanup({ name, text: 'one' })
  expect(await bind.texts(name)).toEqual(['two'])
  await writer().cleanup({ name, text: 'two' })
  // What is not there is taken away as well: a second try does no harm.
  await writer().cleanup({ name, text: 'two' })
  expect(await bind.texts(name)).toEqual([])
})

test('a server is found by its name, and the zone may be named', async () => {
  const server = { ...bind.update.server, host: 'ns1.example.com' }
  const name = '_acme-challenge.named.example.com'
  await writer({ server, zone: 'example.com' }).present({ name, text: 'here' })
  expect(await bind.texts(name)).toEqual(['here'])
})

const REFUSED = [
  ['a key that the server does not know', { keyName: 'stranger' }, 'key_name'],
  ['another key of the same name', { key: Buffer.alloc(32, 1).toString('base64') }, 'hmac-sha256'],
  ['a zone that the server does not have', { zone: 'example.edu' }, 'primary'],
  ['a zone that the key may not change', { zone: 'example.org' }, 'allow the key'],
] as const

test.each(REFUSED)('RFC 8945: %s is refused, and it is said how to mend it', async (_, other, hint) => {
  const name = other === REFUSED[3][1] ? '_acme-challenge.x.example.org' : '_acme-challenge.x.example.com'
  const refused = await writer(other)
    .present({ name, text: 'x' })
    .catch(error => error)
  expect(refused).toMatchObject({ code: 'acme.dns' })
  expect(refused.hint).toContain(hint)
  expect(`${refused.message}${refused.hint}`).not.toContain(bind.update.key)
})

test('RFC 8945 §5.2.3: a clock that is an hour off is told apart from a wrong key', async () => {
  const late = writer({}, () => Date.now() + 3_600_000)
  await expect(late.present({ name: '_acme-challenge.x.example.com', text: 'x' })).rejects.toMatchObject({
    code: 'acme.dns',
    hint: expect.stringContaining('clock'),
  })
})

test('nobody at the server is told, and so is one that speaks something else', async () => {
  const gone = writer({ server: { host: '127.0.0.1', port: 1 }, zone: 'example.com' })
  await expect(gone.present({ name: 'x.example.com', text: 'x' })).rejects.toMatchObject({ code: 'acme.dns' })
  const odd = createServer(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await new Promise<void>(ready => odd.listen(0, '127.0.0.1', () => ready()))
  const address = odd.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const talking = writer({ server: { host: '127.0.0.1', port }, zone: 'example.com' })
  await expect(talking.present({ name: 'x.example.com', text: 'x' })).rejects.toMatchObject({ code: 'acme.dns' })
  odd.close()
})

/** Somebody between us and the server, who may change what it answers. */
async function between(change: (answer: Buffer) => Buffer): Promise<{ readonly port: number; close(): void }> {
  const proxy = createServer(socket => {
    socket.once('data', async piece => {
      const answer = change(await exchange(bind.update.server, Buffer.from(piece).subarray(2)))
      const length = Buffer.alloc(2)
      length.writeUInt16BE(answer.length)
      socket.end(Buffer.concat([length, answer]))
    })
  })
  await new Promise<void>(ready => proxy.listen(0, '127.0.0.1', () => ready()))
  const address = proxy.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => void proxy.close(),
  }
}

const CHANGES: readonly (readonly [string, (answer: Buffer) => Buffer])[] = [
  [
    'is not signed',
    answer => {
      const at = parseReply(answer).signature?.at ?? 0
      const bare = Buffer.from(answer.subarray(0, at))
      bare.writeUInt16BE(0, 10)
      return bare
    },
  ],
  [
    'was changed on its way',
    answer => {
      const other = Buffer.from(answer)
      other.writeUInt8(other.readUInt8(3) ^ 0x40, 3)
      return other
    },
  ],
  ['is to another request', answer => Buffer.concat([Buffer.from([answer.readUInt8(0) ^ 1]), answer.subarray(1)])],
  ['is cut', answer => answer.subarray(0, answer.length - 3)],
  [
    'is another key’s',
    answer =>
      signMessage(parseAway(answer), { name: 'sallyport', secret: Buffer.alloc(32) }, (Date.now() / 1000) | 0).message,
  ],
]

function parseAway(answer: Buffer): Buffer {
  const bare = Buffer.from(answer.subarray(0, parseReply(answer).signature?.at ?? 0))
  bare.writeUInt16BE(0, 10)
  return bare
}

test.each(CHANGES)('an answer that %s is not believed', async (_, change) => {
  const middle = await between(change)
  const server = { host: '127.0.0.1', port: middle.port }
  const told = writer({ server, zone: 'example.com' }).present({ name: '_acme-challenge.m.example.com', text: 'm' })
  await expect(told).rejects.toMatchObject({ code: 'acme.dns' })
  middle.close()
})

test('an answer that is passed on as it is, is believed', async () => {
  const middle = await between(answer => answer)
  const server = { host: '127.0.0.1', port: middle.port }
  await writer({ server, zone: 'example.com' }).present({ name: '_acme-challenge.as-is.example.com', text: 'm' })
  expect(await bind.texts('_acme-challenge.as-is.example.com')).toEqual(['m'])
  middle.close()
})

test('RFC 1035 §3.1: names that cannot be are not sent, and a name that leads in a circle is not followed', () => {
  for (const name of ['', 'a..b', `${'a'.repeat(64)}.example`, `${'a.'.repeat(127)}example`]) {
    expect(() => encodeName(name)).toThrow(TypeError)
  }
  const message = makeUpdate(1, 'example.com', 'add', { name: 'x.example.com', text: 'x' })
  expect(parseReply(message)).toEqual({ id: 1, code: 0, signature: null })
  const circle = Buffer.concat([message.subarray(0, 12), Buffer.from([0xc0, 12, 0, 6, 0, 1])])
  expect(() => parseReply(circle)).toThrow(RangeError)
  for (let end = 0; end < message.length; end++) expect(() => parseReply(message.subarray(0, end))).toThrow(RangeError)
})

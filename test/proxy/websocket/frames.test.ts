import { heapStats } from 'bun:jsc'
import { expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { isWireCloseCode } from '../../../src/proxy/websocket/close-codes.ts'
import { FrameEncoder } from '../../../src/proxy/websocket/encoder.ts'
import { encodeClose, FrameReader, OPCODE } from '../../../src/proxy/websocket/frames.ts'
import { createOutbox } from '../../../src/proxy/websocket/upstream.ts'

/** What a reader tells of these bytes when they come in these pieces. */
function reads(bytes: Buffer, cuts: readonly number[], maxBytes = 1 << 20): unknown[] {
  const told: unknown[] = []
  const reader = new FrameReader(
    {
      text: message => told.push(message),
      binary: message => told.push(message.toString('hex')),
      ping: payload => told.push({ ping: payload.toString('hex') }),
      close: (code, reason) => told.push({ code, reason }),
    },
    { maxBytes, isCompressed: false },
  )
  const edges = [0, ...cuts.map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  for (let index = 1; index < edges.length; index++) {
    const fault = reader.read(Buffer.from(bytes.subarray(edges[index - 1], edges[index])))
    if (fault !== null) told.push(fault.closeCode)
  }
  return told
}

/** Takes the mask off a frame of ours, which makes it one that a server might send. */
function unmask(frame: Buffer): Buffer {
  const extended = [126, 127].indexOf((frame[1] ?? 0) & 0x7f)
  const maskAt = 2 + (extended === -1 ? 0 : extended === 0 ? 2 : 8)
  const mask = frame.subarray(maskAt, maskAt + 4)
  const head = Buffer.from(frame.subarray(0, maskAt))
  head[1] = (head[1] ?? 0) & 0x7f
  const body = Buffer.from(frame.subarray(maskAt + 4))
  for (let index = 0; index < body.length; index++) body[index] = (body[index] ?? 0) ^ (mask[index % 4] ?? 0)
  return Buffer.concat([head, body])
}

/** The same for short frames, one after the other. */
function unmaskAll(frames: Buffer): Buffer {
  const all: Buffer[] = []
  for (let at = 0; at < frames.length; ) {
    const end = at + 6 + ((frames[at + 1] ?? 0) & 0x7f)
    all.push(unmask(frames.subarray(at, end)))
    at = end
  }
  return Buffer.concat(all)
}

const encoder = new FrameEncoder(randomBytes)
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.integer({ min: 65_530, max: 65_541 }).map(length => new Uint8Array(length).fill(length)),
)

test('any message, masked by us and unmasked by the book, reads the same however it is cut into pieces', () => {
  fc.assert(
    fc.property(fc.array(payloads, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 12 }), (messages, cuts) => {
      const bytes = Buffer.concat(messages.map(payload => unmask(encoder.encode(OPCODE.binary, payload))))
      expect(reads(bytes, cuts)).toEqual(messages.map(payload => Buffer.from(payload).toString('hex')))
    }),
    { numRuns: 200 },
  )
})

test('a message of any length up to several of the words that are masked together is masked to its last byte', () => {
  for (let length = 0; length <= 100; length++) {
    const payload = randomBytes(length)
    expect(reads(unmask(encoder.encode(OPCODE.binary, payload)), [])).toEqual([payload.toString('hex')])
  }
})

test('no bytes at all make a reader throw, and what it tells does not depend on how they are cut', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.nat(), { maxLength: 6 }), (bytes, cuts) => {
      expect(reads(Buffer.from(bytes), cuts)).toEqual(reads(Buffer.from(bytes), []))
    }),
    { numRuns: 2000 },
  )
})

test('a flood of one-byte fragments costs no more than its bytes', () => {
  const fragments = Buffer.alloc(3 * 1_000_000)
  for (let at = 0; at < fragments.length; at += 3) fragments.set([at === 0 ? 0x02 : 0x00, 1, 0x61], at)
  const told: number[] = []
  const reader = new FrameReader(
    { text() {}, binary: message => void told.push(message.length), ping() {}, close() {} },
    { maxBytes: 1 << 24, isCompressed: false },
  )
  Bun.gc(true)
  const before = heapStats().objectCount
  for (let at = 0; at < fragments.length; at += 65_535) {
    expect(reader.read(fragments.subarray(at, at + 65_535))).toBeNull()
  }
  Bun.gc(true)
  // A list of what came would hold a million of them.
  expect(heapStats().objectCount - before).toBeLessThan(100_000)
  expect(reader.read(Buffer.from([0x80, 0]))).toBeNull()
  expect(told).toEqual([1_000_000])
})

test('RFC 6455 §5.5: a control frame may come inside a fragmented message that is nearly full', () => {
  const bytes = Buffer.concat([
    Buffer.from([0x01, 3]),
    Buffer.from('abc'),
    Buffer.from([0x89, 2, 1, 2, 0x80, 1]),
    Buffer.from('d'),
  ])
  expect(reads(bytes, [], 4)).toEqual([{ ping: '0102' }, 'abcd'])
})

test('a short message makes no view of its own, either way, and is whole whatever came before it', () => {
  const told = new Set<Buffer>()
  const texts: string[] = []
  const reader = new FrameReader(
    {
      text() {},
      binary(message) {
        told.add(message)
        texts.push(message.toString())
      },
      ping() {},
      close() {},
    },
    { maxBytes: 1 << 20, isCompressed: false },
  )
  const sent = new Set<Buffer>()
  const back: string[] = []
  const own = new FrameEncoder(randomBytes)
  const messages = ['one', 'two', 'longer', 'three', 'x'.repeat(1023), 'y'.repeat(1023)]
  for (const message of messages) {
    expect(reader.read(unmask(encoder.encode(OPCODE.binary, message)))).toBeNull()
    const frame = own.encode(OPCODE.binary, message)
    sent.add(frame)
    back.push(
      unmask(frame)
        .subarray(message.length < 126 ? 2 : 4)
        .toString(),
    )
  }
  expect([texts, back]).toEqual([messages, messages])
  // Of 3, 6, 5 and 1 023 bytes.
  expect([told.size, sent.size]).toEqual([4, 4])
  // What waits for the kernel keeps its memory.
  const waiting = own.encode(OPCODE.binary, 'waiting')
  const before = Buffer.from(waiting)
  own.keep()
  own.encode(OPCODE.binary, 'another')
  expect(waiting).toEqual(before)
})

test('nothing is told after a Close', () => {
  const close = [0x88, 2, 0x03, 0xe8]
  expect(reads(Buffer.from([...close, 0x81, 1, 0x61, ...close]), [])).toEqual([{ code: 1000, reason: '' }])
})

test('a close reason is cut to 123 bytes, and never inside a character', () => {
  const payload = Buffer.from(encodeClose(1011, `${'a'.repeat(122)}ü`))
  expect(payload.readUInt16BE(0)).toBe(1011)
  expect(payload.toString('utf8', 2)).toBe('a'.repeat(122))
})

test('RFC 6455 §7.4: exactly the codes that may be sent may be sent', () => {
  const allowed = Array.from({ length: 70_000 }, (_, code) => code).filter(isWireCloseCode)
  expect(allowed).toEqual([
    1000,
    1001,
    1002,
    1003,
    1007,
    1008,
    1009,
    1010,
    1011,
    1012,
    1013,
    1014,
    ...Array.from({ length: 2000 }, (_, index) => 3000 + index),
  ])
})

test('of one turn, each connection has its first frame sent at once and the others together, whatever becomes of another', async () => {
  const written: string[] = []
  const fails: string[] = []
  const full: string[] = []
  const open = (name: string) => {
    const socket = new Socket()
    let calls = 0
    socket.on('error', () => fails.push(name))
    socket.write = (bytes: string | Uint8Array) => {
      if (name === 'broken' && calls++ > 0) throw new Error('it cannot be written to')
      written.push(`${name} ${reads(unmaskAll(Buffer.from(bytes)), []).join()}`)
      return name !== 'slow'
    }
    return createOutbox(socket, encoder, () => full.push(name))
  }
  const outboxes = ['broken', 'slow', 'one'].map(open)
  for (const text of ['a', 'b', 'c']) for (const outbox of outboxes) outbox.write(OPCODE.text, text)
  expect(written).toEqual(['broken a', 'slow a', 'one a'])
  expect(outboxes.map(({ waitingBytes }) => waitingBytes)).toEqual([14, 14, 14])
  await turn()
  expect(written.slice(3)).toEqual(['slow b,c', 'one b,c'])
  expect(full).toEqual(['slow'])
  await turn()
  expect(fails).toEqual(['broken'])
  outboxes[2]?.write(OPCODE.text, 'd')
  expect(written.at(-1)).toBe('one d')
})

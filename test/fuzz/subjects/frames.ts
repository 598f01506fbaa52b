import { isDeepStrictEqual } from 'node:util'
import { inflateRawSync } from 'node:zlib'
import { FrameReader } from '../../../src/proxy/websocket/frames.ts'
import { frameBytes } from '../../kit/wire/websocket.ts'
import { hold, type Subject } from '../subject.ts'

/** How long a message may be, so that a short input can be too long. */
const MAX_BYTES = 300

/** What a peer's bytes come to: what is told in turn, and a fault at the end. */
type Told = readonly [kind: string, ...rest: readonly (string | number | boolean)[]]

/** The program's reader, given bytes in pieces of these sizes in turn. */
function read(bytes: Buffer, isCompressed: boolean, sizes: readonly number[]): readonly Told[] {
  const told: Told[] = []
  const reader = new FrameReader(
    {
      text: (message, was) => void told.push(['text', message, was]),
      binary: (message, was) => void told.push(['binary', message.toString('latin1'), was]),
      ping: payload => void told.push(['ping', payload.toString('latin1')]),
      close: (code, reason) => void told.push(['close', code, reason]),
    },
    { maxBytes: MAX_BYTES, isCompressed },
  )
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? bytes.length
    const fault = reader.read(bytes.subarray(at, at + size))
    if (fault !== null) told.push(['fault', fault.closeCode])
    at += size
  }
  return told
}

/** RFC 6455 §5 and RFC 7692 §7.2.2 once more: all bytes are there, and nothing is kept in between. */
function readPlainly(bytes: Buffer, isCompressed: boolean): readonly Told[] {
  const told: Told[] = []
  let message: { opcode: number; parts: Buffer[]; isCompressed: boolean } | null = null
  for (let at = 0; bytes.length - at >= 2; ) {
    const [first, second] = [bytes.readUInt8(at), bytes.readUInt8(at + 1)]
    const [isFinal, opcode, isControl] = [first >= 128, first % 16, first % 16 >= 8]
    const reserved = (first >> 4) & 7
    const isStart = opcode === 1 || opcode === 2
    if (reserved !== 0 && !(reserved === 4 && isCompressed && isStart)) return [...told, ['fault', 1002]]
    if (second >= 128) return [...told, ['fault', 1002]]
    if (isControl && (!isFinal || second > 125)) return [...told, ['fault', 1002]]
    const extended = second === 127 ? 8 : second === 126 ? 2 : 0
    if (bytes.length - at < 2 + extended) return told
    const length =
      extended === 8 ? bytes.readBigUInt64BE(at + 2) : BigInt(extended === 2 ? bytes.readUInt16BE(at + 2) : second)
    const before: number = message?.parts.reduce((sum, part) => sum + part.length, 0) ?? 0
    if (!isControl && length + BigInt(before) > MAX_BYTES) return [...told, ['fault', 1009]]
    const start = at + 2 + extended
    if (BigInt(bytes.length - start) < length) return told
    const payload = bytes.subarray(start, start + Number(length))
    at = start + payload.length
    if (isControl) {
      if (opcode === 9) told.push(['ping', payload.toString('latin1')])
      if (opcode === 9 || opcode === 10) continue
      return [...told, opcode === 8 ? closeOf(payload) : ['fault', 1002]]
    }
    if (opcode > 2 || (opcode === 0) === (message === null)) return [...told, ['fault', 1002]]
    message ??= { opcode, parts: [], isCompressed: reserved === 4 }
    message.parts.push(payload)
    if (!isFinal) continue
    const whole = messageOf(message)
    message = null
    told.push(whole)
    if (whole[0] === 'fault') return told
  }
  return told
}

function closeOf(payload: Buffer): Told {
  if (payload.length === 0) return ['close', 1005, '']
  if (payload.length === 1) return ['fault', 1002]
  const code = payload.readUInt16BE(0)
  const isSent = [1000, 1001, 1002, 1003, ...[7, 8, 9, 10, 11, 12, 13, 14].map(last => 1000 + last)].includes(code)
  if (!isSent && (code < 3000 || code > 4999)) return ['fault', 1002]
  const reason = utf8(payload.subarray(2))
  return reason === null ? ['fault', 1007] : ['close', code, reason]
}

function messageOf({ opcode, parts, isCompressed }: { opcode: number; parts: Buffer[]; isCompressed: boolean }): Told {
  let bytes = Buffer.concat(parts)
  if (isCompressed) {
    try {
      bytes = inflateRawSync(Buffer.concat([bytes, Buffer.of(0, 0, 255, 255)]), {
        finishFlush: 2,
        maxOutputLength: MAX_BYTES,
      })
    } catch (thrown) {
      const isLong = thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_BUFFER_TOO_LARGE'
      return ['fault', isLong ? 1009 : 1007]
    }
  }
  if (opcode === 2) return ['binary', bytes.toString('latin1'), isCompressed]
  const text = utf8(bytes)
  return text === null ? ['fault', 1007] : ['text', text, isCompressed]
}

function utf8(bytes: Buffer): string | null {
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : null
}

const frame = (opcode: number, text: string, isFinal = true, reserved = 0): Buffer =>
  frameBytes({ opcode, payload: Buffer.from(text, 'latin1'), isFinal, reserved }, null)

/** What an upstream sends after its handshake; the first byte says whether it may compress, and how its bytes come. */
export const frames: Subject = {
  name: 'frames',
  seeds: [
    Buffer.concat([Buffer.of(0), frame(1, 'hello'), frame(9, 'x'), frame(8, '\x03\xe8bye')]),
    Buffer.concat([Buffer.of(1), frame(1, 'a', false), frame(9, ''), frame(0, 'b', false), frame(0, '\xc3\xbc')]),
    Buffer.concat([Buffer.of(2), frame(2, 'x'.repeat(200)), frame(10, '')]),
    Buffer.concat([Buffer.of(3), frame(1, '\xf2H\xcd\xc9\xc9\x07\x00', true, 4), frame(8, '')]),
    Buffer.concat([Buffer.of(5), frame(1, '\xaa\x06\x00', false, 4), frame(0, '')]),
    Buffer.concat([Buffer.of(1), frame(2, 'x'.repeat(301))]),
  ],
  words: [
    ...[
      '\x81\x00',
      '\x01\x00',
      '\x80\x00',
      '\x00\x00',
      '\x89\x00',
      '\x8a\x00',
      '\x88\x00',
      '\xc1\x01\x00',
      '\x88\x02\x03\xe8',
    ],
    ...[
      '\x82\x7e\x00\x05',
      '\x82\x7f\0\0\0\0\0\0\0\x05',
      '\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff',
      '\xff',
      '\xed\xa0\x80',
      '\xf4\x90\x80\x80',
    ],
  ],
  maxBytes: 500,
  open: () => ({
    attempt(input) {
      const isCompressed = ((input[0] ?? 0) & 1) === 1
      const bytes = Buffer.from(input.subarray(1))
      const plain = readPlainly(bytes, isCompressed)
      for (const sizes of [[bytes.length || 1], [1], [1 + ((input[0] ?? 0) >> 4), 2, 7]]) {
        const told = read(bytes, isCompressed, sizes)
        hold(isDeepStrictEqual(told, plain), 'two readers are told the same', told, plain, sizes)
      }
      return `${isCompressed} ${plain.slice(0, 4).map(([kind, what, was]) => `${kind}${kind === 'fault' ? what : was === true}`)}`
    },
  }),
}

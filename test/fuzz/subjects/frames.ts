import { isDeepStrictEqual } from 'node:util'
import { FrameReader } from '../../../src/proxy/websocket/frames.ts'
import { frameBytes } from '../../kit/wire/websocket.ts'
import { hold, type Subject } from '../subject.ts'
import { readFramesPlainly, type Told } from '../websocket.ts'

/** How long a message may be, so that a short input can be too long. */
const MAX_BYTES = 300

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
      const { told: plain } = readFramesPlainly(bytes, { isCompressed, isMasked: false, maxBytes: MAX_BYTES })
      for (const sizes of [[bytes.length || 1], [1], [1 + ((input[0] ?? 0) >> 4), 2, 7]]) {
        const told = read(bytes, isCompressed, sizes)
        hold(isDeepStrictEqual(told, plain), 'two readers are told the same', told, plain, sizes)
      }
      return `${isCompressed} ${plain.slice(0, 4).map(([kind, what, was]) => `${kind}${kind === 'fault' ? what : was === true}`)}`
    },
  }),
}

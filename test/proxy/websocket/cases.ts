/** A frame to be sent, as the scripted side writes it; the mask is the sender's affair. */
interface ScriptFrame {
  readonly opcode: number
  readonly payload: Buffer
  readonly isFinal: boolean
  /** The three reserved bits, 0 to 7. */
  readonly reserved: number
}

/** One conversation in which one side says exactly this, and the other echoes what arrives. */
export interface Case {
  readonly name: string
  readonly frames: readonly ScriptFrame[]
  /** The messages that the other side gets; none of a broken one. */
  readonly arrives: readonly (string | Buffer)[]
  /** Payloads of the pongs that come back, in order. */
  readonly pongs: readonly Buffer[]
  /**
   * The code with which the scripted side is closed. Where it is `stays`, the connection is as good as before, and is closed
   * in the ordinary way.
   */
  readonly ends: number | 'stays'
  /** With which code and reason the other side is closed, where that is the scripted side's own doing. */
  readonly passesOn?: { readonly code: number; readonly reason: string }
}

export const NO_STATUS = 1005

interface Expected {
  readonly arrives?: readonly (string | Buffer)[]
  readonly pongs?: readonly (string | Buffer)[]
  readonly ends?: Case['ends']
  readonly passesOn?: { readonly code: number; readonly reason: string }
}

const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10]

function frame(opcode: number, payload: string | Uint8Array = '', more: Partial<ScriptFrame> = {}): ScriptFrame {
  return { opcode, payload: Buffer.from(payload), isFinal: true, reserved: 0, ...more }
}

const text = (payload: string | Uint8Array = '', more?: Partial<ScriptFrame>) => frame(TEXT, payload, more)
const binary = (payload: string | Uint8Array = '') => frame(BINARY, payload)
const ping = (payload: string | Uint8Array = '', more?: Partial<ScriptFrame>) => frame(PING, payload, more)
const first = (payload: string | Uint8Array) => frame(TEXT, payload, { isFinal: false })
const middle = (payload: string | Uint8Array) => frame(CONTINUATION, payload, { isFinal: false })
const last = (payload: string | Uint8Array) => frame(CONTINUATION, payload)

function close(code: number | null, reason: string | Uint8Array = ''): ScriptFrame {
  if (code === null) return frame(CLOSE)
  return frame(CLOSE, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]))
}

function made(name: string, frames: readonly ScriptFrame[], expected: Expected = {}): Case {
  const { arrives = [], pongs = [], ends = 'stays', passesOn } = expected
  const base: Case = { name, frames, arrives, pongs: pongs.map(payload => Buffer.from(payload)), ends }
  return passesOn === undefined ? base : { ...base, passesOn }
}

const LENGTHS = [0, 1, 125, 126, 127, 128, 65_535, 65_536]

const framing: Case[] = LENGTHS.flatMap(length => [
  made(`text of ${length} bytes`, [text('*'.repeat(length))], { arrives: ['*'.repeat(length)] }),
  made(`binary of ${length} bytes`, [binary(Buffer.alloc(length, 0xfe))], { arrives: [Buffer.alloc(length, 0xfe)] }),
])

const pings: Case[] = [
  ...[0, 1, 64, 125].map(length =>
    made(`a ping of ${length} bytes`, [ping(Buffer.alloc(length, 0xfe))], { pongs: [Buffer.alloc(length, 0xfe)] }),
  ),
  made('a ping of 126 bytes', [ping(Buffer.alloc(126))], { ends: 1002 }),
  made('a pong that nobody asked for', [frame(PONG, 'unasked'), text('after')], { arrives: ['after'] }),
  made('a pong that nobody asked for, then a ping', [frame(PONG, 'unasked'), ping('asked')], { pongs: ['asked'] }),
  made(
    'ten pings',
    Array.from({ length: 10 }, (_, index) => ping(`beat ${index}`)),
    { pongs: Array.from({ length: 10 }, (_, index) => `beat ${index}`) },
  ),
  made('a ping inside a fragmented message', [first('be'), ping('beat'), last('fore')], {
    arrives: ['before'],
    pongs: ['beat'],
  }),
  made('a fragmented ping', [ping('', { isFinal: false }), last('')], { ends: 1002 }),
  made('a fragmented pong', [frame(PONG, '', { isFinal: false }), last('')], { ends: 1002 }),
]

const reservedBits: Case[] = [1, 2, 3, 4, 5, 6, 7].flatMap(reserved => [
  made(`reserved bits ${reserved} in a text`, [text('x', { reserved })], { ends: 1002 }),
  made(`reserved bits ${reserved} in a ping`, [ping('x', { reserved })], { ends: 1002 }),
  made(`reserved bits ${reserved} in a continuation`, [first('x'), frame(CONTINUATION, 'y', { reserved })], {
    ends: 1002,
  }),
])

const opcodes: Case[] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap(opcode => [
  made(`opcode ${opcode}`, [frame(opcode)], { ends: 1002 }),
  made(`opcode ${opcode} with a payload`, [frame(opcode, 'reserved')], { ends: 1002 }),
])

const fragments: Case[] = [
  made('a text in two fragments', [first('one'), last('two')], { arrives: ['onetwo'] }),
  made('a text in three fragments', [first('one'), middle('two'), last('three')], { arrives: ['onetwothree'] }),
  made('fragments without a byte', [first(''), middle(''), last('')], { arrives: [''] }),
  made('fragments of which the middle one has bytes', [first(''), middle('x'), last('')], { arrives: ['x'] }),
  made('a binary in fragments', [frame(BINARY, 'one', { isFinal: false }), last('two')], {
    arrives: [Buffer.from('onetwo')],
  }),
  made('pings between all fragments', [first('a'), ping('1'), middle('b'), ping('2'), last('c')], {
    arrives: ['abc'],
    pongs: ['1', '2'],
  }),
  made('a continuation of nothing', [last('x')], { ends: 1002 }),
  made('a continuation of nothing that goes on', [middle('x'), last('y')], { ends: 1002 }),
  made('a continuation after a whole message', [text('whole'), last('x')], { arrives: ['whole'], ends: 1002 }),
  made('a text inside a fragmented text', [first('x'), text('y')], { ends: 1002 }),
  made('a binary inside a fragmented text', [first('x'), binary('y')], { ends: 1002 }),
  made('a fragmented text inside a fragmented text', [first('x'), first('y')], { ends: 1002 }),
  made('two fragmented messages, one after the other', [first('a'), last('b'), first('c'), last('d')], {
    arrives: ['ab', 'cd'],
  }),
]

/** By name: bytes that are UTF-8. RFC 3629, and the edges of each length. */
const VALID: readonly (readonly [string, string])[] = [
  ['all lengths of characters', 'a é € 𝄞 κόσμε'],
  ['a byte order mark', '\ufeffmark'],
  ['the first and last of one byte', '\u0000\u007f'],
  ['the first and last of two bytes', '\u0080\u07ff'],
  ['the first and last of three bytes', '\u0800\uffff'],
  ['the first and last of four bytes', '\u{10000}\u{10ffff}'],
  ['around the surrogates', '\ud7ff\ue000'],
  ['what is no character but may be written', '\ufffe\u{1fffe}\u{1ffff}\u{8fffe}\u{10fffe}'],
  ['the replacement character', '\ufffd'],
]

/** By name: bytes, in hexadecimal, that are not. */
const INVALID: readonly (readonly [string, string])[] = [
  ['a continuation byte alone', '80'],
  ['the last continuation byte alone', 'bf'],
  ['six continuation bytes', '80bf80bf80bf'],
  ['the start of two bytes and a space', 'c320'],
  ['the start of three bytes and a space', 'e220'],
  ['the start of four bytes and a space', 'f020'],
  ['two bytes without the last', 'df'],
  ['three bytes without the last', 'efbf'],
  ['four bytes without the last', 'f7bfbf'],
  ['five bytes', 'f888808080'],
  ['six bytes', 'fc8480808080'],
  ['a byte that never occurs', 'fe'],
  ['another byte that never occurs', 'ff'],
  ['a slash in two bytes', 'c0af'],
  ['a slash in three bytes', 'e080af'],
  ['a slash in four bytes', 'f08080af'],
  ['zero in two bytes', 'c080'],
  ['the longest that is too long in two bytes', 'c1bf'],
  ['the longest that is too long in three bytes', 'e09fbf'],
  ['the longest that is too long in four bytes', 'f08fbfbf'],
  ['the first high surrogate', 'eda080'],
  ['the last high surrogate', 'edafbf'],
  ['the first low surrogate', 'edb080'],
  ['the last low surrogate', 'edbfbf'],
  ['a pair of surrogates', 'eda080edb080'],
  ['beyond the last character', 'f4908080'],
  ['beyond it, by the first byte', 'f5808080'],
]

const utf8: Case[] = [
  ...VALID.flatMap(([name, valid]) => {
    const bytes = Buffer.from(valid)
    const pieces = Array.from(bytes, byte => Uint8Array.of(byte))
    return [
      made(`text: ${name}`, [text(bytes)], { arrives: [valid] }),
      made(`text in fragments of a byte: ${name}`, [first(''), ...pieces.map(middle), last('')], { arrives: [valid] }),
    ]
  }),
  ...INVALID.flatMap(([name, hex]) => {
    const bytes = Buffer.concat([Buffer.from('good '), Buffer.from(hex, 'hex')])
    return [
      made(`no text: ${name}`, [text(bytes)], { ends: 1007 }),
      made(`no text, in the middle: ${name}`, [text(Buffer.concat([bytes, Buffer.from(' good')]))], { ends: 1007 }),
      made(`no text, in fragments: ${name}`, [first(bytes.subarray(0, 6)), last(bytes.subarray(6))], { ends: 1007 }),
    ]
  }),
  made('bytes that are no text, as binary', [binary(Buffer.from('c080ff', 'hex'))], {
    arrives: [Buffer.from('c080ff', 'hex')],
  }),
]

const passing = (code: number, reason = ''): Expected => ({ ends: code, passesOn: { code, reason } })

const HUNDRED = Array.from({ length: 100 }, (_, index) => `word ${index}`)

const closing: Case[] = [
  made('a close without a code', [close(null)], passing(NO_STATUS)),
  made('a close after a message', [text('last words'), close(1000)], { arrives: ['last words'], ...passing(1000) }),
  made('a close after many messages', [...HUNDRED.map(word => text(word)), close(1000)], {
    arrives: HUNDRED,
    ...passing(1000),
  }),
  made('what must not be after many messages', [...HUNDRED.map(word => text(word)), frame(3)], {
    arrives: HUNDRED,
    ends: 1002,
  }),
  made('a close with a reason of 123 bytes', [close(1000, '*'.repeat(123))], passing(1000, '*'.repeat(123))),
  made('a close with a reason in other letters', [close(1001, 'tschüß 𝄞')], passing(1001, 'tschüß 𝄞')),
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999].map(code =>
    made(`close code ${code}`, [close(code, 'why')], passing(code, 'why')),
  ),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(code =>
    made(`close code ${code}, which is none`, [close(code)], { ends: 1002 }),
  ),
  made('a close of one byte', [frame(CLOSE, 'x')], { ends: 1002 }),
  made('a close of 126 bytes', [close(1000, '*'.repeat(124))], { ends: 1002 }),
  made('a fragmented close', [frame(CLOSE, '', { isFinal: false })], { ends: 1002 }),
  made('a close whose reason is no text', [close(1000, Buffer.from('c080', 'hex'))], { ends: 1007 }),
  made('a message after a close', [close(1000), text('too late')], passing(1000)),
  made('a ping after a close', [close(1000), ping('too late')], passing(1000)),
  made('a close after a close', [close(1000), close(1001)], passing(1000)),
  made('a close inside a fragmented message', [first('never whole'), close(1000)], passing(1000)),
]

const MIB = 1024 * 1024
const many = (count: number, bytes: number): Case => {
  const payloads = Array.from({ length: count }, (_, index) => `${index} `.repeat(bytes).slice(0, bytes))
  return made(
    `${count} messages of ${bytes} bytes`,
    payloads.map(payload => text(payload)),
    { arrives: payloads },
  )
}
const inPieces = (total: number, bytes: number): Case => {
  const whole = Buffer.alloc(total, 'piece by piece ')
  const count = total / bytes
  const frames = Array.from({ length: count }, (_, index) =>
    frame(index === 0 ? BINARY : CONTINUATION, whole.subarray(index * bytes, (index + 1) * bytes), {
      isFinal: index === count - 1,
    }),
  )
  return made(`${total} bytes in fragments of ${bytes}`, frames, { arrives: [whole] })
}

const limits: Case[] = [
  ...[262_144, 16 * MIB].flatMap(length => [
    made(`text of ${length} bytes`, [text(Buffer.alloc(length, '*'))], { arrives: ['*'.repeat(length)] }),
    made(`binary of ${length} bytes`, [binary(Buffer.alloc(length, 0xfe))], { arrives: [Buffer.alloc(length, 0xfe)] }),
  ]),
  made('one byte more than may be', [binary(Buffer.alloc(16 * MIB + 1))], { ends: 1009 }),
  made(
    'fragments that are one byte more together',
    [frame(BINARY, Buffer.alloc(16 * MIB), { isFinal: false }), last('x')],
    { ends: 1009 },
  ),
  ...[64, 1024, 16_384, 262_144].map(bytes => inPieces(MIB, bytes)),
  ...[0, 16, 64, 256, 1024, 16_384].map(bytes => many(500, bytes)),
]

/** What RFC 6455 asks of whoever receives it, by section; an opposite that keeps to all of it is a good one. */
export const CASES: Readonly<Record<string, readonly Case[]>> = {
  '§5.2, §5.6: framing': framing,
  '§5.5.2, §5.5.3: pings and pongs': pings,
  '§5.2: reserved bits': reservedBits,
  '§5.2: reserved opcodes': opcodes,
  '§5.4: fragments': fragments,
  '§8.1: text is UTF-8': utf8,
  '§5.5.1, §7: closing': closing,
  'large and many messages': limits,
}

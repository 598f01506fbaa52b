import { inflateRawSync } from 'node:zlib'

/** What a peer's bytes come to: what is told in turn, and a fault at the end. */
export type Told = readonly [kind: string, ...rest: readonly (string | number | boolean)[]]

export interface PlainOptions {
  readonly isCompressed: boolean
  /** Whether a client sent it (RFC 6455 §5.1). */
  readonly isMasked: boolean
  readonly maxBytes: number
}

/**
 * RFC 6455 §5 and RFC 7692 §7.2.2 once more: all bytes are there, and nothing is kept in between. `isWhole` says that the last frame
 * and the last message are.
 */
export function readFramesPlainly(
  bytes: Buffer,
  { isCompressed, isMasked, maxBytes }: PlainOptions,
): { readonly told: readonly Told[]; readonly isWhole: boolean } {
  const told: Told[] = []
  const ended = (last: Told) => ({ told: [...told, last], isWhole: false })
  const open = () => ({ told, isWhole: false })
  let at = 0
  let message: { opcode: number; parts: Buffer[]; isCompressed: boolean } | null = null
  while (bytes.length - at >= 2) {
    const [first, second] = [bytes.readUInt8(at), bytes.readUInt8(at + 1)]
    const [isFinal, opcode, isControl] = [first >= 128, first % 16, first % 16 >= 8]
    const reserved = (first >> 4) & 7
    const isStart = opcode === 1 || opcode === 2
    if (reserved !== 0 && !(reserved === 4 && isCompressed && isStart)) return ended(['fault', 1002])
    if (second >= 128 !== isMasked) return ended(['fault', 1002])
    if (isControl && (!isFinal || second % 128 > 125)) return ended(['fault', 1002])
    const short = second % 128
    const extended = short === 127 ? 8 : short === 126 ? 2 : 0
    if (bytes.length - at < 2 + extended) return open()
    const length =
      extended === 8 ? bytes.readBigUInt64BE(at + 2) : BigInt(extended === 2 ? bytes.readUInt16BE(at + 2) : short)
    const before: number = message?.parts.reduce((sum, part) => sum + part.length, 0) ?? 0
    if (!isControl && length + BigInt(before) > maxBytes) return ended(['fault', 1009])
    const start = at + 2 + extended + (isMasked ? 4 : 0)
    if (BigInt(bytes.length - start) < length) return open()
    const sent = bytes.subarray(start, start + Number(length))
    const payload = isMasked
      ? Buffer.from(sent.map((byte, index) => byte ^ (bytes[start - 4 + (index % 4)] ?? 0)))
      : sent
    at = start + payload.length
    if (isControl) {
      if (opcode === 9) told.push(['ping', payload.toString('latin1')])
      if (opcode === 9 || opcode === 10) continue
      return ended(opcode === 8 ? closeOf(payload) : ['fault', 1002])
    }
    if (opcode > 2 || (opcode === 0) === (message === null)) return ended(['fault', 1002])
    message ??= { opcode, parts: [], isCompressed: reserved === 4 }
    message.parts.push(payload)
    if (!isFinal) continue
    const whole = messageOf(message, maxBytes)
    message = null
    told.push(whole)
    if (whole[0] === 'fault') return open()
  }
  return { told, isWhole: at === bytes.length && message === null }
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

function messageOf(
  { opcode, parts, isCompressed }: { opcode: number; parts: Buffer[]; isCompressed: boolean },
  maxBytes: number,
): Told {
  let bytes = Buffer.concat(parts)
  if (isCompressed) {
    try {
      bytes = inflateRawSync(Buffer.concat([bytes, Buffer.of(0, 0, 255, 255)]), {
        finishFlush: 2,
        maxOutputLength: maxBytes,
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

/** Messages and records of DNS (RFC 1035), and what writes records. */

import { GateError } from '../../../base/errors.ts'

/** A TXT record: its name without a dot at its end, and its text. */
export interface TxtRecord {
  readonly name: string
  readonly text: string
}

/** Numbers of types and classes (RFC 1035 §3.2, RFC 2136 §1.3, RFC 8945 §4.2). */
export const [SOA, TXT, TSIG] = [6, 16, 250]
export const [IN, NONE, ANY] = [1, 254, 255]

const UPDATE = 5 << 11
const TTL_S = 60

/** A name as it is sent, and as it is signed: lower-case, uncompressed. Throws TypeError for one that cannot be (RFC 1035 §3.1). */
export function encodeName(name: string): Buffer {
  const labels = name.toLowerCase().replace(/\.$/, '').split('.')
  const parts = labels.map(label => {
    const bytes = Buffer.from(label, 'ascii')
    if (bytes.length === 0 || bytes.length > 63) throw new TypeError('a label of a name has 1 to 63 bytes')
    return Buffer.concat([Buffer.from([bytes.length]), bytes])
  })
  const whole = Buffer.concat([...parts, Buffer.from([0])])
  if (whole.length > 255) throw new TypeError('a name has at most 255 bytes')
  return whole
}

/**
 * A resource record (RFC 1035 §4.1.3): `of` is its class, `ttlS` in seconds. Throws TypeError for a name that cannot be
 * encoded.
 */
export function encodeRecord(
  name: string,
  {
    type,
    of,
    ttlS = 0,
    data,
  }: { readonly type: number; readonly of: number; readonly ttlS?: number; readonly data: Buffer },
): Buffer {
  return Buffer.concat([encodeName(name), uint16(type), uint16(of), uint32(ttlS), uint16(data.length), data])
}

/** A request to add a TXT record to a zone, or to take away that one and no other of its name (RFC 2136 §2.5.1, §2.5.4). */
export function makeUpdate(id: number, zone: string, action: 'add' | 'remove', { name, text }: TxtRecord): Buffer {
  const bytes = Buffer.from(text, 'ascii')
  const data = Buffer.concat([Buffer.from([bytes.length]), bytes])
  const record =
    action === 'add'
      ? encodeRecord(name, { type: TXT, of: IN, ttlS: TTL_S, data })
      : encodeRecord(name, { type: TXT, of: NONE, data })
  const counts = [1, 0, 1, 0].map(uint16)
  const asked = Buffer.concat([encodeName(zone), uint16(SOA), uint16(IN)])
  return Buffer.concat([uint16(id), uint16(UPDATE), ...counts, asked, record])
}

/** A message that came back. */
export interface Reply {
  readonly id: number
  readonly code: number
  /** The last record, where it is a signature: its position and its content. */
  readonly signature: { readonly at: number; readonly name: string; readonly data: Buffer } | null
}

/** Reads as much of a message as is asked here. Throws RangeError where it ends too early or leads in a circle. */
export function parseReply(message: Buffer): Reply {
  const [questions = 0, ...others] = [4, 6, 8, 10].map(at => message.readUInt16BE(at))
  let at = 12
  for (let left = questions; left > 0; left--) at = readName(message, at).end + 4
  let signature: Reply['signature'] = null
  for (let left = others.reduce((sum, count) => sum + count, 0); left > 0; left--) {
    const { name, end } = readName(message, at)
    const length = message.readUInt16BE(end + 8)
    const data = message.subarray(end + 10, end + 10 + length)
    if (data.length < length) throw new RangeError('a record ends too early')
    if (left === 1 && message.readUInt16BE(end) === TSIG) signature = { at, name, data }
    at = end + 10 + length
  }
  return { id: message.readUInt16BE(0), code: message.readUInt16BE(2) & 0xf, signature }
}

/** A name, which may go on elsewhere (RFC 1035 §4.1.4), and where what follows it begins. */
export function readName(message: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = []
  let end: number | null = null
  // A name has at most 127 labels, so that no more jumps can be honest.
  for (let at = start, steps = 0; steps < 256; steps++) {
    const length = message.readUInt8(at)
    if (length === 0) return { name: labels.join('.'), end: end ?? at + 1 }
    if (length >= 0xc0) {
      end ??= at + 2
      at = message.readUInt16BE(at) & 0x3fff
      continue
    }
    labels.push(message.toString('ascii', at + 1, at + 1 + length).toLowerCase())
    at += 1 + length
  }
  throw new RangeError('a DNS alias leads back to itself')
}

/** Two bytes, the higher first. Throws RangeError for what does not fit. */
export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A name that could not be proved in DNS before the authority was asked to look. */
export function dnsFailure(message: string, hint: string, cause?: unknown): GateError {
  return new GateError('acme.dns', message, { hint, ...(cause === undefined ? {} : { cause }) })
}

/** What puts records into DNS, and takes them away again: one of several with the same name. */
export interface RecordWriter {
  /** Throws `acme.dns` with why it cannot. */
  present(record: TxtRecord): Promise<void>
  cleanup(record: TxtRecord): Promise<void>
}

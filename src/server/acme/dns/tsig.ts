import { createHmac, timingSafeEqual } from 'node:crypto'
import { ANY, encodeName, encodeRecord, type Reply, readName, TSIG, uint16 } from './message.ts'

/** A key that a name server and we share; `secret` is its bytes. */
export interface TsigKey {
  readonly name: string
  readonly secret: Buffer
}

const ALGORITHM = encodeName('hmac-sha256')

/** How far the clocks may be apart, in seconds (RFC 8945 §10). */
const FUDGE_S = 300

/** A message with its signature, and that signature alone. */
export interface Signed {
  readonly message: Buffer
  readonly mac: Buffer
}

/** Signs a message by HMAC-SHA256. Source: RFC 8945 §4.2, §4.3. */
export function signMessage(message: Buffer, key: TsigKey, nowS: number): Signed {
  const time = uint48(nowS)
  const mac = macOf([message, variablesOf(key, time, FUDGE_S, 0, Buffer.alloc(0))], key)
  const data = Buffer.concat([
    ALGORITHM,
    time,
    uint16(FUDGE_S),
    uint16(mac.length),
    mac,
    // The original id, no error, no other data.
    message.subarray(0, 2),
    uint16(0),
    uint16(0),
  ])
  const signed = Buffer.concat([message, encodeRecord(key.name, { type: TSIG, of: ANY, data })])
  signed.writeUInt16BE(message.readUInt16BE(10) + 1, 10)
  return { message: signed, mac }
}

/** What the signature of an answer comes to: it holds, it is not there or another's, or the server's own word for what it did not like. */
export type Judged = 'good' | 'unsigned' | 'forged' | 'bad_key' | 'bad_signature' | 'bad_time'

/** RFC 8945 §3: BADSIG, BADKEY, BADTIME. */
const SAID: ReadonlyMap<number, Judged> = new Map([
  [16, 'bad_signature'],
  [17, 'bad_key'],
  [18, 'bad_time'],
])

/** Judges the signature of an answer to a signed request. Throws RangeError where it ends too early. Source: RFC 8945 §5.3, §5.4. */
export function judgeReply(message: Buffer, { signature }: Reply, request: Signed, key: TsigKey, nowS: number): Judged {
  if (signature === null) return 'unsigned'
  const { at, name, data } = signature
  const { end } = readName(data, 0)
  const time = data.subarray(end, end + 6)
  const fudge = data.readUInt16BE(end + 6)
  const macEnd = end + 10 + data.readUInt16BE(end + 8)
  const mac = data.subarray(end + 10, macEnd)
  const error = data.readUInt16BE(macEnd + 2)
  const other = data.subarray(macEnd + 6)
  // Nobody vouches for these words, and none of them makes anything good.
  const said = SAID.get(error)
  if (said !== undefined) return said
  if (error !== 0 || name !== key.name.toLowerCase() || !data.subarray(0, end).equals(ALGORITHM)) return 'forged'
  const bare = Buffer.from(message.subarray(0, at))
  bare.writeUInt16BE(message.readUInt16BE(10) - 1, 10)
  data.copy(bare, 0, macEnd, macEnd + 2)
  const parts = [uint16(request.mac.length), request.mac, bare, variablesOf(key, time, fudge, error, other)]
  const expected = macOf(parts, key)
  if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return 'forged'
  return Math.abs(time.readUIntBE(0, 6) - nowS) <= fudge ? 'good' : 'bad_time'
}

function variablesOf(key: TsigKey, time: Buffer, fudge: number, error: number, other: Buffer): Buffer {
  const ttl = Buffer.alloc(4)
  return Buffer.concat([
    encodeName(key.name),
    uint16(ANY),
    ttl,
    ALGORITHM,
    time,
    uint16(fudge),
    uint16(error),
    uint16(other.length),
    other,
  ])
}

function macOf(parts: readonly Buffer[], { secret }: TsigKey): Buffer {
  return createHmac('sha256', secret).update(Buffer.concat(parts)).digest()
}

function uint48(value: number): Buffer {
  const bytes = Buffer.alloc(6)
  bytes.writeUIntBE(value, 0, 6)
  return bytes
}

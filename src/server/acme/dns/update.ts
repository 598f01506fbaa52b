/** Writes records by dynamic updates (RFC 2136) that are signed (TSIG, RFC 8945). */

import { createHmac, timingSafeEqual } from 'node:crypto'
import { connect } from 'node:net'
import type { Ports } from '../../../base/ports.ts'
import { afterLimit } from '../../../base/time-limit.ts'
import type { DnsUpdate, NameServer } from '../../../config/keys/acme.ts'
import { addressesOf, lookBy } from './lookup.ts'
import {
  ANY,
  dnsFailure,
  encodeName,
  encodeRecord,
  makeUpdate,
  parseReply,
  type RecordWriter,
  type Reply,
  readName,
  TSIG,
  type TxtRecord,
  uint16,
} from './message.ts'

/** Writes records into a zone by asking its primary server (RFC 2136), signed with a key (RFC 8945). Throws `acme.dns`. */
export function writeByUpdate(
  { server, zone, keyName, key: secret }: DnsUpdate,
  ports: Pick<Ports, 'resolve' | 'random' | 'now'>,
): RecordWriter {
  const key: TsigKey = { name: keyName, secret: Buffer.from(secret, 'base64') }
  const shown = `${server.host}:${server.port}`

  async function send(action: 'add' | 'remove', record: TxtRecord): Promise<void> {
    const into = zone ?? (await (await lookBy([server], ports)).zoneOf(record.name))
    const id = Buffer.from(ports.random(2)).readUInt16BE(0)
    const nowS = () => Math.floor(ports.now() / 1000)
    const request = signMessage(makeUpdate(id, into, action, record), key, nowS())
    judge(await reach(request.message), request, into, { id, nowS: nowS() })
  }

  /** By the first of its addresses that answers. */
  async function reach(message: Buffer): Promise<Buffer> {
    let cause: unknown
    for (const address of await addressesOf(server, ports)) {
      try {
        return await exchange(address, message)
      } catch (error) {
        cause = error
      }
    }
    throw dnsFailure(`the name server ${shown} cannot be reached`, 'look at server in [tls.acme.dns]', cause)
  }

  function judge(
    answer: Buffer,
    request: ReturnType<typeof signMessage>,
    into: string,
    { id, nowS }: { readonly id: number; readonly nowS: number },
  ): void {
    const said = readAnswer(answer, request, nowS)
    if (said === null || said.reply.id !== id) {
      throw dnsFailure(`${shown} answers an update with something else`, 'is it the name server of the zone?')
    }
    const { reply, judged } = said
    const hint = JUDGED_HINTS.get(judged)
    if (hint !== undefined) throw dnsFailure(`${shown} does not take the key "${keyName}": ${judged}`, hint)
    if (reply.code !== 0) {
      const [word, fix] = CODES.get(reply.code) ?? [`code ${reply.code}`, 'its own log says more']
      throw dnsFailure(`${shown} refuses to change ${into}: ${word}`, fix)
    }
    if (judged !== 'good') {
      throw dnsFailure(`the answer of ${shown} is not signed as it should be`, 'has the server the same key?')
    }
  }

  function readAnswer(answer: Buffer, request: ReturnType<typeof signMessage>, nowS: number) {
    try {
      const reply = parseReply(answer)
      return { reply, judged: judgeReply(answer, reply, request, key, nowS) }
    } catch {
      return null
    }
  }

  return { present: record => send('add', record), cleanup: record => send('remove', record) }
}

const JUDGED_HINTS: ReadonlyMap<string, string> = new Map([
  ['bad_key', 'the server knows no key of this name: key_name in [tls.acme.dns] has to be its name there'],
  ['bad_signature', 'key in [tls.acme.dns] is another one than on the server, or not for hmac-sha256'],
  ['bad_time', "this machine's clock and the server's are more than 5 minutes apart"],
])

/** RFC 1035 §4.1.1, RFC 2136 §2.2. */
const CODES: ReadonlyMap<number, readonly [word: string, fix: string]> = new Map([
  [1, ['format error', 'zone in [tls.acme.dns] has to be the name of a zone that the server has']],
  [2, ['server failure', 'its own log says more']],
  [4, ['not implemented', 'this server takes no updates; exec names a program that writes records another way']],
  [5, ['refused', 'allow the key to change TXT records of the zone there']],
  [9, ['not its zone', 'server in [tls.acme.dns] has to be the primary of the zone, and zone its name']],
  [10, ['not in the zone', 'zone in [tls.acme.dns] has to be the zone that the name is in']],
])

const ANSWER_MS = 10_000

/** Sends a message to a name server by TCP, and answers what comes back. Throws what the platform throws, or that it took too long (RFC 1035 §4.2.2). */
export async function exchange({ host, port }: NameServer, message: Buffer): Promise<Buffer> {
  const socket = connect({ host, port })
  const stopWaiting = afterLimit(ANSWER_MS, () => socket.destroy(new Error('it did not answer in time')))
  try {
    socket.write(Buffer.concat([uint16(message.length), message]))
    let got = Buffer.alloc(0)
    for await (const piece of socket) {
      got = Buffer.concat([got, piece])
      if (got.length < 2) continue
      const end = 2 + got.readUInt16BE(0)
      if (got.length >= end) return got.subarray(2, end)
    }
    throw new Error('it closed the connection without an answer')
  } finally {
    stopWaiting()
    socket.destroy()
  }
}

/** A key that a name server and we share; `secret` is its bytes. */
interface TsigKey {
  readonly name: string
  readonly secret: Buffer
}

const ALGORITHM = encodeName('hmac-sha256')

/** How far the clocks may be apart, in seconds (RFC 8945 §10). */
const FUDGE_S = 300

/** A message with its signature, and the signature. */
interface Signed {
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

/** The result of an answer's signature: valid, missing or wrong, or the server's error code. */
type Judged = 'good' | 'unsigned' | 'forged' | 'bad_key' | 'bad_signature' | 'bad_time'

/** RFC 8945 §3: BADSIG, BADKEY, BADTIME. */
const SAID: ReadonlyMap<number, Judged> = new Map([
  [16, 'bad_signature'],
  [17, 'bad_key'],
  [18, 'bad_time'],
])

/** Judges the signature of an answer to a signed request. Throws RangeError where it ends too early. Source: RFC 8945 §5.3, §5.4. */
function judgeReply(message: Buffer, { signature }: Reply, request: Signed, key: TsigKey, nowS: number): Judged {
  if (signature === null) return 'unsigned'
  const { at, name, data } = signature
  const { end } = readName(data, 0)
  const time = data.subarray(end, end + 6)
  const fudge = data.readUInt16BE(end + 6)
  const macEnd = end + 10 + data.readUInt16BE(end + 8)
  const mac = data.subarray(end + 10, macEnd)
  const error = data.readUInt16BE(macEnd + 2)
  const other = data.subarray(macEnd + 6)
  // These codes are not signed, and none of them means success.
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

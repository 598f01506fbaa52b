import type { Ports } from '../../../base/ports.ts'
import type { DnsUpdate } from '../../../config/types/tls.ts'
import { exchange } from './exchange.ts'
import { dnsFailure } from './failure.ts'
import { addressesOf, lookBy } from './lookup.ts'
import { makeUpdate, parseReply, type TxtRecord } from './message.ts'
import { judgeReply, signMessage, type TsigKey } from './tsig.ts'
import type { RecordWriter } from './writer.ts'

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
      const [word, mend] = CODES.get(reply.code) ?? [`code ${reply.code}`, 'its own log says more']
      throw dnsFailure(`${shown} refuses to change ${into}: ${word}`, mend)
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
const CODES: ReadonlyMap<number, readonly [word: string, mend: string]> = new Map([
  [1, ['format error', 'zone in [tls.acme.dns] has to be the name of a zone that the server has']],
  [2, ['server failure', 'its own log says more']],
  [4, ['not implemented', 'this server takes no updates; exec names a program that writes records another way']],
  [5, ['refused', 'allow the key to change TXT records of the zone there']],
  [9, ['not its zone', 'server in [tls.acme.dns] has to be the primary of the zone, and zone its name']],
  [10, ['not in the zone', 'zone in [tls.acme.dns] has to be the zone that the name is in']],
])

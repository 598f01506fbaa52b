/** Proves names by records in DNS (dns-01, RFC 8555 §8.4), written by updates or by a program. */

import { sha256 } from '../../../base/bytes.ts'
import { errorFacts } from '../../../base/errors.ts'
import type { Ports } from '../../../base/ports.ts'
import type { AcmeDns, DnsProgram } from '../../../config/keys/acme.ts'
import type { Proof } from '../authority/obtain.ts'
import { countSeen, lookBy, witnessesOf } from './lookup.ts'
import { dnsFailure, type RecordWriter, type TxtRecord } from './message.ts'
import { writeByUpdate } from './update.ts'

export type DnsPorts = Pick<Ports, 'resolve' | 'random' | 'now' | 'env' | 'run' | 'log'>

const LOOK_AGAIN_MS = 2_000

/**
 * Proves names by a record in DNS (dns-01). It is written where `_acme-challenge` of the name leads by CNAME, waited for until
 * everyone who is asked shows it, and taken away afterwards.
 *
 * Throws `acme.dns` where it cannot be written, or is not seen in time: the authority has not looked then, and counts no failure.
 * Source: RFC 8555 §8.4.
 */
export function proveByDns(dns: AcmeDns, ports: DnsPorts): Proof {
  const writer = dns.writer.kind === 'update' ? writeByUpdate(dns.writer, ports) : writeByProgram(dns.writer, ports)

  return {
    challenge: 'dns-01',
    async offer(name, keyAuthorization) {
      const place = await (await lookBy(dns.resolvers, ports)).follow(`_acme-challenge.${name}`)
      const record = { name: place, text: sha256(keyAuthorization) }
      const withdraw = async () => {
        try {
          await writer.cleanup(record)
        } catch (error) {
          ports.log.warn('A record in DNS could not be taken away again', { record: place, ...errorFacts(error) })
        }
      }
      try {
        await writer.present(record)
        await seen(record, dns, ports)
      } catch (error) {
        await withdraw()
        throw error
      }
      return withdraw
    },
  }
}

/**
 * Waits until all servers have a record. A server that does not answer does not count. Where none answers, it waits
 * for the whole time and lets the authority check.
 */
async function seen(record: TxtRecord, { resolvers, waitMs }: AcmeDns, ports: DnsPorts): Promise<void> {
  const witnesses = await witnessesOf(record.name, resolvers, ports)
  const giveUpAtMs = performance.now() + waitMs
  for (;;) {
    const { shown, lacking } = await countSeen(record, witnesses)
    if (shown > 0 && lacking.length === 0) return
    if (performance.now() + LOOK_AGAIN_MS > giveUpAtMs) {
      if (lacking.length > 0) throw notSeen(record, lacking, waitMs)
      return
    }
    await Bun.sleep(LOOK_AGAIN_MS)
  }
}

function notSeen({ name }: TxtRecord, lacking: readonly string[], waitMs: number): Error {
  return dnsFailure(
    `after ${waitMs / 1000} s there is no such record at ${name}: ${lacking.slice(0, 4).join(', ')} does not show it`,
    'see whether it gets there at all; a longer wait in [tls.acme.dns] gives it more time, and resolvers names whom to ask',
  )
}

/** The variables that any program needs to find others, without those that could be secret. */
const PASSED = ['PATH', 'HOME', 'LANG', 'TZ']

/**
 * Lets a program write records. It runs `PROGRAM … present NAME TEXT` and `PROGRAM … cleanup NAME TEXT`, like lego's
 * `exec`, without a shell. `NAME` ends with a dot.
 *
 * Its output is neither read nor logged, since its input is a secret of the zone. Throws `acme.dns`.
 */
function writeByProgram({ command, env, timeoutMs }: DnsProgram, ports: Pick<Ports, 'env' | 'run'>): RecordWriter {
  async function run(action: 'present' | 'cleanup', { name, text }: TxtRecord): Promise<void> {
    const passed = PASSED.flatMap(key => {
      const value = ports.env(key)
      return value === undefined ? [] : [[key, value] as const]
    })
    const all = Object.fromEntries([...passed, ...env])
    const shown = `${command[0]} ${action}`
    let code: number | null
    try {
      code = await ports.run([...command, action, `${name}.`, text], { env: all, timeoutMs })
    } catch (error) {
      throw dnsFailure(`${shown} cannot be run`, 'exec in [tls.acme.dns] has to name a program that may be run', error)
    }
    const hint = 'run it by hand as this user to see its output: it is not logged'
    if (code === null) throw dnsFailure(`${shown} did not end within ${timeoutMs / 1000} s, or was killed`, hint)
    if (code !== 0) throw dnsFailure(`${shown} ended with status ${code}`, hint)
  }

  return { present: record => run('present', record), cleanup: record => run('cleanup', record) }
}

import type { Ports } from '../../../base/ports.ts'
import type { DnsProgram } from '../../../config/types/tls.ts'
import { dnsFailure } from './failure.ts'
import type { TxtRecord } from './message.ts'
import type { RecordWriter } from './writer.ts'

/** What any program needs to find others, and nothing that could be a secret of ours. */
const PASSED = ['PATH', 'HOME', 'LANG', 'TZ']

/**
 * Has a program write records: it is run as `PROGRAM … present NAME TEXT` and `PROGRAM … cleanup NAME TEXT`, as lego's `exec` does,
 * without a shell. `NAME` ends with a dot.
 *
 * What it says is read by nobody and logged nowhere: what it was given is a secret of the zone. Throws `acme.dns`.
 */
export function writeByProgram(
  { command, env, timeoutMs }: DnsProgram,
  ports: Pick<Ports, 'env' | 'run'>,
): RecordWriter {
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
      throw dnsFailure(`${shown} cannot be run`, 'exec in [tls.acme.dns] names a program that may be run', error)
    }
    const hint = 'run it by hand as this user to see what it says: it is not logged'
    if (code === null) throw dnsFailure(`${shown} did not end within ${timeoutMs / 1000} s, or was killed`, hint)
    if (code !== 0) throw dnsFailure(`${shown} ended with status ${code}`, hint)
  }

  return { present: record => run('present', record), cleanup: record => run('cleanup', record) }
}

/** Rate-limit buckets in the store. */

import { sha256 } from '../base/bytes.ts'
import type { Ports } from '../base/ports.ts'
import { guarded } from './rows.ts'
import type { Sessions } from './session.ts'
import type { SessionStore } from './store.ts'

/** Rate-limit buckets over the session store, which sees hashes of their owners. Throws `session.store`. */
export function createRateLimits(
  store: Pick<SessionStore, 'spend' | 'spendAll' | 'refund'>,
  ports: Pick<Ports, 'now'>,
): Pick<Sessions, 'spend' | 'spendAll' | 'refund'> {
  const nameOf = (what: string, whose: string) => sha256(`${what} ${whose}`)
  return {
    async spend({ name, ...pace }, whose) {
      return guarded(() => store.spend(nameOf(name, whose), pace, ports.now()))
    },
    async spendAll(wanted) {
      const named = wanted.map(({ bucket, whose }) => ({ ...bucket, name: nameOf(bucket.name, whose) }))
      return guarded(() => store.spendAll(named, ports.now()))
    },
    async refund({ name, ...pace }, whose) {
      await guarded(() => store.refund(nameOf(name, whose), pace))
    },
  }
}

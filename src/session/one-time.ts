/** One-time records: tickets, states, codes and others that count once. */

import { sha256 } from '../base/bytes.ts'
import { networkOf } from '../base/net.ts'
import type { Ports } from '../base/ports.ts'
import { CLOCK_SLACK_MS } from './lifetimes.ts'
import { guarded } from './rows.ts'
import type { Sealer } from './seal.ts'
import type { OnceKind, Sessions } from './session.ts'
import type { SessionStore } from './store.ts'

/** How many records of a kind one owner may hold, and all owners together: a bounded table. */
export const ONCE_LIMITS: Readonly<Record<OnceKind, { readonly perOwner: number; readonly total: number }>> = {
  // More than one address may begin within their lifetime, by all workers (`signInStarts` in
  // `server/request/rate-limits.ts`). A client that begins too many has to wait, and pushes out no other user of the
  // address.
  login: { perOwner: 20_000, total: 50_000 },
  ticket: { perOwner: 100, total: 50_000 },
  place: { perOwner: 100, total: 50_000 },
  'signed-in': { perOwner: 1, total: 50_000 },
  logout: { perOwner: 500, total: 50_000 },
  'logout-token': { perOwner: 500, total: 50_000 },
  // Of a provider: more than sign in within the minutes that a code lasts.
  'signed-out': { perOwner: 10_000, total: 50_000 },
  // A user has no more codes than this while one of them lasts.
  totp: { perOwner: 10, total: 50_000 },
  // Networks that a user's password was right at: the latest of each user.
  known: { perOwner: 20, total: 50_000 },
  // A user has answered no more challenges than this while one of them lasts.
  passkey: { perOwner: 1_000, total: 50_000 },
  // A newer one takes the place of the one before.
  invitation: { perOwner: 1, total: 50_000 },
  // Of a session: more than a browser answers while one of them lasts.
  device: { perOwner: 100, total: 50_000 },
  // Of a session or a person: the latest.
  unproven: { perOwner: 1, total: 50_000 },
  // Forms are large: a handful for each person, and all together what a disk does not notice.
  post: { perOwner: 8, total: 200 },
  // Of a session, and of the token that comes of them.
  code: { perOwner: 20, total: 50_000 },
  'used-code': { perOwner: 1, total: 50_000 },
  'repeated-code': { perOwner: 1, total: 50_000 },
  refresh: { perOwner: 1, total: 500_000 },
}

/** Single-use records over the session store, which sees hashes of their keys and sealed values. Throws `session.store`. */
export function createOnce(
  store: Pick<SessionStore, 'put' | 'take' | 'peek'>,
  sealer: Sealer,
  ports: Pick<Ports, 'now'>,
): Pick<Sessions, 'putOneTime' | 'consumeOneTime' | 'peekOnce'> {
  return {
    async putOneTime(kind, key, value, { lifetimeMs, owner, isLatest = false, inPlaceOf }) {
      const expiresAtMs = ports.now() + lifetimeMs
      // The store decides when it expires: the clock of the process that opens it may be ahead of this one.
      const sealed = await sealer.seal(value, purposeOf(kind), expiresAtMs + CLOCK_SLACK_MS)
      const record = { kind, hash: sha256(key), owner: networkOf(owner), value: sealed, expiresAtMs }
      // All compared ends go by one clock, regardless of the writer.
      const timed = isLatest ? record : { ...record, lifetimeMs }
      const replaced = inPlaceOf === undefined ? {} : { inPlaceOf: sha256(inPlaceOf) }
      return guarded(() => store.put(timed, { ...ONCE_LIMITS[kind], isLatest, ...replaced }))
    },
    async consumeOneTime(kind, key) {
      const sealed = await guarded(() => store.take(kind, sha256(key), ports.now()))
      return sealed === null ? null : sealer.open(sealed, purposeOf(kind))
    },
    async peekOnce(kind, key) {
      const sealed = await guarded(() => store.peek(kind, sha256(key), ports.now()))
      return sealed === null ? null : sealer.open(sealed, purposeOf(kind))
    },
  }
}

function purposeOf(kind: string): string {
  return `once ${kind}`
}

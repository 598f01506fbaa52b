/** What API tokens and guest links have in common: their secrets, ids and sessions. */

import { randomToken, sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { Identity } from '../../identity/identity.ts'
import type { StoredApiToken } from '../records.ts'
import { guarded } from '../rows.ts'
import type { Session } from '../session.ts'
import type { SessionStore } from '../store.ts'
import { keepOwner, ownerIdOf, storedClaims } from './owners.ts'

/** What a store keeps of anything that was issued. */
type StoredTimes = Pick<StoredApiToken, 'id' | 'portal' | 'createdAtMs' | 'expiresAtMs'>

/** What only the sessions' module does with tokens and links. For all others these are sessions. */
export interface IssuedCredentials {
  /** Forgets one that was removed here or elsewhere. */
  forget(id: string): void
  forgetAll(): void
  /** Something else is true of an owner: forgets what follows them. */
  forgetOwner(ownerId: string): void
  /** The current session of this token or link, and null where it is not valid any more. Open streams ask this. */
  current(id: string): Promise<Session | null>
  revoke(id: string): Promise<boolean>
}

export interface NewSecret {
  /** How its text begins, so that people and scanners know one when they see it. */
  readonly textPrefix: string
  readonly id: string
  readonly portal: string
  readonly lifetimeMs: number
  /** Its owner; null: none. */
  readonly follows: Identity | null
}

/** A secret with what is kept of it. `text` is said once: only its hash is kept. */
export interface IssuedSecret extends StoredTimes {
  readonly text: string
  readonly hash: string
  /** The id of the person whom it follows. */
  readonly owner: string | null
}

/** An id for something that is to be issued; `prefix` says what. */
export function issuedId(prefix: string, { random }: Pick<Ports, 'random'>): string {
  return prefix + Buffer.from(random(8)).toString('hex')
}

/** Makes a secret; what is known of the person whom it follows is kept from now on. Throws `session.store`. */
export async function issueSecret(
  { textPrefix, id, portal, lifetimeMs, follows }: NewSecret,
  store: Pick<SessionStore, 'changeRecord'>,
  ports: Pick<Ports, 'now' | 'random'>,
): Promise<IssuedSecret> {
  const text = textPrefix + randomToken(ports.random)
  const createdAtMs = ports.now()
  const expiresAtMs = createdAtMs + lifetimeMs
  const owner = follows === null ? null : ownerIdOf({ portal, identity: follows })
  if (follows !== null && owner !== null) {
    const identity = storedClaims({ portal, identity: follows })
    const known = { id: owner, identity, standing: 'good', notedAtMs: createdAtMs, expiresAtMs } as const
    await guarded(() => keepOwner(store, known))
  }
  return { text, hash: sha256(text), id, portal, createdAtMs, expiresAtMs, owner }
}

/** The session of a request with this token or link. Frozen. */
export function issuedSession(row: StoredTimes, identity: Identity, owner: string | null): Session {
  const { id, portal, createdAtMs, expiresAtMs } = row
  const follows = owner === null ? {} : { follows: owner }
  return Object.freeze({ id, portal, identity, isRemembered: false, createdAtMs, expiresAtMs, ...follows })
}

/** The valid entries of a list that have not expired. `hold` returns null for an invalid one. */
export function unexpired<Row extends StoredTimes, T>(
  rows: readonly Row[],
  nowMs: number,
  hold: (row: Row) => T | null,
): readonly T[] {
  return rows.flatMap(row => (nowMs < row.expiresAtMs ? (hold(row) ?? []) : []))
}

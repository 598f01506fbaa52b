/** Tokens or guest links in memory, in front of the store. */

import type { MaybePromise } from '../../base/maybe-promise.ts'
import { guarded } from '../rows.ts'
import type { Session } from '../session.ts'
import { memoryOf } from '../session-cache.ts'

/** A token or a link in memory. */
interface Held {
  /** `id` is its own. */
  readonly session: Session
  /** The id of its owner; null: none. */
  readonly owner: string | null
}

/** Tokens, or links, in memory by the secrets that lead to them. Never the truth. */
export interface CredentialCache<T extends Held> {
  get(secret: string): T | undefined
  /** The entry in memory with this id, for any of its secrets. */
  ofId(id: string): T | undefined
  /** Puts one in; the oldest make room. */
  add(secret: string, held: T): void
  forget(id: string): void
  forgetAll(): void
  forgetOwner(ownerId: string): void
  /** Counts how often something was dropped. A read that began before must not bring it back. */
  readonly forgotten: number
  /** Forgets one around its removal from the store, where a reading may be under way. Throws `session.store`. */
  revoke(id: string, remove: () => MaybePromise<boolean>): Promise<boolean>
}

/** An empty cache that may take so much memory. */
export function createCredentialCache<T extends Held>(maxBytes: () => number): CredentialCache<T> {
  const bySecret = new Map<string, T>()
  const sizes = new Map<string, number>()
  let bytes = 0
  /** One token has one secret; a link has one for each of its guests. */
  const secretsOf = new Map<string, Set<string>>()
  let forgotten = 0

  function remove(secret: string): void {
    bytes -= sizes.get(secret) ?? 0
    sizes.delete(secret)
    bySecret.delete(secret)
  }

  function drop(secret: string, id: string): void {
    remove(secret)
    const secrets = secretsOf.get(id)
    secrets?.delete(secret)
    if (secrets?.size === 0) secretsOf.delete(id)
  }

  function forget(id: string): void {
    forgotten++
    for (const secret of secretsOf.get(id) ?? []) remove(secret)
    secretsOf.delete(id)
  }

  return {
    get: secret => bySecret.get(secret),
    ofId(id) {
      const [secret] = secretsOf.get(id) ?? []
      return secret === undefined ? undefined : bySecret.get(secret)
    },
    add(secret, held) {
      remove(secret)
      const size = memoryOf(JSON.stringify(held.session.identity).length)
      for (const [oldest, { session }] of bySecret) {
        if (bytes + size <= maxBytes()) break
        drop(oldest, session.id)
      }
      bytes += size
      sizes.set(secret, size)
      bySecret.set(secret, held)
      const { id } = held.session
      const secrets = secretsOf.get(id)
      if (secrets === undefined) secretsOf.set(id, new Set([secret]))
      else secrets.add(secret)
    },
    forget,
    forgetAll() {
      forgotten++
      bySecret.clear()
      sizes.clear()
      bytes = 0
      secretsOf.clear()
    },
    forgetOwner(ownerId) {
      forgotten++
      for (const { owner, session } of [...bySecret.values()]) if (owner === ownerId) forget(session.id)
    },
    get forgotten() {
      return forgotten
    },
    async revoke(id, remove) {
      forget(id)
      const isGone = await guarded(remove)
      forget(id)
      return isGone
    },
  }
}

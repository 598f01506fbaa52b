import { sha256, toBase64Url } from '../base/bytes.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import type { SessionStore } from './store.ts'

/** Under which name a store keeps what its key hashes to. */
export const KEY_NAME = 'key'

/** A value that identifies a key without revealing it: a hash of 256 random bits, with its purpose. */
export function printOf(key: Uint8Array): string {
  return sha256(`the key of a session store ${toBase64Url(key)}`)
}

/**
 * Whether one of these keys is the one that a store was sealed with; a store that does not say so yet takes the first as its own, and so
 * does one that was sealed with an older one of them.
 */
export function fitsStore(
  store: Pick<SessionStore, 'readShared' | 'replaceShared'>,
  keys: readonly Uint8Array[],
): MaybePromise<boolean> {
  const prints = keys.map(printOf)
  const [ours = ''] = prints
  const isOurs = (known: string | null) => known !== null && prints.includes(known)
  return andThen(store.readShared(KEY_NAME), known => {
    if (known === ours) return true
    if (known !== null && !isOurs(known)) return false
    return andThen(store.replaceShared(KEY_NAME, known, ours), isDone =>
      // Somebody else was quicker: what they wrote counts.
      isDone ? true : andThen(store.readShared(KEY_NAME), isOurs),
    )
  })
}

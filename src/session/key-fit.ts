import { sha256, toBase64Url } from '../base/bytes.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { SessionStore } from './store.ts'

/** Under which name a store keeps what its key hashes to. */
export const KEY_NAME = 'key'

/** What tells keys apart and gives none away: a hash of 256 random bits, with its purpose. */
export function printOf(key: Uint8Array): string {
  return sha256(`the key of a session store ${toBase64Url(key)}`)
}

/** Whether a key is the one that a store was sealed with; a store that does not say so yet takes it as its own. */
export function fitsStore(
  store: Pick<SessionStore, 'readShared' | 'replaceShared'>,
  key: Uint8Array,
): MaybePromise<boolean> {
  const ours = printOf(key)
  const claim = (known: string | null): MaybePromise<boolean> => {
    if (known !== null) return known === ours
    const done = store.replaceShared(KEY_NAME, null, ours)
    const settle = (isOurs: boolean): MaybePromise<boolean> => isOurs || again()
    return done instanceof Promise ? done.then(settle) : settle(done)
  }
  // Somebody else was quicker: what they wrote counts.
  const again = (): MaybePromise<boolean> => {
    const theirs = store.readShared(KEY_NAME)
    return theirs instanceof Promise ? theirs.then(value => value === ours) : theirs === ours
  }
  const known = store.readShared(KEY_NAME)
  return known instanceof Promise ? known.then(claim) : claim(known)
}

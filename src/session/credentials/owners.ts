/** Owners: the users on whom tokens and guest links depend, as the store keeps them. */

import { sha256 } from '../../base/bytes.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Era, Identity } from '../../identity/identity.ts'
import { parseStanding, type RecordStore, type Standing, type StoredOwner } from '../records.ts'
import type { Session } from '../session.ts'

/** Someone whose tokens follow them: who it is, at which portal. */
export type TokenOwner = Pick<Session, 'portal' | 'identity'>

/** No id of a session has a colon. */
const OWNER_ID = 'person:'

/**
 * The id of an owner: the same for all their tokens, and another one for a later user with the same name in a file.
 * Hashed, since a provider's claims may have any content and length.
 */
export function ownerIdOf({
  portal,
  identity: { issuer, subject, userId },
}: {
  readonly portal: string
  readonly identity: Pick<Identity, 'issuer' | 'subject' | 'userId'>
}): string {
  const own = userId === undefined ? [] : [userId]
  return OWNER_ID + sha256(JSON.stringify([portal, issuer, subject, ...own]))
}

/**
 * Whether something that was made for a user of a file has ended, since the password or the epoch of tokens has
 * changed. Tokens of an MCP client end with the password, since an attacker may have had it. A token or a link does
 * not depend on the password, and ends with the epoch.
 */
export function isOfPastEra(made: Era | undefined, now: Era | undefined, kind: 'client' | 'token'): boolean {
  if (now === undefined) return false
  if (kind === 'client' && made?.password !== now.password) return true
  return (made?.tokens ?? 0) !== now.tokens
}

/** Whether an id is that of an owner of tokens, and not of a session or a token. */
export function isOwnerId(id: string): boolean {
  return id.startsWith(OWNER_ID)
}

/** How and when someone signed in (`auth_time`, `acr`, `amr`, `sid`, Keycloak's `session_state`) is not true of a token of theirs. */
export function withoutSignIn(identity: Identity): Identity {
  const { auth_time: _time, acr: _acr, amr: _amr, sid: _sid, session_state: _state, ...claims } = identity.claims
  return { ...identity, claims }
}

/** What a store keeps of an owner's claims. */
export function storedClaims({ identity }: TokenOwner): string {
  return JSON.stringify(withoutSignIn(identity))
}

/** The current identity of a stored owner's tokens; null where they are suspended, and for a row in another form. */
export function identityOf(owner: StoredOwner): Identity | null {
  if (owner.standing !== 'good') return null
  try {
    const identity = JSON.parse(owner.identity) as Identity
    return typeof identity.subject === 'string' && Array.isArray(identity.groups) ? Object.freeze(identity) : null
  } catch {
    return null
  }
}

/**
 * The same as of now; null where the portal no longer trusts their provider, or the provider says that they are not
 * active.
 */
export function vouchedIdentity(
  owner: StoredOwner | null,
  portal: string,
  trustedIdentity: (owner: TokenOwner) => Identity | null,
): Identity | null {
  const identity = owner === null ? null : identityOf(owner)
  return identity === null ? null : trustedIdentity({ portal, identity })
}

type OwnerStore = Pick<RecordStore, 'changeRecord'>

/** Begins to keep what is known of an owner; of one that is kept already, only the later end counts. */
export function keepOwner(store: OwnerStore, owner: StoredOwner): MaybePromise<void> {
  const { id, expiresAtMs } = owner
  const kept = store.changeRecord('owner', { id }, before => {
    if (before === null) return owner
    return before.expiresAtMs < expiresAtMs ? { ...before, expiresAtMs } : undefined
  })
  return andThen(kept, () => undefined)
}

/** Something that was heard of an owner. */
export interface OwnerNote {
  readonly identity: string
  readonly standing: Standing
  readonly atMs: number
  /**
   * A sign-in's, or an admin's: a refresh never overrides an admin's. Otherwise the last word counts regardless of its
   * time: a clock that was set back must not suppress a refusal.
   */
  readonly isLastWord: boolean
}

/** Owners that are written at once. */
const NOTED_AT_ONCE = 100

/** Writes what is known of owners, by their ids; adds none. Returns the ids of those of whom something else is true now. */
export async function noteOwners(store: OwnerStore, notes: ReadonlyMap<string, OwnerNote>): Promise<readonly string[]> {
  const others: string[] = []
  const all = [...notes]
  for (let from = 0; from < all.length; from += NOTED_AT_ONCE) {
    const some = all.slice(from, from + NOTED_AT_ONCE)
    const written = some.map(async ([id, note]) => ((await noteOwner(store, id, note)) ? [id] : []))
    others.push(...(await Promise.all(written)).flat())
  }
  return others
}

async function noteOwner(store: OwnerStore, id: string, note: OwnerNote): Promise<boolean> {
  const { identity, standing, atMs: notedAtMs, isLastWord } = note
  let isOther = false
  await store.changeRecord('owner', { id }, before => {
    isOther = false
    if (before === null || (!isLastWord && parseStanding(before.standing) === 'revoked')) return undefined
    isOther = before.identity !== identity || before.standing !== standing
    return { ...before, identity, standing, notedAtMs }
  })
  return isOther
}

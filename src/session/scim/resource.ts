/** Users and groups that a provider pushed by SCIM, as the store keeps them. */

import { sha256 } from '../../base/bytes.ts'
import type { Identity } from '../../identity/identity.ts'

/** Where a provider pushes its people: another issuer under an old name is another one, whose `sub` may be another person's. */
export interface Directory {
  readonly provider: string
  readonly issuer: string
  /** The portals whose people come from there. */
  readonly portals: readonly string[]
  /** What rules call its groups, by their names there; null where groups are what is said at sign-in. */
  readonly groups: ReadonlyMap<string, string> | null
}

interface Resource {
  /** Ours: the provider knows it by this. */
  readonly id: string
  readonly createdAtMs: number
  readonly changedAtMs: number
}

/** Someone who was pushed. */
export interface PushedUser extends Resource {
  readonly kind: 'user'
  /** The `sub` of their sign-ins. */
  readonly externalId: string
  readonly userName: string
  readonly displayName: string | null
  readonly isActive: boolean
  /** Deleted by the provider: kept so that nothing from before lets them in. */
  readonly isGone: boolean
}

export interface PushedGroup extends Resource {
  readonly kind: 'group'
  readonly externalId: string | null
  readonly displayName: string
  /** Ids of users. */
  readonly members: readonly string[]
}

export type Pushed = PushedUser | PushedGroup

/** One with its text in the store, which a change has to name. */
export interface Kept<T extends Pushed = Pushed> {
  readonly value: T
  readonly text: string
}

const DIRECTORY_ID = 'directory:'

/** The id of a directory in the store. Hashed, since an issuer may be of any length. */
export function directoryIdOf({ provider, issuer }: Pick<Directory, 'provider' | 'issuer'>): string {
  return DIRECTORY_ID + sha256(JSON.stringify([provider, issuer]))
}

/** Whether an id among those that changed is that of what a provider pushes, and not of a session or a token. */
export function isDirectoryId(id: string): boolean {
  return id.startsWith(DIRECTORY_ID)
}

/**
 * A changed resource: `DIRECTORY/ID`. A process of an earlier version writes only the directory's id: then anything
 * may have changed.
 */
export function parseChangedId(id: string): { readonly directoryId: string; readonly resourceId: string | null } {
  const end = id.indexOf('/')
  return end === -1
    ? { directoryId: id, resourceId: null }
    : { directoryId: id.slice(0, end), resourceId: id.slice(end + 1) }
}

/** Whether somebody signed in at the provider of a directory. */
export function isOf(directory: Directory, { provider, issuer }: Pick<Identity, 'provider' | 'issuer'>): boolean {
  return directory.provider === provider && directory.issuer === issuer
}

/**
 * The id of a resource with this name at the provider: the same at every push, so that two pushes at once cannot
 * create two. Never `bulkId`, and never another resource's (RFC 7643 §3.1).
 */
export function resourceIdOf(kind: Pushed['kind'], externalId: string): string {
  return sha256(JSON.stringify([kind, externalId])).slice(0, 22)
}

/**
 * A row of the store. One in another form may have barred somebody: it stands for a deleted user of that id, until the
 * provider pushes its resource again.
 */
export function parsePushed(text: string, id: string): Pushed {
  return wholeFrom(text) ?? unreadable(id)
}

/** Whether this stands for a row that could not be read: no pushed user is without a `sub`. */
export function isUnreadable({ externalId }: PushedUser): boolean {
  return externalId === ''
}

function unreadable(id: string): PushedUser {
  const said = { externalId: '', userName: '', displayName: null }
  return { kind: 'user', id, createdAtMs: 0, changedAtMs: 0, ...said, isActive: false, isGone: true }
}

function wholeFrom(text: string): Pushed | null {
  try {
    const raw = JSON.parse(text) as Pushed | null
    if (raw === null || typeof raw.id !== 'string' || !Number.isFinite(raw.createdAtMs + raw.changedAtMs)) return null
    const isWhole =
      raw.kind === 'user'
        ? [raw.externalId, raw.userName].every(one => typeof one === 'string') &&
          [raw.isActive, raw.isGone].every(one => typeof one === 'boolean')
        : raw.kind === 'group' && typeof raw.displayName === 'string' && Array.isArray(raw.members)
    return isWhole ? raw : null
  } catch {
    return null
  }
}

/**
 * Records beside the sessions: tokens, guest links, their owners, what providers push, accounts of users of a file, and
 * values of all processes.
 * What kinds there are is said here once, and each store keeps any of them by the same few calls.
 */

import { andThen, type MaybePromise } from '../base/maybe-promise.ts'

/** What a store keeps in one place, so that one step may read and change all of it: in a cluster, one slot. */
export type Partition = 'global' | { readonly session: string } | { readonly person: string }

/** A token of a script or an app. Its session and its hosts are JSON, which the store does not read. */
export interface StoredApiToken {
  /** `OF/…` for a short token, which takes the place of the token `OF`. */
  readonly id: string
  /** The SHA-256 of the token itself. */
  readonly hash: string
  readonly portal: string
  readonly name: string
  readonly grant: string
  readonly createdAtMs: number
  readonly expiresAtMs: number
  /** 1 where it was used before; also where that was not noted when it was made. */
  readonly used: number
}

/** A guest link. Its grant is JSON, which the store does not read. */
export interface StoredGuestLink {
  readonly id: string
  /** The SHA-256 of the link's secret. */
  readonly hash: string
  readonly portal: string
  readonly grant: string
  /** How often it may be used, and has been. */
  readonly uses: number
  readonly used: number
  readonly createdAtMs: number
  readonly expiresAtMs: number
}

/**
 * What was last heard of an owner: `good`, the provider vouched for them; `refused`, it did not any more; `revoked`, an admin
 * ended a session of theirs.
 */
export type Standing = 'good' | 'refused' | 'revoked'

/** A Standing from a store; an unknown value refuses. */
export function parseStanding(text: string): Standing {
  return text === 'good' || text === 'refused' ? text : 'revoked'
}

/** What is last known of someone who has tokens that follow them. `identity` is JSON. */
export interface StoredOwner {
  readonly id: string
  readonly identity: string
  readonly standing: Standing
  /** When that was heard. */
  readonly notedAtMs: number
  /** When the last of their tokens ends. */
  readonly expiresAtMs: number
}

/** Something that a provider has pushed, as JSON, which the store does not read. */
export interface StoredPushed {
  readonly directory: string
  readonly id: string
  readonly value: string
}

/**
 * What a user of a file has set over their entry, as JSON, which the store does not read; empty where it was dropped. It
 * stays for good, so that each change has a higher version than all before it.
 */
export interface StoredAccount {
  readonly id: string
  readonly version: number
  readonly value: string
}

/** A value that all processes and machines share, by its name. It stays for good. */
interface StoredValue {
  readonly id: string
  readonly value: string
}

export interface Records {
  readonly token: StoredApiToken
  readonly link: StoredGuestLink
  readonly owner: StoredOwner
  readonly pushed: StoredPushed
  readonly account: StoredAccount
  readonly shared: StoredValue
}

export type RecordName = keyof Records

type ById = { readonly id: string }
type ByHash = { readonly hash: string }

/** What leads to one record. */
export interface RecordKeys {
  readonly token: ById | ByHash
  readonly link: ById | ByHash
  readonly owner: ById
  readonly pushed: Pick<StoredPushed, 'directory' | 'id'>
  readonly account: ById
  readonly shared: ById
}

/** What other processes hear of a change. */
export interface Told {
  readonly what: 'made' | 'removed' | 'updated'
  readonly id: string
  /** Of an owner: what is known of them now. */
  readonly owner?: StoredOwner
}

interface RecordKind<R> {
  /** Where it is kept, by its id. */
  partition(id: string): Partition
  /** Whom a list is of; null: it is never listed. */
  readonly listedBy: (keyof R & string) | null
  /** Null: no other process has to hear of it. */
  told(before: R | null, after: R | null): Told | null
}

/** Of the short tokens of one so many are kept, the latest. They go with it, and no list has them. */
export const SHORT_TOKENS = 2

/** The id of the token that a short one takes the place of; null for any other. */
export function longIdOf(id: string): string | null {
  const at = id.indexOf('/')
  return at === -1 ? null : id.slice(0, at)
}

function toldOfIssued(before: ById | null, after: ById | null): Told | null {
  if (after === null) return before === null ? null : { what: 'removed', id: before.id }
  return before === null && longIdOf(after.id) === null ? { what: 'made', id: after.id } : null
}

export const KINDS: { readonly [K in RecordName]: RecordKind<Records[K]> } = {
  // By its hash or its id, neither of which says whose it is: all of them are in one place.
  token: { partition: () => 'global', listedBy: 'portal', told: toldOfIssued },
  link: { partition: () => 'global', listedBy: 'portal', told: toldOfIssued },
  owner: {
    partition: id => ({ person: id }),
    listedBy: null,
    told(before, after) {
      const isOther = before?.identity !== after?.identity || before?.standing !== after?.standing
      return before === null || after === null || !isOther ? null : { what: 'updated', id: after.id, owner: after }
    },
  },
  pushed: {
    // A directory is read as a whole.
    partition: () => 'global',
    listedBy: 'directory',
    told(before, after) {
      const { directory = '', id = '' } = after ?? before ?? {}
      return { what: 'updated', id: `${directory}/${id}` }
    },
  },
  account: {
    partition: id => ({ person: id }),
    listedBy: null,
    told: (before, after) => ({ what: 'updated', id: after?.id ?? before?.id ?? '' }),
  },
  shared: { partition: () => 'global', listedBy: null, told: () => null },
}

/** The record that takes the place of another: null for none, undefined where nothing is to be changed. */
export type Decide<R> = (before: R | null) => R | null | undefined

/** Where records are kept. Any method may throw what its database throws. */
export interface RecordStore {
  findRecord<K extends RecordName>(kind: K, key: RecordKeys[K]): MaybePromise<Records[K] | null>
  /** All of one portal or directory, newest first where they have a time: people make them one by one. */
  listRecords<K extends RecordName>(kind: K, whose: string): MaybePromise<readonly Records[K][]>
  /**
   * Replaces a record by what `decide` makes of it, in one step, and notifies other processes as its kind says. Answers what
   * `decide` has: where somebody else was quicker, it decides again.
   */
  changeRecord<K extends RecordName>(
    kind: K,
    key: RecordKeys[K],
    decide: Decide<Records[K]>,
  ): MaybePromise<Records[K] | null | undefined>
}

/** What is made of these calls, the same over any store. */
export interface DerivedCalls {
  /** Removes a token or a link, as one that ends; false when there is none. */
  removeIssued(kind: 'token' | 'link', id: string): MaybePromise<boolean>
  /** A value that all processes and machines share, by its name; null where there is none. */
  readShared(name: string): MaybePromise<string | null>
  /** Puts a value in place of the one that was there (null: of none); false, and nothing is changed, where it is another by now. */
  replaceShared(name: string, before: string | null, after: string): MaybePromise<boolean>
}

export function derivedFrom({ findRecord, changeRecord }: RecordStore): DerivedCalls {
  return {
    removeIssued(kind, id) {
      const gone = changeRecord(kind, { id }, before => (before === null ? undefined : null))
      return andThen(gone, after => after === null)
    },
    readShared: name => andThen(findRecord('shared', { id: name }), found => found?.value ?? null),
    replaceShared(id, before, after) {
      const decide: Decide<StoredValue> = found =>
        (found?.value ?? null) === before ? { id, value: after } : undefined
      return andThen(changeRecord('shared', { id }, decide), done => done !== undefined)
    },
  }
}

/** The SCIM directory of one provider, in memory: who is active, and in which groups. */

import type { Identity } from '../../identity/identity.ts'
import { isBarredUser } from './inactive.ts'
import {
  type Directory,
  isOf,
  isUnreadable,
  type Kept,
  type Pushed,
  type PushedUser,
  resourceIdOf,
} from './resource.ts'

/** Someone at a provider. */
export type Someone = Pick<Identity, 'provider' | 'issuer' | 'subject'>

/** Subjects of whom something else is true than before. */
export interface Learnt {
  /** They may not be signed in any more. */
  readonly barred: readonly string[]
  /** They are in other groups. */
  readonly moved: readonly string[]
}

export interface DirectorySize {
  /** Users and groups, those that were deleted among them. */
  readonly resources: number
  /** Of all groups together. */
  readonly members: number
  /** Of what the store keeps of them. */
  readonly bytes: number
}

/** What this process knows of directories: whom they bar, and who is in which group. */
export interface ScimDirectory {
  /**
   * Sets the directories of the current file and keeps the known data of those that stay. Returns those that have to
   * be read.
   */
  configure(directories: readonly Directory[]): readonly Directory[]
  isBarred(someone: Someone): boolean
  /** Someone as their directory describes them: the same value where it says nothing else. */
  see(identity: Identity): Identity
  /** All of a directory, as the store has it. */
  learn(directory: Directory, all: readonly Kept[]): Learnt
  /**
   * One of a directory as it is in the store now, null where it is gone: nothing is worked out but what hangs on it. `barred` has whom
   * that bars, barred before or not.
   */
  note(directory: Directory, id: string, written: Kept | null): Learnt
  /** Everything of a directory, oldest first, so that pages of it fit together. */
  all(directory: Directory): readonly Pushed[]
  hasUsers(directory: Directory, ids: readonly string[]): boolean
  size(directory: Directory): DirectorySize
}

interface Entry {
  readonly value: Pushed
  readonly bytes: number
}

interface Known {
  readonly directory: Directory
  readonly isLearnt: boolean
  /** By id, in the order of `inOrder` unless `isMixed`. */
  readonly all: Map<string, Entry>
  readonly isMixed: boolean
  readonly size: DirectorySize
  /** Subjects, and ids of those that cannot be read. */
  readonly barred: Set<string>
  /** Whether there may be such ids. */
  readonly isDamaged: boolean
  /** By what rules call it, in how many groups of that name the user of an id is. */
  readonly holders: Map<string, Map<string, number>>
  /** By subject, what rules call the groups of everyone who was pushed; empty where groups are what is said at sign-in. */
  readonly groups: Map<string, readonly string[]>
}

const NOTHING: Learnt = Object.freeze({ barred: [], moved: [] })
const EMPTY: DirectorySize = Object.freeze({ resources: 0, members: 0, bytes: 0 })
const NO_GROUPS: readonly string[] = Object.freeze([])

/** Before anything was pushed. */
export function createScimDirectory(): ScimDirectory {
  let known: readonly Known[] = []

  function knownOf(someone: Pick<Someone, 'provider' | 'issuer'>): Known | undefined {
    return known.find(({ directory }) => isOf(directory, someone))
  }

  function put(next: Known): void {
    known = known.map(one => (isOf(one.directory, next.directory) ? next : one))
  }

  return {
    configure(directories) {
      const before = known
      known = directories.map(directory => {
        const stays = before.find(one => isOf(one.directory, directory))
        return stays === undefined
          ? knownFrom(directory, [], false)
          : { ...stays, directory, ...groupsIn(directory, stays.all) }
      })
      return known.filter(({ isLearnt }) => !isLearnt).map(({ directory }) => directory)
    },
    isBarred(someone) {
      const one = known.length === 0 ? undefined : knownOf(someone)
      if (one === undefined) return false
      return one.barred.has(someone.subject) || (one.isDamaged && one.barred.has(resourceIdOf('user', someone.subject)))
    },
    see(identity) {
      const groups = known.length === 0 ? undefined : knownOf(identity)?.groups.get(identity.subject)
      return groups === undefined || isSame(groups, identity.groups) ? identity : Object.freeze({ ...identity, groups })
    },
    learn(directory, all) {
      const before = knownOf(directory)
      if (before === undefined) return NOTHING
      const now = knownFrom(before.directory, all, true)
      put(now)
      const moved = [...now.groups].flatMap(([subject, groups]) => {
        const were = before.groups.get(subject)
        return were !== undefined && isSame(were, groups) ? [] : [subject]
      })
      return { barred: [...now.barred].filter(subject => !before.barred.has(subject)), moved }
    },
    note(directory, id, written) {
      const one = knownOf(directory)
      if (one === undefined) return NOTHING
      const before = one.all.get(id) ?? null
      const after = written === null ? null : entryOf(written)
      // A resource that is created again has a new time of creation.
      const isMoved = before?.value.createdAtMs !== after?.value.createdAtMs
      if (isMoved) one.all.delete(id)
      if (after !== null) one.all.set(id, after)
      const size = sum(sum(one.size, before, -1), after, 1)
      const isDamaged = one.isDamaged || isStandIn(after)
      put({ ...one, isMixed: one.isMixed || isMoved, size, isDamaged })
      const moved = movedBy(one, before?.value ?? null, after?.value ?? null)
      if (before?.value.kind === 'user') one.barred.delete(barredNameOf(before.value))
      if (after?.value.kind !== 'user' || !isBarredUser(after.value)) return { barred: [], moved }
      one.barred.add(barredNameOf(after.value))
      return { barred: isUnreadable(after.value) ? [] : [after.value.externalId], moved }
    },
    all(directory) {
      const one = knownOf(directory)
      if (one === undefined) return []
      if (one.isMixed) {
        // Nearly all are in their places already, so that this looks at each of them about once.
        const entries = [...one.all].sort(([, some], [, other]) => inOrder(some.value, other.value))
        one.all.clear()
        for (const [id, entry] of entries) one.all.set(id, entry)
        put({ ...one, isMixed: false })
      }
      return [...one.all.values()].map(({ value }) => value)
    },
    hasUsers(directory, ids) {
      const all = knownOf(directory)?.all
      return ids.every(id => all?.get(id)?.value.kind === 'user')
    },
    size: directory => knownOf(directory)?.size ?? EMPTY,
  }
}

function knownFrom(directory: Directory, kept: readonly Kept[], isLearnt: boolean): Known {
  const all = new Map<string, Entry>()
  const barred = new Set<string>()
  let size = EMPTY
  for (const one of kept) {
    const entry = entryOf(one)
    all.set(entry.value.id, entry)
    size = sum(size, entry, 1)
    if (entry.value.kind === 'user' && isBarredUser(entry.value)) barred.add(barredNameOf(entry.value))
  }
  const isDamaged = [...all.values()].some(isStandIn)
  return { directory, isLearnt, all, isMixed: true, size, barred, isDamaged, ...groupsIn(directory, all) }
}

function barredNameOf(user: PushedUser): string {
  return isUnreadable(user) ? user.id : user.externalId
}

function isStandIn(entry: Entry | null): boolean {
  return entry?.value.kind === 'user' && isUnreadable(entry.value)
}

function entryOf({ value, text }: Kept): Entry {
  return { value, bytes: Buffer.byteLength(text) }
}

function sum(size: DirectorySize, entry: Entry | null, sign: 1 | -1): DirectorySize {
  if (entry === null) return size
  const members = entry.value.kind === 'group' ? entry.value.members.length : 0
  return {
    resources: size.resources + sign,
    members: size.members + sign * members,
    bytes: size.bytes + sign * entry.bytes,
  }
}

function inOrder(one: Pushed, other: Pushed): number {
  return one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1)
}

/** What hangs on one that was written, in `holders` and `groups`; answers who is in other groups. */
function movedBy(one: Known, before: Pushed | null, after: Pushed | null): readonly string[] {
  // One that could not be read before has its name only now.
  const user = after?.kind === 'user' ? after : after === null && before?.kind === 'user' ? before : null
  if (user !== null) return place(one, after === null ? null : user.id, user.externalId)
  const touched = new Set<string>()
  const [from, to] = [heldBy(one.directory, before), heldBy(one.directory, after)]
  for (const [held, other, by] of [
    [from, to, -1],
    [to, from, 1],
  ] as const) {
    if (held === null) continue
    const stays = new Set(other?.name === held.name ? other.members : [])
    for (const id of held.members) {
      if (stays.has(id)) continue
      count(one.holders, held.name, id, by)
      touched.add(id)
    }
  }
  return [...touched].flatMap(id => {
    const value = one.all.get(id)?.value
    return value?.kind === 'user' ? place(one, id, value.externalId) : []
  })
}

/**
 * Computes a user's groups again; a removed user (`id` null) has none. Returns the subject where the groups have
 * changed.
 */
function place(one: Known, id: string | null, subject: string): readonly string[] {
  if (one.directory.groups === null) return []
  const before = one.groups.get(subject)
  if (id === null) one.groups.delete(subject)
  else {
    const groups = [...one.holders].flatMap(([name, holders]) => (holders.has(id) ? [name] : [])).sort()
    if (before !== undefined && isSame(before, groups)) return []
    one.groups.set(subject, groups.length === 0 ? NO_GROUPS : groups)
  }
  return [subject]
}

/** Whom a group puts into what rules call by a name; null for what is no group, and one that counts for nothing. */
function heldBy({ groups }: Directory, one: Pushed | null): { name: string; members: readonly string[] } | null {
  const name = one?.kind === 'group' ? groups?.get(one.displayName) : undefined
  return one?.kind !== 'group' || name === undefined ? null : { name, members: one.members }
}

function count(holders: Known['holders'], name: string, id: string, by: 1 | -1): void {
  const held = holders.get(name) ?? new Map<string, number>()
  holders.set(name, held)
  const number = (held.get(id) ?? 0) + by
  if (number > 0) held.set(id, number)
  else held.delete(id)
}

function groupsIn(directory: Directory, all: Known['all']): Pick<Known, 'holders' | 'groups'> {
  const holders: Known['holders'] = new Map()
  const groups = new Map<string, readonly string[]>()
  if (directory.groups === null) return { holders, groups }
  const found = new Map<string, string[]>()
  for (const { value } of all.values()) {
    if (value.kind === 'user') found.set(value.id, [])
  }
  for (const { value } of all.values()) {
    const held = heldBy(directory, value)
    for (const id of held?.members ?? []) count(holders, held?.name ?? '', id, 1)
  }
  for (const [name, held] of holders) for (const id of held.keys()) found.get(id)?.push(name)
  for (const { value } of all.values()) {
    if (value.kind === 'user') groups.set(value.externalId, found.get(value.id)?.sort() ?? NO_GROUPS)
  }
  return { holders, groups }
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((one, index) => one === others[index])
}

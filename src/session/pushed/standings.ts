import type { Identity } from '../../identity/identity.ts'
import { type Directory, isBarredUser, isOf, type Pushed } from './resource.ts'

/** Someone at a provider. */
export type Someone = Pick<Identity, 'provider' | 'issuer' | 'subject'>

/** Subjects of whom something else is true than before. */
export interface Learnt {
  /** They may not be signed in any more. */
  readonly barred: readonly string[]
  /** They are in other groups. */
  readonly moved: readonly string[]
}

/** What this process knows of directories: whom they bar, and who is in which group. */
export interface Standings {
  /** The directories of the file in force; what is known of those that stay stays. Answers those that have to be learnt. */
  configure(directories: readonly Directory[]): readonly Directory[]
  isBarred(someone: Someone): boolean
  /** Someone as their directory describes them: the same value where it says nothing else. */
  see(identity: Identity): Identity
  /** All of a directory, as the store has it. */
  learn(directory: Directory, all: readonly Pushed[]): Learnt
  /** One of a directory that has just been written; `barred` has whom that bars, barred before or not. */
  note(directory: Directory, one: Pushed | { readonly gone: string }): Learnt
}

interface Known {
  readonly directory: Directory
  isLearnt: boolean
  /** By id. */
  readonly all: Map<string, Pushed>
  barred: Set<string>
  /** By subject, what rules call the groups of everyone who was pushed; empty where groups are what is said at sign-in. */
  groups: Map<string, readonly string[]>
}

const NOTHING: Learnt = Object.freeze({ barred: [], moved: [] })

/** Before anything was pushed. */
export function createStandings(): Standings {
  let known: readonly Known[] = []

  function knownOf(someone: Pick<Someone, 'provider' | 'issuer'>): Known | undefined {
    return known.find(({ directory }) => isOf(directory, someone))
  }

  return {
    configure(directories) {
      const before = known
      known = directories.map(directory => {
        const { isLearnt, all, barred } = before.find(one => isOf(one.directory, directory)) ?? NEW
        const groups = groupsIn(directory, all.values())
        return { directory, isLearnt, all: new Map(all), barred: new Set(barred), groups }
      })
      return known.filter(({ isLearnt }) => !isLearnt).map(({ directory }) => directory)
    },
    isBarred(someone) {
      return known.length > 0 && knownOf(someone)?.barred.has(someone.subject) === true
    },
    see(identity) {
      const groups = known.length === 0 ? undefined : knownOf(identity)?.groups.get(identity.subject)
      return groups === undefined || isSame(groups, identity.groups) ? identity : Object.freeze({ ...identity, groups })
    },
    learn(directory, all) {
      const one = knownOf(directory)
      if (one === undefined) return NOTHING
      const before = one.barred
      one.isLearnt = true
      one.all.clear()
      for (const each of all) one.all.set(each.id, each)
      one.barred = barredIn(all)
      return { barred: [...one.barred].filter(subject => !before.has(subject)), moved: move(one) }
    },
    note(directory, written) {
      const one = knownOf(directory)
      if (one === undefined) return NOTHING
      if ('gone' in written) one.all.delete(written.gone)
      else one.all.set(written.id, written)
      const moved = move(one)
      if ('gone' in written || written.kind === 'group') return { barred: [], moved }
      if (isBarredUser(written)) one.barred.add(written.externalId)
      else one.barred.delete(written.externalId)
      return { barred: isBarredUser(written) ? [written.externalId] : [], moved }
    },
  }
}

const NEW: Omit<Known, 'directory' | 'groups'> = { isLearnt: false, all: new Map(), barred: new Set() }

/** Works the groups of a directory out anew; answers who is in others. */
function move(one: Known): readonly string[] {
  const before = one.groups
  one.groups = groupsIn(one.directory, one.all.values())
  return [...one.groups].flatMap(([subject, groups]) => {
    const known = before.get(subject)
    return known !== undefined && isSame(known, groups) ? [] : [subject]
  })
}

function barredIn(all: Iterable<Pushed>): Set<string> {
  const barred = new Set<string>()
  for (const one of all) if (one.kind === 'user' && isBarredUser(one)) barred.add(one.externalId)
  return barred
}

function groupsIn({ groups: names }: Directory, all: Iterable<Pushed>): Map<string, readonly string[]> {
  const found = new Map<string, string[]>()
  if (names === null) return found
  const each = [...all]
  const users = new Map<string, string>()
  for (const one of each) {
    if (one.kind !== 'user') continue
    users.set(one.id, one.externalId)
    found.set(one.externalId, [])
  }
  for (const one of each) {
    const name = one.kind === 'group' ? names.get(one.displayName) : undefined
    if (one.kind !== 'group' || name === undefined) continue
    for (const member of one.members) {
      const own = found.get(users.get(member) ?? '')
      if (own !== undefined && !own.includes(name)) own.push(name)
    }
  }
  for (const own of found.values()) own.sort()
  return found
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((one, index) => one === others[index])
}

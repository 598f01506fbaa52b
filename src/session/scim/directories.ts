/** The SCIM directories of the providers of a file, with their limits. Their endpoint is `portal/scim`. */

import type { Audit } from '../../audit/writer.ts'
import { errorFacts } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { eachOf } from '../../base/steps.ts'
import type { OwnerBoundTokens } from '../credentials/owner-bound-tokens.ts'
import { identityOf, ownerIdOf } from '../credentials/owners.ts'
import type { SessionMemory } from '../memory.ts'
import type { RecordStore, StoredPushed } from '../records.ts'
import { guarded } from '../rows.ts'
import type { Sessions } from '../session.ts'
import { isBarredUser } from './inactive.ts'
import {
  type Directory,
  directoryIdOf,
  isOf,
  type Kept,
  type Pushed,
  parseChangedId,
  parsePushed,
  resourceIdOf,
} from './resource.ts'
import type { DirectorySize, Learnt, ScimDirectory, Someone } from './scim-directory.ts'

export interface DirectoryTools {
  readonly store: RecordStore
  readonly ports: Pick<Ports, 'log'>
  readonly audit: Audit
  readonly scimDirectory: ScimDirectory
  readonly memory: Pick<SessionMemory, 'cache' | 'review' | 'forgetAll'>
  readonly ownerBound: Pick<OwnerBoundTokens, 'forgetAll' | 'forgetOwner' | 'suspend'>
  /** A session has ended: drop it from memory. */
  forget(sessionId: string): void
  readonly endFor: Sessions['endFor']
  /** Hears what other processes did up to now. */
  hearOthers(): Promise<void>
}

/**
 * SCIM directories for their endpoints. Throws `session.store`, and `session.end` where a user could not be signed
 * out.
 */
export interface Directories {
  /** The directory of a provider by the current file; null where it has no SCIM. */
  of(provider: string): Directory | null
  /**
   * All of a directory, oldest first, as it is in the store by now: of what is in memory, and so nothing is read again but what
   * others have written since.
   */
  list(directory: Directory): Promise<readonly Pushed[]>
  /** Whether these are ids of users of a directory, deleted ones among them. */
  hasUsers(directory: Directory, ids: readonly string[]): Promise<boolean>
  size(directory: Directory): Promise<DirectorySize>
  find(directory: Directory, id: string): Promise<Kept | null>
  /**
   * Replaces a resource that was read before (null: none), and applies it: a deactivated user is signed out
   * everywhere, even again. False, without a change, where another process has written it meanwhile.
   */
  replace(directory: Directory, before: Kept | null, after: Pushed | null): Promise<boolean>
}

/** The same with what is asked of everyone who comes. */
export interface SessionDirectories extends Directories, Pick<ScimDirectory, 'isBarred' | 'see'> {
  /** Whether a provider says that a user is not active, as read from the store: for a user who signs in right now. */
  isBarredNow(someone: Someone): Promise<boolean>
}

/** The same for the code that owns the sessions. */
export interface OwnDirectories extends SessionDirectories {
  configure(directories: readonly Directory[]): void
  /** Something is other in a directory, as was heard from another process: what `changedId` says. */
  hear(changedId: string): Promise<void>
  hearAll(): Promise<void>
  /** Reads what could not be read yet. */
  tend(): Promise<void>
  /** Whether there is any such thing. */
  readonly isBehind: boolean
  onStanding(listener: () => void): void
}

/** What follows from a change of a directory for its users: here at once, and for what is kept of them. */
function createConsequences(
  { store, scimDirectory, memory, ownerBound, forget, endFor }: DirectoryTools,
  tellStanding: () => void,
) {
  /**
   * Drops users whom a directory deactivates from memory, computes users with other groups again, and checks what both
   * have under way.
   */
  function apply(directory: Directory, { barred, moved }: Learnt): void {
    if (barred.length === 0 && moved.length === 0) return
    const others = new Set(moved)
    const ended = [...memory.cache.all()].filter(({ session: { identity } }) => scimDirectory.isBarred(identity))
    for (const { session } of ended) forget(session.id)
    memory.review(({ identity }) => others.has(identity.subject) && isOf(directory, identity))
    ownerBound.forgetAll()
    for (const subject of [...barred, ...moved]) {
      for (const portal of directory.portals) {
        ownerBound.forgetOwner(ownerIdOf({ portal, identity: { issuer: directory.issuer, subject } }))
      }
    }
    tellStanding()
  }

  /** Ends all that is kept of someone: sessions first, so that no token or link is made by one of them meanwhile. */
  async function endAll({ provider, issuer, portals }: Directory, subject: string): Promise<number> {
    const sessions = await endFor({ issuer, providers: [provider], subject, sid: null, isVerified: true })
    for (const portal of portals) {
      const owner = await guarded(() =>
        store.findRecord('owner', { id: ownerIdOf({ portal, identity: { issuer, subject } }) }),
      )
      const identity = owner === null ? null : identityOf(owner)
      if (identity?.provider === provider) await ownerBound.suspend({ portal, identity })
    }
    return sessions
  }

  return { apply, endAll }
}

/** Directories that are being read as a whole: their rows may be older than what was written or heard of meanwhile. */
function createReadings() {
  const readings = new Set<{ readonly directoryId: string; readonly later: Map<string, Kept | null> }>()

  return {
    /** Whether one is being read. */
    has: (directory: Directory) => [...readings].some(({ directoryId }) => directoryId === directoryIdOf(directory)),
    /** One of a directory as it is in the store now; null where it is gone. */
    note(directory: Directory, id: string, kept: Kept | null): void {
      const own = directoryIdOf(directory)
      for (const { directoryId, later } of readings) if (directoryId === own) later.set(id, kept)
    },
    /** Calls `take` with what was read, and what was noted since in place of that. */
    read(
      directory: Directory,
      read: () => MaybePromise<readonly StoredPushed[]>,
      take: (all: readonly Kept[]) => void,
    ): MaybePromise<void> {
      const rows = read()
      if (!(rows instanceof Promise)) return take(rows.map(keptFrom))
      const later = new Map<string, Kept | null>()
      const reading = { directoryId: directoryIdOf(directory), later }
      readings.add(reading)
      return rows.then(
        found => {
          readings.delete(reading)
          const older = found.map(keptFrom).filter(({ value }) => !later.has(value.id))
          take([...older, ...[...later.values()].filter(one => one !== null)])
        },
        (error: unknown) => {
          readings.delete(reading)
          throw error
        },
      )
    },
  }
}

/** Directories over a store. Whom they bar is known at once where the store answers at once, and else as soon as it does. */
export function createDirectories(tools: DirectoryTools): OwnDirectories {
  const { store, ports, scimDirectory, memory, ownerBound } = tools
  let directories: readonly Directory[] = []
  const unread = new Set<Directory>()
  const readings = createReadings()
  const listeners: (() => void)[] = []
  const { apply, endAll } = createConsequences(tools, tellStanding)

  function tellStanding(): void {
    for (const listener of listeners) listener()
  }

  function learn(directory: Directory): MaybePromise<void> {
    const rows = () => guarded(() => store.listRecords('pushed', directoryIdOf(directory)))
    return readings.read(directory, rows, all => {
      unread.delete(directory)
      apply(directory, scimDirectory.learn(directory, all))
    })
  }

  function note(directory: Directory, id: string, kept: Kept | null): Learnt {
    readings.note(directory, id, kept)
    return scimDirectory.note(directory, id, kept)
  }

  /** Each of them, whatever becomes of the others; throws what one of them has thrown. */
  const learnEach = (all: readonly Directory[]) => eachOf(all, async one => learn(one))

  /** Everything that is in the store by now is in memory. */
  async function caughtUp(directory: Directory): Promise<void> {
    await tools.hearOthers()
    for (const one of unread) if (isOf(one, directory)) await learn(one)
  }

  /** The one that was written, and nothing beside it. */
  async function learnOne(directory: Directory, id: string): Promise<void> {
    const kept = await find(directory, id)
    apply(directory, note(directory, id, kept))
  }

  async function find(directory: Directory, id: string): Promise<Kept | null> {
    const row = await guarded(() => store.findRecord('pushed', { directory: directoryIdOf(directory), id }))
    return row === null ? null : keptFrom(row)
  }

  return {
    of: provider => directories.find(one => one.provider === provider) ?? null,
    isBarred: scimDirectory.isBarred,
    see: scimDirectory.see,
    configure(next) {
      const isSame = JSON.stringify(next.map(shapeOf)) === JSON.stringify(directories.map(shapeOf))
      if (isSame) return
      directories = next
      unread.clear()
      for (const directory of scimDirectory.configure(next)) unread.add(directory)
      memory.forgetAll()
      ownerBound.forgetAll()
      for (const directory of [...unread]) readNow(() => learn(directory), ports)
      tellStanding()
    },
    async isBarredNow(someone) {
      const directory = directories.find(one => isOf(one, someone))
      if (directory === undefined) return false
      const kept = await find(directory, resourceIdOf('user', someone.subject))
      const isBarred = kept?.value.kind === 'user' && isBarredUser(kept.value)
      // Another process activated the user again a moment ago.
      if (!isBarred && scimDirectory.isBarred(someone)) await learn(directory)
      return isBarred
    },
    async list(directory) {
      await caughtUp(directory)
      return scimDirectory.all(directory)
    },
    async hasUsers(directory, ids) {
      await caughtUp(directory)
      return scimDirectory.hasUsers(directory, ids)
    },
    async size(directory) {
      await caughtUp(directory)
      return scimDirectory.size(directory)
    },
    find,
    async replace(directory, before, after) {
      const id = after?.id ?? before?.value.id
      if (id === undefined) throw new TypeError('nothing is put in place of nothing')
      const text = after === null ? null : after === before?.value ? before.text : JSON.stringify(after)
      if (text !== before?.text) {
        const key = { directory: directoryIdOf(directory), id }
        const written = await guarded(() =>
          store.changeRecord('pushed', key, found => {
            if ((found?.value ?? null) !== (before?.text ?? null)) return undefined
            return text === null ? null : { ...key, value: text }
          }),
        )
        if (written === undefined) return false
      }
      const learnt = note(directory, id, after === null || text === null ? null : { value: after, text })
      apply(directory, learnt)
      for (const subject of learnt.barred) {
        const sessions = await endAll(directory, subject)
        const facts = { provider: directory.provider, user: subject, by: 'provider', number: sessions }
        tools.audit.note('sign_out.inactive', facts)
      }
      return true
    },
    async hear(id) {
      const { directoryId, resourceId } = parseChangedId(id)
      const directory = directories.find(one => directoryIdOf(one) === directoryId)
      const isUnread = directory !== undefined && unread.has(directory)
      // What is unread is read as a whole in any case, and what is being read may be older.
      if (directory === undefined || (isUnread && !readings.has(directory))) return
      unread.add(directory)
      try {
        await (resourceId === null ? learn(directory) : learnOne(directory, resourceId))
      } catch (error) {
        unread.add(directory)
        throw error
      }
      if (!isUnread) unread.delete(directory)
    },
    async hearAll() {
      for (const directory of directories) unread.add(directory)
      await learnEach(directories)
    },
    tend: () => learnEach([...unread]),
    get isBehind() {
      return unread.size > 0
    },
    onStanding(listener) {
      listeners.push(listener)
    },
  }
}

function keptFrom({ id, value: text }: StoredPushed): Kept {
  return { value: parsePushed(text, id), text }
}

function shapeOf({ provider, issuer, portals, groups }: Directory): readonly unknown[] {
  return [provider, issuer, portals, groups === null ? null : [...groups]]
}

/** At once where that is possible; what fails is tried again, with all that is unread. */
function readNow(read: () => MaybePromise<void>, { log }: Pick<Ports, 'log'>): void {
  const failed = (error: unknown) => log.warn('What a provider has pushed cannot be read yet', errorFacts(error))
  try {
    const reading = read()
    if (reading instanceof Promise) reading.catch(failed)
  } catch (error) {
    failed(error)
  }
}

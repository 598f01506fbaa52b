/**
 * The session store on SQLite, shared by the workers of one machine: opens its database, or another one where that
 * was replaced or damaged.
 */

import { basename, dirname, resolve } from 'node:path'
import { errorFacts, GateError } from '../../base/errors.ts'
import { showsInFolder, watchFolder } from '../../base/folder-watch.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { fileFailed, isOfFullDisk, mayRecover } from '../disk-errors.ts'
import type { RecordName } from '../records.ts'
import type { SessionStore, StoredChanges } from '../store.ts'
import { isLocked } from './busy.ts'
import { damagedAt, fileAt, hasLog, setAsideOwn } from './companion-files.ts'
import type { SqliteStore } from './database.ts'
import { delegateTo } from './delegate.ts'
import {
  closeDatabase,
  leaveOverwritten,
  MEMORY,
  moveAside,
  type OpenDatabase,
  type OpenFile,
  openFirst,
  openLocked,
} from './open-file.ts'
import { createOverwritten } from './overwritten.ts'
import { makeDraft as draftHere, isDamaged, isWhole, type MakeDraft, OVERWRITTEN } from './replacement.ts'

/** Between the discovery of a replacement and its end, no process waits for another one that does the same. */
const REPLACING_TIMEOUT_MS = 2

/** All of a database is looked at that often at most, for a row that makes no sense: that takes a second for 200 MB. */
const DOUBT_MS = 60_000

/** Longer than others take to hear of an end. */
const RETOLD_MS = 60_000
const MOST_RETOLD = 5000

const INCOMPLETE: StoredChanges = Object.freeze({ removed: [], updated: [], isIncomplete: true })

/** Looks at the log come by so many calls too: work that lets no timer run writes to it all the same. */
const CALLS_BETWEEN_LOOKS = 256

export interface StoreOptions {
  readonly onReplaced?: ((store: SessionStore) => void) | undefined
  readonly makeDraft?: MakeDraft | undefined
  /** Looks at a database that was just opened, before anything is asked of it; throws where it is not to be used. */
  readonly admit?: ((store: SessionStore) => void) | undefined
  /** Whether a database is awaited that cannot be opened now, for a disk that is full or broken; until then every call throws. */
  readonly isPatient?: boolean | undefined
}

/**
 * A SessionStore in one SQLite file, in WAL mode; each write is acknowledged once it is on the disk (`Flushes`): so it
 * survives kill -9 and power loss.
 *
 * A damaged file, found at the start or later, is moved aside (name + `.damaged-TIME`) with a loud log, and a new one
 * is begun. Sessions in memory continue in it (`takeBack`); all other users sign in again. While the damaged file
 * exists, it may contain an unknown token or link: that is `session.store`, and not an unknown credential. Where the
 * file was removed or replaced, under a running program or before it starts, its companion files are set aside (name +
 * `.replaced-TIME`) and never played on the new one. A copy of a file of an older layout is kept (name + `.layout-N`).
 * `onReplaced` gets the store that replaced another. `makeDraft` checks all of a file that was copied over the
 * database, which takes its time.
 *
 * Throws `session.store` for a newer layout, a missing folder or a file that cannot be written. Where it is patient,
 * it waits for the conditions of `mayRecover`.
 */
export function openSqliteStore(
  path: string,
  ports: Pick<Ports, 'now' | 'log'>,
  { onReplaced, makeDraft = draftHere, admit, isPatient = false }: StoreOptions = {},
): SessionStore {
  /** Why it cannot be opened, as last logged; null where it can. */
  let told: string | null = null
  let cause: unknown
  let open = first()
  /** What others did that is in no database that is read from now on; null: nothing. */
  let unheard: StoredChanges | null = null
  /** The one that is open has yet to take what is in memory. */
  let isBegunAnew = false
  /** What this process has ended of late, and when. */
  const ended = new Map<string, number>()
  let doubtedAtMs = Number.NEGATIVE_INFINITY
  let damaged = damagedAt(path)
  let isClosed = false
  let closing: MaybePromise<void>
  let calls = 0
  const overwritten = createOverwritten(path, {
    ports,
    makeDraft,
    isOpen: file => open?.file === file && !isClosed,
    reopen: prepare => reopen(OVERWRITTEN, prepare),
  })

  function first(): OpenDatabase | null {
    try {
      return admitted(openFirst(path, ports))
    } catch (error) {
      if (!isPatient || !mayRecover(error, path)) throw error
      tellClosed('The session database cannot be opened: no user can sign in until then; it is tried again', error)
      return null
    }
  }

  /** Not for one that replaced another: the code that is notified checks it. What it writes is on the disk at once. */
  function admitted(opened: OpenDatabase): OpenDatabase {
    try {
      admit?.(opened.store)
      opened.file?.flushLater()
      return opened
    } catch (error) {
      void closeDatabase(opened, null)
      throw error
    }
  }

  /** Once for each reason, however often it is tried. */
  function tellClosed(what: string, error: unknown): void {
    cause = error
    const facts = errorFacts(error)
    const why = JSON.stringify(facts)
    if (why !== told) ports.log.error(what, { path, ...facts })
    told = why
  }

  /** What could not be opened at the start is opened once that can be done. */
  function openLate(): void {
    try {
      const opened = openLocked(path, ports, REPLACING_TIMEOUT_MS, () => true)
      if (opened === null) return
      open = admitted(opened)
      unheard = INCOMPLETE
      told = null
      ports.log.info('The session database is open', { path })
    } catch (error) {
      if (!isLocked(error)) tellClosed('The session database still cannot be opened', error)
    }
  }

  /**
   * The database at the path now replaces the open one. Where the open one was moved aside as damaged, by any process,
   * memory continues: changes of other processes are read as far as possible, and their authors report them again. A
   * failure is logged once and tried again later.
   */
  function reopen(why: string, prepare: () => boolean): void {
    try {
      hearLast()
      const next = openLocked(path, ports, REPLACING_TIMEOUT_MS, prepare)
      if (next === null) return
      damaged = damagedAt(path)
      const wasDamaged = damaged.some(isOpenAt)
      unheard = wasDamaged ? both(unheard, next.store.changesSinceBeginning()) : INCOMPLETE
      isBegunAnew = wasDamaged
      if (open !== null) void closeDatabase(open, overwritten.reading)
      open = next
      open.file?.flushLater()
      told = null
      overwritten.forget()
      // The process that moved it aside has logged that.
      if (!wasDamaged) ports.log.error(why, { path })
      onReplaced?.(open.store)
    } catch (error) {
      if (isLocked(error)) return
      tellClosed('The session database is lost, and no new one can be begun', error)
    }
  }

  /**
   * Whether the open database is at a path, with its log. Where another file was copied over it, the log is set aside,
   * and the sessions in memory are not carried over.
   */
  function isOpenAt(one: string): boolean {
    return open?.file != null && fileAt(one) === open.file.identity && hasLog(one, open.file.companions)
  }

  /** What others did up to now in the database that is open, which another takes the place of. */
  function hearLast(): void {
    try {
      if (open !== null) unheard = both(unheard, open.store.changesSince())
    } catch {
      // Where it cannot be read any more, only processes that had it in memory could write to it since. They report
      // their changes again.
    }
  }

  /** Other processes may not know yet that these have ended. */
  function noteEnded(ids: readonly string[]): void {
    const nowMs = ports.now()
    for (const id of ids) ended.set(id, nowMs)
    for (const [id, atMs] of ended) {
      if (nowMs - atMs < RETOLD_MS && ended.size <= MOST_RETOLD) break
      ended.delete(id)
    }
  }

  function failed(error: unknown): never {
    const file = open?.file ?? null
    if (open !== null && mayBeOverwritten(error) && file !== null && !isClosed) {
      if (isOverwritten(file)) withdraw()
      else if (isDamaged(error)) mend(open.database, file)
    }
    if (!isOfFullDisk(error)) throw error
    throw fileFailed(`the session database ${path} cannot be written`, path, error, 5)
  }

  function mend(database: OpenDatabase['database'], { identity }: OpenFile): void {
    reopen('The session database was replaced; who is not in the new one has to sign in again', () => {
      // Another process may have moved it aside already: the present file is not the damaged one.
      if (fileAt(path) !== identity) return true
      // Somebody wrote the same content to it a moment ago: what was read meanwhile is forgotten, and nothing is lost.
      database.run('PRAGMA shrink_memory')
      if (isWhole(database)) return false
      moveAside(path, ports)
      return true
    })
  }

  function isOverwritten({ identity, checkpoints }: OpenFile): boolean {
    return fileAt(path) === identity && checkpoints.isForeign()
  }

  function withdraw(): void {
    if (overwritten.isNoticed) return
    ports.log.error(
      'Another file is being copied over the session database: no user can sign in until the copy is complete',
      {
        path,
      },
    )
    overwritten.notice()
  }

  /** Looks whether the file is still there, and still ours; takes its log in where it is time to. */
  function watch(): void {
    if (open === null && !isClosed) openLate()
    if (damaged.length > 0) damaged = damagedAt(path)
    const file = open?.file ?? null
    if (file === null || isClosed) return
    if (fileAt(path) !== file.identity) {
      reopen('The session database was removed or replaced; who is not in the new one has to sign in again', () => {
        setAsideOwn(path, file.companions, ports)
        return true
      })
      return
    }
    if (!overwritten.isNoticed && file.checkpoints.isForeign()) withdraw()
    if (overwritten.isNoticed) overwritten.look(file)
    else tend(file)
  }

  function tend({ checkpoints }: OpenFile): void {
    try {
      checkpoints.tend()
    } catch (error) {
      if (isDamaged(error)) failed(error)
      ports.log.error('The log of the session database cannot be taken in', errorFacts(error))
    }
  }

  function run<T>(act: (store: SqliteStore) => MaybePromise<T>): MaybePromise<T> {
    if (overwritten.isNoticed) throw notWhole(path)
    if (open === null) throw notOpen(path, cause)
    try {
      calls++
      if (calls % CALLS_BETWEEN_LOOKS === 0 && open.file !== null && !isClosed) tend(open.file)
      const result = act(open.store)
      return result instanceof Promise ? result.catch(failed) : result
    } catch (error) {
      return failed(error)
    }
  }

  /** Who is in memory is not gone: they are written before anything else is said of them. */
  function runLater<T>(act: (store: SqliteStore) => MaybePromise<T>): MaybePromise<T> {
    if (isBegunAnew) throw notTaken(path)
    return run(act)
  }

  const takeBack: NonNullable<StoredChanges['takeBack']> = kept =>
    andThen(
      run(store => andThen(ended.size > 0 ? store.remove(...ended.keys()) : undefined, () => store.takeBack(kept))),
      gone => {
        isBegunAnew = false
        return gone
      },
    )

  /** What is not found may be in what was damaged. */
  const orDamaged = <T>(kind: RecordName, found: MaybePromise<T | null>): MaybePromise<T | null> =>
    andThen(found, one => {
      const [last] = damaged.slice(-1)
      if (one !== null || last === undefined || !(kind === 'token' || kind === 'link')) return one
      throw new GateError(
        'session.store',
        `it is not in the session database, and may be in ${last}, which is damaged`,
        {
          hint: 'put a backup in place (sallyport restore FILE), or move the damaged file out of its folder: then it is unknown',
          retryAfterS: 60,
        },
      )
    })

  return {
    ...delegateTo(run),
    remove(...ids) {
      noteEnded(ids)
      return run(store => store.remove(...ids))
    },
    touch: seen => runLater(store => store.touch(seen)),
    lease: (id, nowMs, untilMs) => runLater(store => store.lease(id, nowMs, untilMs)),
    findRecord: (kind, key) =>
      orDamaged(
        kind,
        run(store => store.findRecord(kind, key)),
      ),
    changeRecord: (kind, key, decide) =>
      andThen(
        run(store => store.changeRecord(kind, key, decide)),
        after => {
          if (after !== undefined || !('hash' in key)) return after
          return andThen(
            orDamaged(
              kind,
              run(store => store.findRecord(kind, key)),
            ),
            () => after,
          )
        },
      ),
    removeIssued(kind, id) {
      noteEnded([id])
      return run(store => store.removeIssued(kind, id))
    },
    changesSince() {
      watch()
      const changes = both(unheard, run(store => store.changesSince()) as StoredChanges)
      unheard = null
      return isBegunAnew ? { ...changes, takeBack } : changes
    },
    doubt() {
      const nowMs = ports.now()
      if (open?.file == null || isClosed || overwritten.isNoticed || nowMs - doubtedAtMs < DOUBT_MS) return
      doubtedAtMs = nowMs
      mend(open.database, open.file)
    },
    onWritten(listener) {
      if (path === MEMORY) return { isSure: true, close() {} }
      const file = resolve(path)
      // Only processes of this machine can write to a database in WAL mode (sqlite.org/wal.html): to its log, or over
      // the file.
      const folder = watchFolder(dirname(file), name => {
        // The event names the folder where the folder itself is moved.
        if (name === '' || name === basename(dirname(file)) || name.startsWith(basename(file))) listener()
      })
      const doesShow = showsInFolder(file)
      return {
        get isSure() {
          return doesShow && folder.isSure && !overwritten.isNoticed
        },
        close: folder.close,
      }
    },
    close() {
      if (isClosed) return closing
      isClosed = true
      if (open === null) return
      try {
        if (open.file !== null && isOverwritten(open.file)) leaveOverwritten(path, open.file, ports)
      } finally {
        closing = closeDatabase(open, overwritten.reading)
      }
      return closing
    },
  }
}

/** A page of another database, or none where one was. */
function mayBeOverwritten(error: unknown): boolean {
  return isDamaged(error) || (error instanceof Error && 'code' in error && error.code === 'SQLITE_IOERR_SHORT_READ')
}

/** What one store says, and then another. */
function both(first: StoredChanges | null, second: StoredChanges): StoredChanges {
  if (first === null) return second
  const ended = [...(first.ended ?? []), ...(second.ended ?? [])]
  return {
    removed: [...first.removed, ...second.removed],
    updated: [...first.updated, ...second.updated],
    ...(ended.length > 0 ? { ended } : {}),
    ...(first.isIncomplete === true || second.isIncomplete === true ? { isIncomplete: true } : {}),
  }
}

function notTaken(path: string): GateError {
  return new GateError('session.store', `${path} was created again, and does not have the sessions in memory yet`, {
    retryAfterS: 2,
  })
}

function notOpen(path: string, cause: unknown): GateError {
  return new GateError('session.store', `the session database ${path} is not open yet`, {
    cause,
    hint: 'the log says why it cannot be opened; it is tried again each second',
    retryAfterS: 5,
  })
}

function notWhole(path: string): GateError {
  return new GateError('session.store', `another file is being copied over ${path}, which is in use`, {
    hint: 'sallyport restore FILE puts a backup in place at one stroke',
    retryAfterS: 2,
  })
}

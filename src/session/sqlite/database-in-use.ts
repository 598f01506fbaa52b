/**
 * The database that a store is on: opens it, watches its file, and goes on with another one where that was replaced or
 * damaged.
 */

import { errorFacts, GateError } from '../../base/errors.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { fileFailed, isOfFullDisk, mayRecover } from '../disk-errors.ts'
import type { SessionStore, StoredChanges } from '../store.ts'
import { isLocked } from './busy.ts'
import type { TakeIn } from './checkpoints.ts'
import { damagedAt, fileAt, hasLog, isRestoredOver, setAsideOwn } from './companion-files.ts'
import type { SqliteStore } from './database.ts'
import {
  closeDatabase,
  type FilePorts,
  leaveOverwritten,
  moveAside,
  type OpenDatabase,
  type OpenFile,
  openFirst,
  openLocked,
} from './open-file.ts'
import { createOverwritten, type Overwritten } from './overwritten.ts'
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

/** How work that waits for the disk is done; what is absent is done here, where nothing else runs meanwhile. */
export interface DiskWork {
  /** Looks at all of a database that was copied over the one in use. */
  readonly makeDraft?: MakeDraft | undefined
  readonly takeIn?: TakeIn | undefined
}

export interface StoreOptions extends DiskWork {
  readonly onReplaced?: ((store: SessionStore) => void) | undefined
  /** Looks at a database that was just opened, before anything is asked of it; throws where it is not to be used. */
  readonly admit?: ((store: SessionStore) => void) | undefined
  /** Whether a database is awaited that cannot be opened now, for a disk that is full or broken; until then every call throws. */
  readonly isPatient?: boolean | undefined
}

/** What is asked runs on the database that is open by then. Pairs with `close`. */
export class DatabaseInUse {
  /** Files that were moved aside as damaged, the last one last. */
  damaged: readonly string[]
  readonly #path: string
  readonly #ports: FilePorts
  readonly #options: StoreOptions
  readonly #overwritten: Overwritten
  #open: OpenDatabase | null
  /** Why it cannot be opened, as last logged; null where it can. */
  #told: string | null = null
  #cause: unknown
  /** What others did that is in no database that is read from now on; null: nothing. */
  #unheard: StoredChanges | null = null
  /** The one that is open has yet to take what is in memory. */
  #isBegunAnew = false
  /** What this process has ended of late, and when. */
  readonly #ended = new Map<string, number>()
  #doubtedAtMs = Number.NEGATIVE_INFINITY
  #isClosed = false
  #closing: MaybePromise<void> = undefined
  #calls = 0

  constructor(path: string, ports: Pick<Ports, 'now' | 'log'>, options: StoreOptions) {
    this.#path = path
    this.#ports = { ...ports, takeIn: options.takeIn }
    this.#options = options
    this.#open = this.#first()
    this.damaged = damagedAt(path)
    this.#overwritten = createOverwritten(path, {
      ports,
      makeDraft: options.makeDraft ?? draftHere,
      isOpen: file => this.#open?.file === file && !this.#isClosed,
      reopen: prepare => this.#reopen(OVERWRITTEN, prepare),
    })
  }

  /** Whether all that is heard of the file is of the database that is open. */
  get isWhole(): boolean {
    return !this.#overwritten.isNoticed
  }

  run<T>(act: (store: SqliteStore) => MaybePromise<T>): MaybePromise<T> {
    if (this.#overwritten.isNoticed) throw notWhole(this.#path)
    if (this.#open === null) throw notOpen(this.#path, this.#cause)
    try {
      this.#calls++
      if (this.#calls % CALLS_BETWEEN_LOOKS === 0 && this.#open.file !== null && !this.#isClosed) {
        this.#tend(this.#open.file)
      }
      const result = act(this.#open.store)
      return result instanceof Promise ? result.catch((error: unknown) => this.#failed(error)) : result
    } catch (error) {
      return this.#failed(error)
    }
  }

  /** Who is in memory is not gone: they are written before anything else is said of them. */
  runLater<T>(act: (store: SqliteStore) => MaybePromise<T>): MaybePromise<T> {
    if (this.#isBegunAnew) throw notTaken(this.#path)
    return this.run(act)
  }

  /** Other processes may not know yet that these have ended. */
  noteEnded(ids: readonly string[]): void {
    const nowMs = this.#ports.now()
    for (const id of ids) this.#ended.set(id, nowMs)
    for (const [id, atMs] of this.#ended) {
      if (nowMs - atMs < RETOLD_MS && this.#ended.size <= MOST_RETOLD) break
      this.#ended.delete(id)
    }
  }

  /** Looks after the file, and reads what others have done. */
  changesSince(): StoredChanges {
    this.#watch()
    const changes = both(this.#unheard, this.run(store => store.changesSince()) as StoredChanges)
    this.#unheard = null
    return this.#isBegunAnew ? { ...changes, takeBack: kept => this.#takeBack(kept) } : changes
  }

  /** A row makes no sense. */
  doubt(): void {
    const nowMs = this.#ports.now()
    const open = this.#open
    if (open?.file == null || this.#isClosed || !this.isWhole || nowMs - this.#doubtedAtMs < DOUBT_MS) return
    this.#doubtedAtMs = nowMs
    this.#mend(open.database, open.file)
  }

  close(): MaybePromise<void> {
    if (this.#isClosed) return this.#closing
    this.#isClosed = true
    const open = this.#open
    if (open === null) return
    const taking = open.file?.checkpoints.taking ?? null
    if (taking === null) return this.#closeNow(open)
    this.#closing = taking.then(() => this.#closeNow(open))
    return this.#closing
  }

  #closeNow(open: OpenDatabase): MaybePromise<void> {
    try {
      if (open.file !== null && this.#isOverwritten(open.file)) leaveOverwritten(this.#path, open.file, this.#ports)
    } finally {
      this.#closing = closeDatabase(open, this.#overwritten.reading)
    }
    return this.#closing
  }

  #first(): OpenDatabase | null {
    try {
      return this.#admitted(openFirst(this.#path, this.#ports))
    } catch (error) {
      if (this.#options.isPatient !== true || !mayRecover(error, this.#path)) throw error
      this.#tellClosed(
        'The session database cannot be opened: no user can sign in until then; it is tried again',
        error,
      )
      return null
    }
  }

  /** Not for one that replaced another: the code that is notified checks it. What it writes is on the disk at once. */
  #admitted(opened: OpenDatabase): OpenDatabase {
    try {
      this.#options.admit?.(opened.store)
      opened.file?.flushLater()
      return opened
    } catch (error) {
      void closeDatabase(opened, null)
      throw error
    }
  }

  /** Once for each reason, however often it is tried. */
  #tellClosed(what: string, error: unknown): void {
    this.#cause = error
    const facts = errorFacts(error)
    const why = JSON.stringify(facts)
    if (why !== this.#told) this.#ports.log.error(what, { path: this.#path, ...facts })
    this.#told = why
  }

  /** What could not be opened at the start is opened once that can be done. */
  #openLate(): void {
    try {
      const opened = openLocked(this.#path, this.#ports, REPLACING_TIMEOUT_MS, () => true)
      if (opened === null) return
      this.#open = this.#admitted(opened)
      this.#unheard = INCOMPLETE
      this.#told = null
      this.#ports.log.info('The session database is open', { path: this.#path })
    } catch (error) {
      if (!isLocked(error)) this.#tellClosed('The session database still cannot be opened', error)
    }
  }

  /**
   * The database at the path now replaces the open one. Where the open one was moved aside as damaged, by any process,
   * memory continues: changes of other processes are read as far as possible, and their authors report them again. A
   * failure is logged once and tried again later.
   */
  #reopen(why: string, prepare: () => boolean): void {
    try {
      this.#hearLast()
      const next = openLocked(this.#path, this.#ports, REPLACING_TIMEOUT_MS, prepare)
      if (next === null) return
      this.damaged = damagedAt(this.#path)
      const wasDamaged = this.damaged.some(one => this.#isOpenAt(one))
      const isRestored = isRestoredOver(this.#path, this.#open?.file?.identity ?? null)
      this.#unheard = wasDamaged ? both(this.#unheard, next.store.changesSinceBeginning()) : INCOMPLETE
      this.#isBegunAnew = wasDamaged
      if (this.#open !== null) void closeDatabase(this.#open, this.#overwritten.reading)
      this.#open = next
      next.file?.flushLater()
      this.#told = null
      this.#overwritten.forget()
      // The process that moved it aside has logged that.
      if (!wasDamaged) this.#tellReplaced(why, isRestored)
      this.#options.onReplaced?.(next.store)
    } catch (error) {
      if (isLocked(error)) return
      this.#tellClosed('The session database is lost, and no new one can be begun', error)
    }
  }

  /** A backup in place of it is what an operator wanted; anything else is not what anybody meant. */
  #tellReplaced(why: string, isRestored: boolean): void {
    const { log } = this.#ports
    if (isRestored)
      log.info('The session database is a backup that was restored; who is not in it has to sign in again', {
        path: this.#path,
      })
    else log.error(why, { path: this.#path })
  }

  /**
   * Whether the open database is at a path, with its log. Where another file was copied over it, the log is set aside,
   * and the sessions in memory are not carried over.
   */
  #isOpenAt(one: string): boolean {
    const file = this.#open?.file
    return file != null && fileAt(one) === file.identity && hasLog(one, file.companions)
  }

  /** What others did up to now in the database that is open, which another takes the place of. */
  #hearLast(): void {
    try {
      if (this.#open !== null) this.#unheard = both(this.#unheard, this.#open.store.changesSince())
    } catch {
      // Where it cannot be read any more, only processes that had it in memory could write to it since. They report
      // their changes again.
    }
  }

  #failed(error: unknown): never {
    const open = this.#open
    if (mayBeOverwritten(error) && open?.file != null && !this.#isClosed) {
      if (this.#isOverwritten(open.file)) this.#withdraw()
      else if (isDamaged(error)) this.#mend(open.database, open.file)
    }
    if (!isOfFullDisk(error)) throw error
    throw fileFailed(`the session database ${this.#path} cannot be written`, this.#path, error, 5)
  }

  #mend(database: OpenDatabase['database'], { identity }: OpenFile): void {
    this.#reopen('The session database was replaced; who is not in the new one has to sign in again', () => {
      // Another process may have moved it aside already: the present file is not the damaged one.
      if (fileAt(this.#path) !== identity) return true
      // Somebody wrote the same content to it a moment ago: what was read meanwhile is forgotten, and nothing is lost.
      database.run('PRAGMA shrink_memory')
      if (isWhole(database)) return false
      moveAside(this.#path, this.#ports)
      return true
    })
  }

  #isOverwritten({ identity, checkpoints }: OpenFile): boolean {
    return fileAt(this.#path) === identity && checkpoints.isForeign()
  }

  #withdraw(): void {
    if (this.#overwritten.isNoticed) return
    this.#ports.log.error(
      'Another file is being copied over the session database: no user can sign in until the copy is complete',
      { path: this.#path },
    )
    this.#overwritten.notice()
  }

  /** Looks whether the file is still there, and still ours; takes its log in where it is time to. */
  #watch(): void {
    if (this.#open === null && !this.#isClosed) this.#openLate()
    if (this.damaged.length > 0) this.damaged = damagedAt(this.#path)
    const file = this.#open?.file ?? null
    if (file === null || this.#isClosed) return
    if (fileAt(this.#path) !== file.identity) {
      this.#reopen(
        'The session database was removed or replaced; who is not in the new one has to sign in again',
        () => {
          setAsideOwn(this.#path, file.companions, this.#ports)
          return true
        },
      )
      return
    }
    if (!this.#overwritten.isNoticed && file.checkpoints.isForeign()) this.#withdraw()
    if (this.#overwritten.isNoticed) this.#overwritten.look(file)
    else this.#tend(file)
  }

  #tend({ checkpoints }: OpenFile): void {
    try {
      checkpoints.tend()
    } catch (error) {
      if (isDamaged(error)) this.#failed(error)
      this.#ports.log.error('The log of the session database cannot be taken in', errorFacts(error))
    }
  }

  #takeBack(kept: Parameters<SqliteStore['takeBack']>[0]): MaybePromise<readonly string[]> {
    const taken = this.run(store =>
      andThen(this.#ended.size > 0 ? store.remove(...this.#ended.keys()) : undefined, () => store.takeBack(kept)),
    )
    return andThen(taken, gone => {
      this.#isBegunAnew = false
      return gone
    })
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

import { Database } from 'bun:sqlite'
import { chmodSync } from 'node:fs'
import { errorFacts, GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { type SessionStore, UNWRITABLE_HINT } from '../store.ts'
import { ATTEMPT_MS } from './busy.ts'
import {
  type Companions,
  closeDescriptor,
  fileAt,
  noteCompanions,
  renameDatabase,
  setAsideForeignLog,
  setAsideOwn,
} from './companion-files.ts'
import { copyDatabase } from './copy.ts'
import { storeOn } from './rows.ts'
import { LAYOUT, layoutOf, migrate } from './schema.ts'

/** While opening, another process may be bringing the layout up to date; nobody is served yet. */
const OPENING_TIMEOUT_MS = 2000

/** A store, and which file it is on: another one may come to lie at the path. */
interface OpenFile {
  readonly store: SessionStore
  readonly file: string | null
  readonly companions: Companions
}

/**
 * A SessionStore in one SQLite file, in WAL mode with full synchronisation: what was acknowledged survives kill -9 and power loss.
 *
 * A damaged file, found so at the start or later, is moved aside (name + `.damaged-TIME`) with a loud log, and a new one is
 * begun: everyone signs in again, nobody gets in. Where the file was removed or replaced, under a running program or before it
 * starts, what it left beside it is set aside (name + `.replaced-TIME`) and never played on the new one. A copy of a file of an
 * older layout is kept (name + `.layout-N`). `onReplaced` sees the store that took another's place.
 * Throws `session.store` for a newer layout, a folder that is missing or a file that cannot be written.
 */
export function openSqliteStore(
  path: string,
  ports: Pick<Ports, 'now' | 'log'>,
  onReplaced: (store: SessionStore) => void = () => {},
): SessionStore {
  let open = openFile(path, ports)
  let isAnother = false
  let isTold = false

  /** Whatever is at the path now takes the place of what is open. Where that fails, it is said once and tried again later. */
  function reopen(why: string, prepare: () => void): void {
    try {
      prepare()
      const next = openFile(path, ports)
      // Its file is no longer at the path: closing it writes nothing there and removes nothing.
      void open.store.close()
      open = next
      isAnother = true
      isTold = false
      ports.log.error(why, { path })
      onReplaced(open.store)
    } catch (error) {
      if (!isTold) ports.log.error('The session database is lost, and no new one can be begun', errorFacts(error))
      isTold = true
    }
  }

  function failed(error: unknown): never {
    if (isDamaged(error) && path !== MEMORY) {
      reopen('The session database was damaged while in use; everyone has to sign in again', () => {
        // Another process may have moved it aside already: what lies there now is not what is damaged.
        if (fileAt(path) === open.file) moveAside(path, ports)
      })
    }
    throw error
  }

  function run<T>(act: (store: SessionStore) => MaybePromise<T>): MaybePromise<T> {
    try {
      const result = act(open.store)
      return result instanceof Promise ? result.catch(failed) : result
    } catch (error) {
      return failed(error)
    }
  }

  return {
    insert: (session, handle) => run(store => store.insert(session, handle)),
    findHosts: sessionId => run(store => store.findHosts(sessionId)),
    addHandle: handle => run(store => store.addHandle(handle)),
    findByHash: hash => run(store => store.findByHash(hash)),
    findById: id => run(store => store.findById(id)),
    findBySubject: (issuer, subject) => run(store => store.findBySubject(issuer, subject)),
    findBySid: (issuer, sid) => run(store => store.findBySid(issuer, sid)),
    list: (portal, page) => run(store => store.list(portal, page)),
    update: (id, fields) => run(store => store.update(id, fields)),
    lease: (id, nowMs, untilMs) => run(store => store.lease(id, nowMs, untilMs)),
    release: id => run(store => store.release(id)),
    touch: seen => run(store => store.touch(seen)),
    remove: (...ids) => run(store => store.remove(...ids)),
    put: (record, limits) => run(store => store.put(record, limits)),
    take: (kind, hash, nowMs) => run(store => store.take(kind, hash, nowMs)),
    peek: (kind, hash, nowMs) => run(store => store.peek(kind, hash, nowMs)),
    readShared: name => run(store => store.readShared(name)),
    replaceShared: (name, before, after) => run(store => store.replaceShared(name, before, after)),
    insertToken: token => run(store => store.insertToken(token)),
    findToken: hash => run(store => store.findToken(hash)),
    findTokenById: id => run(store => store.findTokenById(id)),
    listTokens: portal => run(store => store.listTokens(portal)),
    removeToken: id => run(store => store.removeToken(id)),
    insertLink: link => run(store => store.insertLink(link)),
    findLink: hash => run(store => store.findLink(hash)),
    findLinkById: id => run(store => store.findLinkById(id)),
    listLinks: portal => run(store => store.listLinks(portal)),
    useLink: (hash, nowMs) => run(store => store.useLink(hash, nowMs)),
    removeLink: id => run(store => store.removeLink(id)),
    keepOwner: owner => run(store => store.keepOwner(owner)),
    findOwner: id => run(store => store.findOwner(id)),
    noteOwner: (id, note) => run(store => store.noteOwner(id, note)),
    purge: (nowMs, idleBeforeMs) => run(store => store.purge(nowMs, idleBeforeMs)),
    changesSince() {
      if (open.file !== null && fileAt(path) !== open.file) {
        reopen('The session database was removed or replaced; who is not in the new one has to sign in again', () =>
          setAsideOwn(path, open.companions, ports),
        )
      }
      if (!isAnother) return run(store => store.changesSince())
      isAnother = false
      return { removed: [], updated: [], isIncomplete: true }
    },
    close: () => open.store.close(),
  }
}

const MEMORY = ':memory:'

function openFile(path: string, ports: Pick<Ports, 'now' | 'log'>): OpenFile {
  const isInMemory = path === MEMORY
  let kept: number | null = null
  try {
    kept = isInMemory ? null : setAsideForeignLog(path, ports)
    const store = storeOn(openOrReplace(path, ports))
    return {
      store: closingAfter(store, kept),
      file: isInMemory ? null : fileAt(path),
      companions: isInMemory ? NO_COMPANIONS : noteCompanions(path),
    }
  } catch (error) {
    closeDescriptor(kept)
    throw openFailed(path, error)
  }
}

const NO_COMPANIONS: Companions = { log: null, index: null }

function closingAfter(store: SessionStore, kept: number | null): SessionStore {
  if (kept === null) return store
  let isClosed = false
  return {
    ...store,
    close() {
      void store.close()
      if (!isClosed) closeDescriptor(kept)
      isClosed = true
    },
  }
}

function openOrReplace(path: string, ports: Pick<Ports, 'now' | 'log'>): Database {
  try {
    return openDatabase(path)
  } catch (error) {
    if (!isDamaged(error) || path === MEMORY) throw error
    moveAside(path, ports)
    return openDatabase(path)
  }
}

function moveAside(path: string, ports: Pick<Ports, 'now' | 'log'>): void {
  const aside = `${path}.damaged-${ports.now()}`
  renameDatabase(path, aside)
  ports.log.error('The session database is damaged and was moved aside; everyone has to sign in again', { path, aside })
}

function openDatabase(path: string): Database {
  const database = new Database(path, { create: true, strict: true })
  try {
    database.run(`PRAGMA busy_timeout = ${OPENING_TIMEOUT_MS}`)
    const layout = layoutOf(database)
    if (layout > LAYOUT) {
      throw new GateError(
        'session.store',
        `${path} was written by a newer Sallyport (layout ${layout}, this one knows ${LAYOUT})`,
        {
          hint: 'run the newer version, or give [sessions] store another path',
        },
      )
    }
    database.run('PRAGMA journal_mode = WAL')
    database.run('PRAGMA synchronous = FULL')
    database.run('PRAGMA foreign_keys = ON')
    if (path !== MEMORY) chmodSync(path, 0o600)
    if (layout < LAYOUT) {
      if (layout > 0) keepCopy(database, `${path}.layout-${layout}`)
      migrate(database)
    }
    database.run(`PRAGMA busy_timeout = ${ATTEMPT_MS}`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** For whoever goes back to the version before; of several processes, or attempts, the first has kept it. */
function keepCopy(database: Database, to: string): void {
  try {
    copyDatabase(database, to)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

/** SQLITE_CORRUPT and its kin, and SQLITE_NOTADB (sqlite.org/rescode.html). */
function isDamaged(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^SQLITE_(?:CORRUPT|NOTADB)/.test(String(error.code))
}

function openFailed(path: string, error: unknown): GateError {
  if (error instanceof GateError) return error
  return new GateError('session.store', `the session database ${path} cannot be opened`, {
    cause: error,
    hint: UNWRITABLE_HINT,
  })
}

/** Puts a copy or a backup in place of a database, step by step. */

import { Database } from 'bun:sqlite'
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { setAsideLog, whoseLog } from './companion-files.ts'
import { giveLike } from './create-beside.ts'
import { syncFile } from './location.ts'

/** The message in every place that notices it. */
export const OVERWRITTEN =
  'The session database was overwritten by another file; its old log is set aside, and who is not in the new one has to sign in again'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants

/** Bytes copied at a time. */
const CHUNK = 1 << 20

/** Five seconds, while no request is served yet, or any more. */
const ATTEMPTS = 20
const PAUSE_MS = 250

/**
 * Puts a draft in place of a database. The files beside the database have to be gone between the two steps
 * (`setAside`): a program that opens the new file must never meet the old log.
 */
export function putInPlace(draft: string, path: string, setAside: () => void): void {
  const file = openSync(draft, O_RDONLY | O_NOFOLLOW)
  try {
    giveLike(path, file)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  setAside()
  renameSync(draft, path)
  syncFile(dirname(path))
}

/**
 * Makes a separate database of a file that was copied over one, in the same file (`file` is a descriptor of it). The
 * new file has the same content, and no process has it open. It replaces the file that some processes have open, and
 * the previous log is set aside.
 *
 * Only as a whole: `changing` while it is still being written, `damaged` where it is inconsistent; both change
 * nothing. The caller has locked the database. Throws what the system throws.
 */
function takeOver(path: string, file: number, ports: Pick<Ports, 'now' | 'log'>): 'done' | Exclude<Found, 'whole'> {
  const draft = `${path}.overwritten.${crypto.randomUUID()}.new`
  try {
    const found = makeDraft(file, draft)
    if (found !== 'whole') return found
    putDraft(draft, path, ports)
    return 'done'
  } finally {
    discardDraft(draft)
  }
}

/** What a look at all of a file finds: that it holds together, that it does not, or that somebody is writing to it. */
export type Found = 'whole' | 'changing' | 'damaged'

/** Copies an open file (a descriptor of it) to a draft, and looks at all of that. Throws, or rejects with, what the system throws. */
export type MakeDraft = (file: number, draft: string) => MaybePromise<Found>

/** The same here: a second for 200 MB, which nothing else runs in. Pairs with `discardDraft`. */
export function makeDraft(file: number, draft: string): Found {
  const before = stampOf(file)
  copy(file, draft)
  if (stampOf(file) !== before) return 'changing'
  // SQLite takes an empty file for a whole database; here it is one that somebody has not begun to write to.
  if (fstatSync(file).size === 0 || !isWholeFile(draft)) return 'damaged'
  syncFile(draft)
  return 'whole'
}

/** Replaces a file with a complete draft of it. The caller holds the lock. */
export function putDraft(draft: string, path: string, ports: Pick<Ports, 'now' | 'log'>): void {
  putInPlace(draft, path, () => setAsideLog(path, ports))
}

/** Nothing is left of a draft, unless it was put in place. */
export function discardDraft(draft: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(draft + suffix, { force: true })
}

/**
 * The same for who can wait: for somebody who is still copying, and whether what does not hold together is still being written.
 *
 * `changing` where that does not end. Blocks the event loop.
 */
export function takeOverPatiently(
  path: string,
  file: number,
  ports: Pick<Ports, 'now' | 'log'>,
): 'done' | Exclude<Found, 'whole'> {
  ports.log.error(OVERWRITTEN, { path })
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stamp = stampOf(file)
    const result = takeOver(path, file, ports)
    if (result === 'done') return result
    Bun.sleepSync(PAUSE_MS)
    if (result === 'damaged' && stampOf(file) === stamp) return result
  }
  return 'changing'
}

/**
 * Ensures that a database which is about to be opened does not meet the log of another.
 *
 * `damaged` where the file that was copied over it is inconsistent: nothing was changed then. The caller has locked
 * the database. Throws `session.store` where the copying does not end, and what the system throws.
 */
export function settleFiles(path: string, ports: Pick<Ports, 'now' | 'log'>): 'ready' | 'damaged' {
  const whose = whoseLog(path)
  if (whose === 'replaced') setAsideLog(path, ports)
  if (whose !== 'overwritten') return 'ready'
  const file = openSync(path, 'r')
  try {
    const result = takeOverPatiently(path, file, ports)
    if (result !== 'changing') return result === 'done' ? 'ready' : result
  } finally {
    closeSync(file)
  }
  throw new GateError('session.store', `${path} is being written by another program`, {
    hint: 'wait for it to end; sallyport restore FILE puts a backup in place at one stroke',
  })
}

/** Changes whenever somebody writes to an open file. */
export function stampOf(file: number): string {
  const { size, mtimeNs } = fstatSync(file, { bigint: true })
  return `${size}:${mtimeNs}`
}

/** Whether all of an open database holds together. */
export function isWhole(database: Database): boolean {
  try {
    const row = database.query<{ integrity_check: string }, []>('PRAGMA integrity_check(1)').get()
    return row?.integrity_check === 'ok'
  } catch (error) {
    if (isDamaged(error)) return false
    throw error
  }
}

/** SQLITE_CORRUPT and its kin, and SQLITE_NOTADB (sqlite.org/rescode.html). */
export function isDamaged(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^SQLITE_(?:CORRUPT|NOTADB)/.test(String(error.code))
}

function isWholeFile(path: string): boolean {
  const database = new Database(path, { readwrite: true, create: false, strict: true })
  try {
    if (!isWhole(database)) return false
    // Then no log of this database is left beside it.
    database.run('PRAGMA journal_mode = DELETE')
    return true
  } finally {
    database.close()
  }
}

/** By the descriptor: opening the file again and closing it would release SQLite's locks on it. */
function copy(file: number, to: string): void {
  const target = openSync(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    copyBytes(file, target)
  } finally {
    closeSync(target)
  }
}

/** Copies all of an open file to another, by their descriptors. */
export function copyBytes(file: number, target: number): void {
  const chunk = Buffer.alloc(CHUNK)
  for (let at = 0; ; ) {
    const count = readSync(file, chunk, 0, CHUNK, at)
    if (count === 0) return
    for (let written = 0; written < count; ) {
      written += writeSync(target, chunk, written, count - written, at + written)
    }
    at += count
  }
}

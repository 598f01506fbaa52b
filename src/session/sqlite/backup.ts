/** Backs up the session database while it is in use, and checks a backup. */

import { Database } from 'bun:sqlite'
import { closeSync, constants, existsSync, fsyncSync, linkSync, openSync, rmSync } from 'node:fs'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { KEY_NAME } from '../store-key.ts'
import { renameCompanions } from './companion-files.ts'
import { copyDatabase } from './copy.ts'
import { createBeside } from './create-beside.ts'
import { locked } from './lock.ts'
import { copyBytes, isWhole, putInPlace, settleFiles } from './replacement.ts'
import { isOurs, LAYOUT, layoutOf } from './schema.ts'

const { O_NOFOLLOW, O_RDONLY } = constants

/** A gate that writes is waited for so long. */
const TIMEOUT_MS = 5000

/**
 * Copies the session database at a path to a file that is not there yet, mode 0600, also while a gate writes to it. Or to an empty
 * file that is open for writing, by its descriptor, which then has it as far as it went where that fails.
 *
 * Throws what SQLite or the system throws, `EEXIST` among it.
 */
export function backUpDatabase(path: string, to: string | number, ports: Pick<Ports, 'now' | 'log'>): void {
  const database = locked(path, TIMEOUT_MS, () => {
    if (settleFiles(path, ports) === 'damaged') throw refused(path, 'is damaged')
    const opened = new Database(path, { readwrite: true, create: false, strict: true })
    opened.run(`PRAGMA busy_timeout = ${TIMEOUT_MS}`)
    return opened
  })
  try {
    if (typeof to === 'string') copyDatabase(database, to)
    else copyInto(database, path, to)
  } finally {
    database.close()
  }
}

/** SQLite writes only to paths, so a whole copy is beside the database for a moment. */
function copyInto(database: Database, path: string, target: number): void {
  const draft = `${path}.${crypto.randomUUID()}.copy.new`
  copyDatabase(database, draft)
  try {
    const file = openSync(draft, O_RDONLY | O_NOFOLLOW)
    try {
      copyBytes(file, target)
      fsyncSync(target)
    } finally {
      closeSync(file)
    }
  } finally {
    rmSync(draft, { force: true })
  }
}

/** A backup that was read to its end, as a draft beside the database that it is for. Pairs with `discard`. */
export interface CheckedBackup {
  /** What the key hashes to that it was sealed with (`printOf`); null where it does not say. */
  readonly keyPrint: string | null
  /** Replaces the database with it; returns the new path of the old database, null where there was none. */
  putInPlace(): string | null
  discard(): void
}

/** The open files of a backup, by their descriptors. Who opens them closes them. */
export interface BackupFiles {
  readonly database: number
  /** The log that was copied with it; null where there is none. */
  readonly log: number | null
  readonly shownAs: string
}

/**
 * Reads a backup: a file that `backUpDatabase` made, or a plain copy, together with the log where one was copied with it.
 *
 * The backup itself stays as it is. Throws `session.store` for a file that is damaged, of a newer layout, or of something else.
 */
export function openBackup(from: BackupFiles, path: string, ports: Pick<Ports, 'now'>): CheckedBackup {
  const draft = `${path}.${crypto.randomUUID()}.new`
  const discard = () => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(draft + suffix, { force: true })
  }
  try {
    copyBeside(path, from.database, draft)
    if (from.log !== null) copyBeside(path, from.log, `${draft}-wal`)
    const keyPrint = checkCopy(draft, from.shownAs)
    return { keyPrint, discard, putInPlace: () => replace(draft, path, ports) }
  } catch (error) {
    discard()
    if (error instanceof GateError) throw error
    throw new GateError('session.store', `${from.shownAs} cannot be read as a backup`, { cause: error })
  }
}

function copyBeside(database: string, file: number, to: string): void {
  const target = createBeside(database, to)
  try {
    copyBytes(file, target)
  } finally {
    closeSync(target)
  }
}

/** Looks at all of a copy, and takes its log in. */
function checkCopy(draft: string, shownAs: string): string | null {
  const database = new Database(draft, { readwrite: true, create: false, strict: true })
  try {
    const layout = layoutOf(database)
    if (layout === 0 || !isOurs(database)) throw refused(shownAs, 'is not a session database')
    if (layout > LAYOUT) throw refused(shownAs, `was written by a newer Sallyport (layout ${layout}, not ${LAYOUT})`)
    if (!isWhole(database)) throw refused(shownAs, 'is damaged')
    database.run('PRAGMA journal_mode = DELETE')
    const hasShared = database.query("SELECT 1 FROM sqlite_schema WHERE name = 'shared'").get() !== null
    if (!hasShared) return null
    const row = database.query<{ value: string }, [string]>('SELECT value FROM shared WHERE name = ?').get(KEY_NAME)
    return row?.value ?? null
  } finally {
    database.close()
  }
}

function refused(shownAs: string, why: string): GateError {
  return new GateError('session.store', `${shownAs} ${why}`, { hint: 'nothing was changed; give another backup' })
}

function replace(draft: string, path: string, { now }: Pick<Ports, 'now'>): string | null {
  return locked(path, TIMEOUT_MS, () => {
    const aside = existsSync(path) ? `${path}.replaced-${now()}` : null
    putInPlace(draft, path, () => {
      if (aside !== null) linkSync(path, aside)
      renameCompanions(path, aside ?? `${path}.replaced-${now()}`)
    })
    return aside
  })
}

/** `sallyport.db-place`: a note of which database is here, so that a log of another one is recognised. */

import {
  type BigIntStats,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { createBeside } from './create-beside.ts'

/** A mark that a database has had in its header, or will have after the checkpoint that is under way. */
export interface Mark {
  /** Counts up: a database never returns to an earlier one on its own. */
  readonly at: number
  readonly id: number
}

/** Which log belongs to which database, in a file (NAME-place) that is read when they are opened after a crash. */
export interface DatabaseLocation {
  /** Both as `identityOf` names them. */
  readonly database: string
  readonly log: string
  /** Oldest first; none from a version that did not know them. */
  readonly marks: readonly Mark[]
}

const PLACE = '-place'

/** Two files, then marks with their numbers. */
const SHAPE = /^\d+:\d+ \d+:\d+( \d+\/-?\d+)*$/

/**
 * Identifies a file by its inode and its time of creation, since inode numbers are reused. Without the device, whose
 * number may change when the machine restarts.
 */
export function identityOf({ ino, birthtimeNs }: Pick<BigIntStats, 'ino' | 'birthtimeNs'>): string {
  return `${ino}:${birthtimeNs}`
}

/** What was written down beside a database; null where nothing was that can be read. */
export function readPlace(path: string): DatabaseLocation | null {
  if (!existsSync(path + PLACE)) return null
  const text = readFileSync(path + PLACE, 'utf8')
  if (!SHAPE.test(text)) return null
  const [database = '', log = '', ...marks] = text.split(' ')
  return { database, log, marks: marks.map(parseMark) }
}

/** Which file that is: another one after every change; null where there is none. */
export function placeAt(path: string): string | null {
  const stat = statSync(path + PLACE, { throwIfNoEntry: false, bigint: true })
  return stat === undefined ? null : identityOf(stat)
}

/**
 * Writes it down, as a whole, and on the disk before it returns: no mark may be in a database that is not in here.
 * Only the one process that may write to the database calls it.
 *
 * False on a full disk; throws other errors of the system.
 */
export function writePlace(path: string, { database, log, marks }: DatabaseLocation): boolean {
  const draft = `${path}${PLACE}.${crypto.randomUUID()}.new`
  try {
    const file = createBeside(path, draft)
    try {
      writeSync(file, [database, log, ...marks.map(({ at, id }) => `${at}/${id}`)].join(' '))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(draft, path + PLACE)
    syncFile(dirname(path))
    return true
  } catch (error) {
    rmSync(draft, { force: true })
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false
    throw error
  }
}

/** Puts a file, or the names in a folder, on the disk. */
export function syncFile(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function parseMark(text: string): Mark {
  const [at, id] = text.split('/')
  return { at: Number(at), id: Number(id) }
}

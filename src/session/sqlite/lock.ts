/** A lock on the files of a database, between processes. */

import { constants, Database } from 'bun:sqlite'
import { closeSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { createBeside } from './create-beside.ts'

const { SQLITE_OPEN_NOFOLLOW, SQLITE_OPEN_READWRITE } = constants

/**
 * Runs `act` on the files of a database while no other process opens or changes them; returns its result.
 *
 * Bun has no file locks, so it uses SQLite's lock on an empty database beside this one (NAME-lock). A killed process
 * releases it. Throws SQLITE_BUSY after `waitMs`, which block the event loop, and what `act` throws.
 */
export function locked<T>(path: string, waitMs: number, act: () => T): T {
  // SQLite refuses a link anywhere in a path where none is to be followed: those on the way to the folder are the operator's.
  const file = join(realpathSync(dirname(path)), `${basename(path)}-lock`)
  makeLock(path, file)
  const lock = new Database(file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW)
  try {
    lock.run(`PRAGMA busy_timeout = ${waitMs}`)
    lock.run('BEGIN EXCLUSIVE')
    return act()
  } finally {
    lock.close()
  }
}

function makeLock(database: string, path: string): void {
  try {
    closeSync(createBeside(database, path))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

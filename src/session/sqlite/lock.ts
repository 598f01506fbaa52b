import { constants, Database } from 'bun:sqlite'
import { closeSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { createBeside } from './owner.ts'

const { SQLITE_OPEN_NOFOLLOW, SQLITE_OPEN_READWRITE } = constants

/**
 * Does something to the files of a database while no other process opens them or does such a thing; answers what it answers.
 *
 * Bun has no locks on files of its own: an empty database beside ours (NAME-lock) has SQLite's. Whoever is killed gives it up.
 * Throws SQLITE_BUSY after `waitMs`, which block the event loop, and what `act` throws.
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

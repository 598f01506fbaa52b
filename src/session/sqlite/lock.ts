import { Database } from 'bun:sqlite'
import { belongLike } from './owner.ts'

/**
 * Does something to the files of a database while no other process opens them or does such a thing; answers what it answers.
 *
 * Bun has no locks on files of its own: an empty database beside ours (NAME-lock) has SQLite's. Whoever is killed gives it up.
 * Throws SQLITE_BUSY after `waitMs`, which block the event loop, and what `act` throws.
 */
export function locked<T>(path: string, waitMs: number, act: () => T): T {
  const lock = new Database(`${path}-lock`, { create: true, strict: true })
  try {
    belongLike(path, `${path}-lock`)
    lock.run(`PRAGMA busy_timeout = ${waitMs}`)
    lock.run('BEGIN EXCLUSIVE')
    return act()
  } finally {
    lock.close()
  }
}

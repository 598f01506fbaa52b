/** Copies an open database. */

import type { Database } from 'bun:sqlite'
import { closeSync, constants, existsSync, fsyncSync, linkSync, openSync, rmSync } from 'node:fs'

const { O_NOFOLLOW, O_RDWR } = constants

/**
 * Writes a whole copy of an open database to a path where nothing is yet, mode 0600; what is in its log is in it.
 *
 * The copy is one file, of one moment, also while others write; it appears as a whole and on the disk. Throws what SQLite or
 * the system throws, `EEXIST` among it.
 */
export function copyDatabase(database: Database, to: string): void {
  if (existsSync(to)) throw Object.assign(new Error(`${to} exists`), { code: 'EEXIST' })
  const draft = `${to}.${crypto.randomUUID()}.new`
  try {
    // SQLite fills a file that is empty, and leaves its mode as it is.
    closeSync(openSync(draft, 'wx', 0o600))
    database.query('VACUUM INTO ?').run(draft)
    const file = openSync(draft, O_RDWR | O_NOFOLLOW)
    fsyncSync(file)
    closeSync(file)
    linkSync(draft, to)
  } finally {
    rmSync(draft, { force: true })
  }
}

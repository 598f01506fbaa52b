import { Database, SQLiteError } from 'bun:sqlite'
import { readdirSync } from 'node:fs'
import type { SessionStore } from '../../../src/session/store.ts'
import { storedSession } from './stored.ts'

/** Adds a session that is found by `h-` and its id. */
export async function addSession(store: SessionStore, id: string): Promise<void> {
  await store.insert(storedSession(id), { hash: `h-${id}`, sessionId: id, host: 'x' })
}

/** Makes a whole copy, as SQLite does: one file, without a log beside it. */
export function vacuumInto(path: string, to: string): void {
  const database = new Database(path)
  database.query('VACUUM INTO ?').run(to)
  database.close()
}

/** Whether all of a database holds together; of one that was torn by a copy SQLite may be unable to say what is wrong. */
export function isWholeFile(path: string): boolean {
  const database = new Database(path)
  try {
    const row = database.query<{ integrity_check: string }, []>('PRAGMA integrity_check').get()
    return row?.integrity_check === 'ok'
  } catch (error) {
    if (error instanceof SQLiteError && /^SQLITE_(?:CORRUPT|NOTADB)/.test(error.code ?? '')) return false
    throw error
  } finally {
    database.close()
  }
}

/** What was set aside in a folder: `replaced`, or `damaged`. */
export function asides(folder: string, what: 'replaced' | 'damaged'): readonly string[] {
  return readdirSync(folder).filter(name => name.includes(`.${what}-`))
}

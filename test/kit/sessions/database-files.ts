import { Database } from 'bun:sqlite'
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

/** Whether all of a database holds together. */
export function isWholeFile(path: string): boolean {
  const database = new Database(path)
  const row = database.query<{ integrity_check: string }, []>('PRAGMA integrity_check').get()
  database.close()
  return row?.integrity_check === 'ok'
}

/** What was set aside in a folder: `replaced`, or `damaged`. */
export function asides(folder: string, what: 'replaced' | 'damaged'): readonly string[] {
  return readdirSync(folder).filter(name => name.includes(`.${what}-`))
}

import type { Database } from 'bun:sqlite'
import type { SessionStore } from '../../store.ts'
import type { BusyRetry } from '../busy.ts'

/** What of a SessionStore is about values that all processes share. */
export type SharedStore = Pick<SessionStore, 'readShared' | 'replaceShared'>

/** The shared values of an open database. */
export function sharedOn(database: Database, retryBusy: BusyRetry): SharedStore {
  const byName = database.query<{ value: string }, [string]>('SELECT value FROM shared WHERE name = ?')
  const insert = database.query('INSERT INTO shared (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING')
  const update = database.query('UPDATE shared SET value = ?3 WHERE name = ?1 AND value = ?2')
  return {
    readShared: name => byName.get(name)?.value ?? null,
    replaceShared: retryBusy((name: string, before: string | null, after: string) => {
      const done = before === null ? insert.run(name, after) : update.run(name, before, after)
      return done.changes > 0
    }),
  }
}

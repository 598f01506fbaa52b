import type { Database } from 'bun:sqlite'
import type { ScimStore } from '../../store.ts'
import type { BusyRetry } from '../busy.ts'

/** What providers have pushed into an open database. `tellChanged` lets other processes know of one. */
export function pushedOn(database: Database, retryBusy: BusyRetry, tellChanged: (id: string) => void): ScimStore {
  const all = database.query<{ value: string }, [string]>('SELECT value FROM pushed WHERE directory = ?')
  const one = database.query<{ value: string }, [string, string]>(
    'SELECT value FROM pushed WHERE directory = ? AND id = ?',
  )
  const insert = database.query('INSERT INTO pushed (directory, id, value) VALUES (?1, ?2, ?3)')
  const update = database.query('UPDATE pushed SET value = ?3 WHERE directory = ?1 AND id = ?2')
  const remove = database.query('DELETE FROM pushed WHERE directory = ? AND id = ?')
  const replace = retryBusy(
    database.transaction((directory: string, id: string, before: string | null, after: string | null) => {
      if ((one.get(directory, id)?.value ?? null) !== before) return false
      if (after === null) remove.run(directory, id)
      else if (before === null) insert.run(directory, id, after)
      else update.run(directory, id, after)
      tellChanged(`${directory}/${id}`)
      return true
    }).immediate,
  )
  return {
    listPushed: directory => all.all(directory).map(({ value }) => value),
    readPushed: (directory, id) => one.get(directory, id)?.value ?? null,
    replacePushed: (directory, id, before, after) => replace(directory, id, before, after),
  }
}

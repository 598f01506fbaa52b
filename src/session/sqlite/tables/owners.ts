import type { Database } from 'bun:sqlite'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { type OwnerNote, type OwnerStore, parseStanding, type StoredOwner } from '../../store.ts'
import type { BusyRetry } from '../busy.ts'

interface OwnerRow {
  readonly id: string
  readonly identity: string
  readonly standing: string
  readonly noted_ms: number
  readonly expires_ms: number
}

/**
 * The owners in an open database, written as patiently as the rest.
 *
 * `tellChanged` lets other processes know of one of whom something else is true now.
 */
export function ownersOn(
  database: Database,
  retryBusy: BusyRetry,
  tellChanged: (id: string) => void,
): OwnerStore & { purgeOwners(nowMs: number): MaybePromise<void> } {
  const keep = database.query(
    `INSERT INTO owners (id, identity, standing, noted_ms, expires_ms) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET expires_ms = max(expires_ms, excluded.expires_ms)`,
  )
  const byId = database.query<OwnerRow, [string]>('SELECT * FROM owners WHERE id = ?')
  const kept = database.query<Pick<OwnerRow, 'id'>, [string]>(
    'SELECT id FROM owners WHERE id IN (SELECT value FROM json_each(?))',
  )
  const note = database.query('UPDATE owners SET identity = ?2, standing = ?3, noted_ms = ?4 WHERE id = ?1')
  const purge = database.query('DELETE FROM owners WHERE expires_ms <= ?')
  const write = retryBusy(
    database.transaction((ids: readonly string[], notes: ReadonlyMap<string, OwnerNote>) =>
      ids.filter(id => {
        const row = byId.get(id)
        const heard = notes.get(id)
        if (row === null || heard === undefined) return false
        const { identity, standing, atMs, isLastWord } = heard
        if (!isLastWord && row.standing === 'revoked') return false
        note.run(id, identity, standing, atMs)
        const isOther = row.identity !== identity || row.standing !== standing
        if (isOther) tellChanged(id)
        return isOther
      }),
    ).immediate,
  )
  return {
    keepOwner: retryBusy(({ id, identity, standing, notedAtMs, expiresAtMs }: StoredOwner) => {
      keep.run(id, identity, standing, notedAtMs, expiresAtMs)
    }),
    findOwner(id) {
      const row = byId.get(id)
      if (row === null) return null
      const { identity, standing, noted_ms, expires_ms } = row
      return { id, identity, standing: parseStanding(standing), notedAtMs: noted_ms, expiresAtMs: expires_ms }
    },
    noteOwners(notes) {
      // Few users have tokens: a user without tokens costs part of one read, and no write.
      const ids = kept.all(JSON.stringify([...notes.keys()])).map(({ id }) => id)
      return ids.length === 0 ? [] : write(ids, notes)
    },
    purgeOwners: retryBusy((nowMs: number) => void purge.run(nowMs)),
  }
}

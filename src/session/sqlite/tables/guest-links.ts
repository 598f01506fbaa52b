import type { Database } from 'bun:sqlite'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { LinkStore, StoredGuestLink } from '../../store.ts'
import type { BusyRetry } from '../busy.ts'

interface LinkRow {
  readonly id: string
  readonly hash: string
  readonly portal: string
  readonly grant_json: string
  readonly uses: number
  readonly used: number
  readonly created_ms: number
  readonly expires_ms: number
}

/** The guest links of an open database, written as patiently as the rest; `tellRemoved` lets other processes know of one that is gone. */
export function linksOn(
  database: Database,
  retryBusy: BusyRetry,
  tellRemoved: (id: string) => void,
): LinkStore & { purgeLinks(nowMs: number): MaybePromise<readonly string[]> } {
  const insert = database.query(
    'INSERT INTO links (id, hash, portal, grant_json, uses, used, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const byHash = database.query<LinkRow, [string]>('SELECT * FROM links WHERE hash = ?')
  const byId = database.query<LinkRow, [string]>('SELECT * FROM links WHERE id = ?')
  const byPortal = database.query<LinkRow, [string]>(
    'SELECT * FROM links WHERE portal = ? ORDER BY created_ms DESC, id DESC',
  )
  const use = database.query<LinkRow, [string, number]>(
    'UPDATE links SET used = used + 1 WHERE hash = ? AND expires_ms > ? AND used < uses RETURNING *',
  )
  const remove = database.query('DELETE FROM links WHERE id = ?')
  const purge = database.query<{ readonly id: string }, [number]>(
    'DELETE FROM links WHERE expires_ms <= ? RETURNING id',
  )
  return {
    insertLink: retryBusy(({ id, hash, portal, grant, uses, used, createdAtMs, expiresAtMs }: StoredGuestLink) => {
      insert.run(id, hash, portal, grant, uses, used, createdAtMs, expiresAtMs)
    }),
    findLink: hash => linkOf(byHash.get(hash)),
    findLinkById: id => linkOf(byId.get(id)),
    listLinks: portal => byPortal.all(portal).flatMap(row => linkOf(row) ?? []),
    useLink: retryBusy((hash: string, nowMs: number) => linkOf(use.get(hash, nowMs))),
    removeLink: retryBusy(
      database.transaction((linkId: string) => {
        if (remove.run(linkId).changes === 0) return false
        tellRemoved(linkId)
        return true
      }),
    ),
    purgeLinks: retryBusy(
      database.transaction((nowMs: number) => {
        const ids = purge.all(nowMs).map(({ id }) => id)
        for (const id of ids) tellRemoved(id)
        return ids
      }),
    ),
  }
}

function linkOf(row: LinkRow | null): StoredGuestLink | null {
  if (row === null) return null
  const { id, hash, portal, grant_json, uses, used, created_ms, expires_ms } = row
  return { id, hash, portal, grant: grant_json, uses, used, createdAtMs: created_ms, expiresAtMs: expires_ms }
}

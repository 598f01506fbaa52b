import type { Database } from 'bun:sqlite'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { StoredApiToken, TokenStore } from '../../store.ts'
import type { BusyRetry } from '../busy.ts'

interface TokenRow {
  readonly id: string
  readonly hash: string
  readonly portal: string
  readonly name: string
  readonly grant_json: string
  readonly created_ms: number
  readonly expires_ms: number
  readonly is_used: number
}

/** The tokens of an open database, written as patiently as the rest; `tellRemoved` lets other processes know of one that is gone. */
export function tokensOn(
  database: Database,
  retryBusy: BusyRetry,
  tellRemoved: (id: string) => void,
): TokenStore & { purgeTokens(nowMs: number): MaybePromise<readonly string[]> } {
  const insert = database.query(
    'INSERT INTO tokens (id, hash, portal, name, grant_json, created_ms, expires_ms, is_used) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const byHash = database.query<TokenRow, [string]>('SELECT * FROM tokens WHERE hash = ?')
  const byId = database.query<TokenRow, [string]>('SELECT * FROM tokens WHERE id = ?')
  const byPortal = database.query<TokenRow, [string]>(
    "SELECT * FROM tokens WHERE portal = ? AND instr(id, '/') = 0 ORDER BY created_ms DESC, id DESC",
  )
  const use = database.query('UPDATE tokens SET is_used = 1 WHERE id = ? AND is_used = 0')
  const rename = database.query('UPDATE tokens SET id = ? WHERE id = ?')
  const remove = database.query('DELETE FROM tokens WHERE id = ?')
  const purge = database.query<{ readonly id: string }, [number]>(
    'DELETE FROM tokens WHERE expires_ms <= ? RETURNING id',
  )
  function put({ id, hash, portal, name, grant, createdAtMs, expiresAtMs, isUsed }: StoredApiToken): void {
    insert.run(id, hash, portal, name, grant, createdAtMs, expiresAtMs, isUsed ? 1 : 0)
  }

  return {
    insertToken: retryBusy(put),
    insertShortToken: retryBusy(
      database.transaction((ofId: string, token: Omit<StoredApiToken, 'id'>) => {
        const { latest, before } = shortIdsOf(ofId)
        remove.run(before)
        rename.run(before, latest)
        put({ ...token, id: latest })
      }).immediate,
    ),
    findToken: hash => tokenOf(byHash.get(hash)),
    findTokenById: id => tokenOf(byId.get(id)),
    listTokens: portal => byPortal.all(portal).flatMap(row => tokenOf(row) ?? []),
    useToken: retryBusy((tokenId: string) => use.run(tokenId).changes > 0),
    removeToken: retryBusy(
      database.transaction((tokenId: string) => {
        if (remove.run(tokenId).changes === 0) return false
        for (const id of Object.values(shortIdsOf(tokenId))) remove.run(id)
        tellRemoved(tokenId)
        return true
      }),
    ),
    purgeTokens: retryBusy(
      database.transaction((nowMs: number) => {
        const ids = purge.all(nowMs).map(({ id }) => id)
        for (const id of ids) tellRemoved(id)
        return ids
      }),
    ),
  }
}

/** The ids under which short tokens of one are kept; no other id has a slash. */
function shortIdsOf(tokenId: string): { readonly latest: string; readonly before: string } {
  return { latest: `${tokenId}/1`, before: `${tokenId}/2` }
}

function tokenOf(row: TokenRow | null): StoredApiToken | null {
  if (row === null) return null
  const { id, hash, portal, name, grant_json: grant, created_ms: createdAtMs, expires_ms: expiresAtMs } = row
  return { id, hash, portal, name, grant, createdAtMs, expiresAtMs, isUsed: row.is_used !== 0 }
}

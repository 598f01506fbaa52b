import type { Database } from 'bun:sqlite'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { SessionStore, StoredApiToken } from '../../store.ts'
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

/** What of a SessionStore is about tokens. */
export type TokenStore = Pick<
  SessionStore,
  'insertToken' | 'findToken' | 'findTokenById' | 'listTokens' | 'useToken' | 'removeToken'
>

/** The tokens of an open database, written as patiently as the rest; `tellRemoved` lets other processes know of one that is gone. */
export function tokensOn(
  database: Database,
  retryBusy: BusyRetry,
  tellRemoved: (id: string) => void,
): TokenStore & { purgeTokens(nowMs: number): MaybePromise<void> } {
  const insert = database.query(
    'INSERT INTO tokens (id, hash, portal, name, grant_json, created_ms, expires_ms, is_used) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const byHash = database.query<TokenRow, [string]>('SELECT * FROM tokens WHERE hash = ?')
  const byId = database.query<TokenRow, [string]>('SELECT * FROM tokens WHERE id = ?')
  const byPortal = database.query<TokenRow, [string]>(
    'SELECT * FROM tokens WHERE portal = ? ORDER BY created_ms DESC, id DESC',
  )
  const use = database.query('UPDATE tokens SET is_used = 1 WHERE id = ? AND is_used = 0')
  const remove = database.query('DELETE FROM tokens WHERE id = ?')
  const purge = database.query('DELETE FROM tokens WHERE expires_ms <= ?')
  return {
    insertToken: retryBusy((token: StoredApiToken) => {
      const { id, hash, portal, name, grant, createdAtMs, expiresAtMs, isUsed } = token
      insert.run(id, hash, portal, name, grant, createdAtMs, expiresAtMs, isUsed ? 1 : 0)
    }),
    findToken: hash => tokenOf(byHash.get(hash)),
    findTokenById: id => tokenOf(byId.get(id)),
    listTokens: portal => byPortal.all(portal).flatMap(row => tokenOf(row) ?? []),
    useToken: retryBusy((tokenId: string) => use.run(tokenId).changes > 0),
    removeToken: retryBusy(
      database.transaction((tokenId: string) => {
        if (remove.run(tokenId).changes === 0) return false
        tellRemoved(tokenId)
        return true
      }),
    ),
    purgeTokens: retryBusy((nowMs: number) => void purge.run(nowMs)),
  }
}

function tokenOf(row: TokenRow | null): StoredApiToken | null {
  if (row === null) return null
  const { id, hash, portal, name, grant_json: grant, created_ms: createdAtMs, expires_ms: expiresAtMs } = row
  return { id, hash, portal, name, grant, createdAtMs, expiresAtMs, isUsed: row.is_used !== 0 }
}

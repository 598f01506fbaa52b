import type { StoredApiToken, TokenStore } from '../store.ts'
import type { RedisLink } from './connection.ts'
import { INSERT_SHORT_TOKEN, INSERT_TOKEN, REMOVE_TOKEN, USE_TOKEN } from './scripts/credentials.ts'

const PREFIX = 'sallyport:1:token:'
/** There until the token is used. */
const UNUSED = 'sallyport:1:token-unused:'
/** From a token's id to its hash. */
const INDEX = 'sallyport:1:tokens'

/** The tokens on a server: each a string that the server expires, and one index of all. */
export function tokensOver(link: RedisLink, ttlOf: (expiresAtMs: number) => number): TokenStore {
  async function find(hash: string): Promise<StoredApiToken | null> {
    const found = await link.send('MGET', [PREFIX + hash, UNUSED + hash])
    return Array.isArray(found) ? parseToken(found[0], found[1] === null) : null
  }
  return {
    async insertToken(token) {
      const { isUsed, ...row } = token
      const life = ttlOf(token.expiresAtMs)
      await link.run(INSERT_TOKEN, [token.id, token.hash, JSON.stringify(row), life, isUsed ? '' : 'unused'])
    },
    async insertShortToken(ofId, { isUsed: _, ...row }) {
      const text = JSON.stringify({ ...row, id: `${ofId}/${row.hash}` })
      await link.run(INSERT_SHORT_TOKEN, [ofId, row.hash, text, ttlOf(row.expiresAtMs)])
    },
    findToken: find,
    async findTokenById(tokenId) {
      const hash = await link.send('HGET', [INDEX, tokenId])
      return typeof hash === 'string' ? find(hash) : null
    },
    async listTokens(portal) {
      const index = pairsOf(await link.send('HGETALL', [INDEX]))
      if (index.length === 0) return []
      const raw = await link.send(
        'MGET',
        index.flatMap(([, hash]) => [PREFIX + hash, UNUSED + hash]),
      )
      const found: readonly unknown[] = Array.isArray(raw) ? raw : []
      const tokens = index.map((_, at) => parseToken(found[2 * at], found[2 * at + 1] === null))
      // An expired token leaves its entry in the index behind.
      const gone = index.filter((_, at) => tokens[at] === null).map(([id]) => id)
      if (gone.length > 0) await link.send('HDEL', [INDEX, ...gone])
      return tokens
        .filter(token => token?.portal === portal)
        .filter(token => token !== null)
        .sort((one, other) => other.createdAtMs - one.createdAtMs || (one.id < other.id ? 1 : -1))
    },
    async useToken(tokenId) {
      return (await link.run(USE_TOKEN, [tokenId])) === 1
    },
    async removeToken(tokenId) {
      return (await link.run(REMOVE_TOKEN, [tokenId])) === 1
    },
  }
}

function pairsOf(raw: unknown): readonly (readonly [string, string])[] {
  return typeof raw === 'object' && raw !== null ? Object.entries(raw).map(([id, hash]) => [id, String(hash)]) : []
}

function parseToken(raw: unknown, isUsed: boolean): StoredApiToken | null {
  if (typeof raw !== 'string') return null
  const token = JSON.parse(raw) as Partial<StoredApiToken> | null
  const texts = [token?.id, token?.hash, token?.portal, token?.name, token?.grant]
  const isWhole = texts.every(text => typeof text === 'string') && Number.isFinite(token?.expiresAtMs)
  return isWhole ? { ...(token as StoredApiToken), isUsed } : null
}

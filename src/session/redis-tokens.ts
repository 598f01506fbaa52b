import type { RedisLink } from './redis-link.ts'
import { REMOVE_TOKEN } from './redis-scripts.ts'
import type { TokenStore } from './sqlite-tokens.ts'
import type { StoredToken } from './store.ts'

const PREFIX = 'sallyport:1:token:'
/** From a token's id to its hash. */
const INDEX = 'sallyport:1:tokens'

/** The tokens on a server: each a text that expires by itself, beside one index of all. */
export function tokensOver(link: RedisLink, ttlOf: (expiresAtMs: number) => number): TokenStore {
  async function find(hash: string): Promise<StoredToken | null> {
    return parseToken(await link.send('GET', [PREFIX + hash]))
  }
  return {
    async insertToken(token) {
      await link.send('SET', [PREFIX + token.hash, JSON.stringify(token), 'PX', `${ttlOf(token.expiresAtMs)}`])
      await link.send('HSET', [INDEX, token.id, token.hash])
    },
    findToken: find,
    async findTokenById(tokenId) {
      const hash = await link.send('HGET', [INDEX, tokenId])
      return typeof hash === 'string' ? find(hash) : null
    },
    async listTokens(portal) {
      const hashes = await link.send('HVALS', [INDEX])
      if (!Array.isArray(hashes) || hashes.length === 0) return []
      const raw = await link.send(
        'MGET',
        hashes.map(hash => PREFIX + String(hash)),
      )
      return (Array.isArray(raw) ? raw.map(parseToken) : [])
        .filter(token => token?.portal === portal)
        .filter(token => token !== null)
        .sort((one, other) => other.createdAtMs - one.createdAtMs || (one.id < other.id ? 1 : -1))
    },
    async removeToken(tokenId) {
      return (await link.run(REMOVE_TOKEN, [tokenId])) === 1
    },
  }
}

function parseToken(raw: unknown): StoredToken | null {
  if (typeof raw !== 'string') return null
  const token = JSON.parse(raw) as Partial<StoredToken> | null
  const texts = [token?.id, token?.hash, token?.portal, token?.name, token?.grant]
  const isWhole = texts.every(text => typeof text === 'string') && Number.isFinite(token?.expiresAtMs)
  return isWhole ? (token as StoredToken) : null
}

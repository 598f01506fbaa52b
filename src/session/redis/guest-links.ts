import type { LinkStore, StoredGuestLink } from '../store.ts'
import type { RedisLink } from './connection.ts'
import { INSERT_LINK, REMOVE_LINK, USE_LINK } from './scripts/credentials.ts'

const PREFIX = 'sallyport:1:link:'
/** From a link's id to its hash. */
const INDEX = 'sallyport:1:links'

/** The guest links on a server: each a hash that the server expires, and one index of all. */
export function linksOver(link: RedisLink, ttlOf: (expiresAtMs: number) => number): LinkStore {
  async function find(hash: string): Promise<StoredGuestLink | null> {
    return parseLink(await link.send('HMGET', [PREFIX + hash, 'link', 'used']))
  }
  return {
    async insertLink(row) {
      const args = [row.id, row.hash, JSON.stringify(row), row.uses, row.expiresAtMs, ttlOf(row.expiresAtMs)]
      await link.run(INSERT_LINK, args)
    },
    findLink: find,
    async findLinkById(linkId) {
      const hash = await link.send('HGET', [INDEX, linkId])
      return typeof hash === 'string' ? find(hash) : null
    },
    async listLinks(portal) {
      const index: unknown = await link.send('HGETALL', [INDEX])
      const entries = typeof index === 'object' && index !== null ? Object.entries(index) : []
      const links = await Promise.all(entries.map(async ([id, hash]) => ({ id, found: await find(String(hash)) })))
      // An expired link leaves its entry in the index behind.
      const gone = links.filter(({ found }) => found === null).map(({ id }) => id)
      if (gone.length > 0) await link.send('HDEL', [INDEX, ...gone])
      return links
        .flatMap(({ found }) => (found?.portal === portal ? [found] : []))
        .sort((one, other) => other.createdAtMs - one.createdAtMs || (one.id < other.id ? 1 : -1))
    },
    async useLink(hash, nowMs) {
      return parseLink(await link.run(USE_LINK, [hash, nowMs]))
    },
    async removeLink(linkId) {
      return (await link.run(REMOVE_LINK, [linkId])) === 1
    },
  }
}

/** From what was inserted, and how often it has been used since. */
function parseLink(raw: unknown): StoredGuestLink | null {
  if (!Array.isArray(raw) || typeof raw[0] !== 'string') return null
  const stored = JSON.parse(raw[0]) as Partial<StoredGuestLink> | null
  const texts = [stored?.id, stored?.hash, stored?.portal, stored?.grant]
  const numbers = [stored?.uses, stored?.createdAtMs, stored?.expiresAtMs, Number(raw[1])]
  const isWhole = texts.every(text => typeof text === 'string') && numbers.every(Number.isFinite)
  return isWhole ? { ...(stored as StoredGuestLink), used: Number(raw[1]) } : null
}

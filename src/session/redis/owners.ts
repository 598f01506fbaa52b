import type { OwnerStore } from '../store.ts'
import { parseStanding } from '../store.ts'
import { BATCH, type RedisLink } from './connection.ts'
import { KEEP_OWNER, NOTE_OWNERS } from './scripts/credentials.ts'

/** The owners of tokens on a server: each a hash that expires with the last of their tokens. */
export function ownersOver(link: RedisLink, ttlOf: (expiresAtMs: number) => number): OwnerStore {
  return {
    async keepOwner({ id, identity, standing, notedAtMs, expiresAtMs }) {
      await link.run(KEEP_OWNER, [id, ttlOf(expiresAtMs), identity, standing, notedAtMs, expiresAtMs])
    },
    async findOwner(id) {
      const raw = await link.send('HMGET', [`sallyport:1:${id}`, 'identity', 'standing', 'noted', 'expires'])
      const [identity, standing, noted, expires] = Array.isArray(raw) ? raw : []
      if (typeof identity !== 'string' || typeof standing !== 'string') return null
      const [notedAtMs, expiresAtMs] = [Number(noted), Number(expires)]
      return Number.isFinite(notedAtMs + expiresAtMs)
        ? { id, identity, standing: parseStanding(standing), notedAtMs, expiresAtMs }
        : null
    },
    async noteOwners(notes) {
      const told: string[] = []
      const all = [...notes]
      for (let from = 0; from < all.length; from += BATCH) {
        const args = all
          .slice(from, from + BATCH)
          .flatMap(([id, { identity, standing, atMs, isLastWord }]) => [
            id,
            identity,
            standing,
            atMs,
            isLastWord ? 1 : 0,
          ])
        const ids = await link.run(NOTE_OWNERS, args)
        if (Array.isArray(ids)) told.push(...ids.map(String))
      }
      return told
    },
  }
}

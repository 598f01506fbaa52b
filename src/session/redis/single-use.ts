import { sha256 } from '../../base/bytes.ts'
import type { OnceStore } from '../sqlite/tables/single-use.ts'
import type { RedisLink } from './connection.ts'
import { PEEK, PUT, TAKE } from './scripts/spent.ts'

/** The single-use records on a server. */
export function onceOver(link: RedisLink, ttlOf: (expiresAtMs: number) => number): OnceStore {
  return {
    async put(record, { perOwner, total, isLatest = false, inPlaceOf = '' }) {
      const { kind, hash, owner, value, expiresAtMs, lifetimeMs = '' } = record
      const bounds = [perOwner, total, lifetimeMs, Number(isLatest), inPlaceOf]
      const args = [kind, hash, sha256(owner), value, expiresAtMs, ttlOf(expiresAtMs), ...bounds]
      return (await link.run(PUT, args)) === 1
    },
    async take(kind, hash, nowMs) {
      const value = await link.run(TAKE, [kind, hash, nowMs])
      return typeof value === 'string' ? value : null
    },
    async peek(kind, hash, nowMs) {
      const value = await link.run(PEEK, [kind, hash, nowMs])
      return typeof value === 'string' ? value : null
    },
  }
}

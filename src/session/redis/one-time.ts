import { sha256 } from '../../base/bytes.ts'
import type { OneTimeStore } from '../store.ts'
import type { RedisLink } from './connection.ts'
import { PUT, TAKE } from './scripts/spent.ts'
import { serverMs } from './time.ts'

/** The single-use records on a server. */
export function onceOver(link: RedisLink, ttlOf: (expiresAtMs: number) => number): OneTimeStore {
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
      const found = await link.send('HMGET', [`sallyport:1:once:${kind}:${hash}`, 'value', 'expires', 'clock'])
      const [value, expires, clock] = Array.isArray(found) ? found : []
      if (typeof value !== 'string') return null
      const countsMs = clock === null ? nowMs : await serverMs(link)
      return Number(expires) > countsMs ? value : null
    },
  }
}

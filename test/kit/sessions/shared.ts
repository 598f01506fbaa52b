import { parseRedisAddress, type RedisAddress } from '../../../src/config/values/redis-address.ts'

/** A key of sessions, for whoever shares a store. */
export const SESSION_KEY = Buffer.alloc(32, 7).toString('base64')

/** The options of gates that share a store: a database by its path, or a server by its address. */
export function shared(store: string): { readonly store: string; readonly sessions: string } {
  return { store: store.includes('://') ? store : `sqlite:${store}`, sessions: `key = "${SESSION_KEY}"` }
}

/** A server by its address, as the store of a config file has it; `shownAs` is how the log is to name it. */
export function redisAt(address: string, shownAs?: string): RedisAddress {
  const parsed = parseRedisAddress(address)
  if (!parsed.ok) throw new Error(parsed.message)
  return shownAs === undefined ? parsed.value : { ...parsed.value, shownAs }
}

/** Where sessions are kept: a SQLite file, or Redis. */

import { resolve } from 'node:path'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { isRedisAddress, parseRedisAddress, type RedisAddress } from './redis-address.ts'

export type StoreConfig =
  | {
      readonly kind: 'sqlite'
      /** Absolute, or `:memory:`. */
      readonly path: string
    }
  | ({ readonly kind: 'redis' } & RedisAddress)

/** A store, once the config file's folder is known: it is known only where the file is read. */
export type StoreAt = (directory: string) => StoreConfig

const KEY_BYTES = 32

/** `sqlite:PATH`, or the address of a Redis or Valkey store. */
export function parseStore(text: string): Parsed<StoreAt> {
  if (text.startsWith('sqlite:')) return parseSqlite(text, text.slice('sqlite:'.length))
  if (isRedisAddress(text)) {
    const address = parseRedisAddress(text)
    if (!address.ok) return address
    return good(() => ({ kind: 'redis', ...address.value }))
  }
  return bad(
    'store.invalid',
    `${quote(text)} is not a session store`,
    `as in "sqlite:${/^[\w./-]+$/.test(text) ? text : 'sallyport.db'}", or "redis://valkey:6379/0"`,
  )
}

function parseSqlite(text: string, path: string): Parsed<StoreAt> {
  if (path === ':memory:') return good(() => ({ kind: 'sqlite', path }))
  if (path === '' || path.endsWith('/')) {
    return bad('store.invalid', `${quote(text)} names no file`, 'as in "sqlite:sallyport.db"')
  }
  if (path.startsWith('//')) {
    const hint = 'a path, not an address: "sqlite:/var/lib/sallyport.db"'
    return bad('store.invalid', `${quote(text)} is not a path`, hint)
  }
  return good(directory => ({ kind: 'sqlite', path: resolve(directory, path) }))
}

/** 32 bytes in base64 or base64url, padded or not; answers base64url. */
export function parseSealKey(text: string): Parsed<string> {
  const bytes = /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : null
  if (bytes?.length === KEY_BYTES) return good(bytes.toString('base64url'))
  return bad('sessions.key', 'this is not a key of 32 bytes in base64', 'make one with: openssl rand -base64 32')
}

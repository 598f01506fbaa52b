/** Where sessions are kept: a SQLite file, or Redis. */

import { resolve } from 'node:path'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'

export type StoreConfig =
  | {
      readonly kind: 'sqlite'
      /** Absolute, or `:memory:`. */
      readonly path: string
    }
  | {
      readonly kind: 'redis'
      /** With the password. */
      readonly url: string
      /** The same for people: without the password. */
      readonly shownAs: string
    }

/** A store, once the config file's folder is known: it is known only where the file is read. */
export type StoreAt = (directory: string) => StoreConfig

const DEFAULT_PORT = '6379'
const KEY_BYTES = 32

/** `sqlite:PATH`, or `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss:` for TLS. */
export function parseStore(text: string): Parsed<StoreAt> {
  if (text.startsWith('sqlite:')) return parseSqlite(text, text.slice('sqlite:'.length))
  if (/^rediss?:/.test(text)) return parseRedis(text)
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

/**
 * Everything before the last @ is the user and the password, percent-encoded where it has to be; what was filled in is by now
 * (`substitute`). Messages never repeat it.
 */
function parseRedis(text: string): Parsed<StoreAt> {
  const [, scheme = '', login, place = ''] = /^(rediss?):\/\/(?:(.*)@)?([^@]*)$/s.exec(text) ?? []
  const server = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(?:\/([0-9]{0,4}))?$/.exec(place)
  const [, host = '', port = DEFAULT_PORT, database = ''] = server ?? []
  if (scheme === '' || host === '' || Number(port) < 1 || Number(port) > 65_535) {
    const hint = 'as in "redis://valkey:6379/0", or with a password "rediss://:${REDIS_PASSWORD}@valkey.example.com"'
    return bad('store.invalid', 'this is not the address of a Redis or Valkey server', hint)
  }
  const address = `${host}:${port}/${database === '' ? '0' : database}`
  const colon = login?.indexOf(':') ?? -1
  const user = login === undefined || colon === -1 ? '' : encode(login.slice(0, colon))
  const url =
    login === undefined ? `${scheme}://${address}` : `${scheme}://${user}:${encode(login.slice(colon + 1))}@${address}`
  return good(() => ({ kind: 'redis', url, shownAs: `${scheme}://${address}` }))
}

/** Percent-encoded, whether it was before or not. */
function encode(text: string): string {
  try {
    return encodeURIComponent(decodeURIComponent(text))
  } catch {
    return encodeURIComponent(text)
  }
}

/** 32 bytes in base64 or base64url, padded or not; answers base64url. */
export function parseSealKey(text: string): Parsed<string> {
  const bytes = /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : null
  if (bytes?.length === KEY_BYTES) return good(bytes.toString('base64url'))
  return bad('sessions.key', 'this is not a key of 32 bytes in base64', 'make one with: openssl rand -base64 32')
}

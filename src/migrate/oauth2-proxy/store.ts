/** Where the sessions are: one Redis, one that sentinels name, or a cluster, as one address. */

import { type Entry, entry } from '../draft.ts'
import type { Old } from './settings.ts'

type Way = 'sentinel' | 'cluster' | 'server'

/** The options that each way to a Redis has for itself. The ways are tried in this order, whatever else is stated. */
const OWN: Readonly<Record<Way, readonly string[]>> = {
  sentinel: [
    'redis_use_sentinel',
    'redis_sentinel_connection_urls',
    'redis_sentinel_master_name',
    'redis_sentinel_password',
  ],
  cluster: ['redis_use_cluster', 'redis_cluster_connection_urls'],
  server: ['redis_connection_url'],
}

const SHARED = ['redis_username', 'redis_password']
const TLS = ['redis_ca_path', 'redis_insecure_skip_tls_verify']

/** A URL of the old file: `redis://USER:PASSWORD@HOST:PORT/DATABASE`. */
interface RedisUrl {
  readonly isTls: boolean
  /** The user; null without a login. */
  readonly user: string | null
  readonly host: string
  /** As it was written. */
  readonly port: string | null
  readonly rest: string
}

/** `store`, `key` and `store_tls` of `[sessions]`; none where SQLite has the sessions. Every option about Redis has a note afterwards. */
export function storeEntries(old: Old): readonly Entry[] {
  const way = wayOf(old)
  const options = Object.values(OWN).flat()
  if (way === null || way === 'both') {
    if (way === 'both')
      old.tell(options, 'decide', 'oauth2-proxy takes sentinels or a cluster: write store in [sessions]')
    else old.tell([...options, ...SHARED, ...TLS], 'left')
    return []
  }
  old.tell(
    options.filter(name => !OWN[way].includes(name)),
    'left',
    'oauth2-proxy does not read it, for another way to Redis goes before',
  )
  const address = addressOf(old, way)
  if (address === null) {
    old.tell([...OWN[way], ...SHARED, ...TLS], 'decide', WRITE)
    return []
  }
  old.tell([...OWN[way], ...SHARED], 'kept')
  const meaning = 'what "openssl rand -base64 32" prints, the same on every machine'
  const key = old.blanks.add('SALLYPORT_KEY', meaning, Buffer.alloc(32).toString('base64'))
  const about = `${OWN[way].find(name => old.has(name)) ?? way}; SQLite, the default, is enough for one machine`
  return [entry('store', address, about), entry('key', key), ...tlsEntries(old)]
}

const WRITE =
  'it cannot be said as one address, so sessions are in SQLite until you write store in [sessions], as in "rediss+sentinel://…/mymaster" or "redis+cluster://…"'

function wayOf(old: Old): Way | 'both' | null {
  if (old.text('session_store_type') !== 'redis') return null
  const [isSentinel, isCluster] = [old.isOn('redis_use_sentinel'), old.isOn('redis_use_cluster')]
  if (isSentinel && isCluster) return 'both'
  if (isSentinel) return 'sentinel'
  if (isCluster) return 'cluster'
  return old.has('redis_connection_url') ? 'server' : null
}

/** Null where an address of ours does not say the same. */
function addressOf(old: Old, way: Way): string | null {
  const stated = way === 'server' ? [old.text('redis_connection_url') ?? ''] : old.list(`redis_${way}_connection_urls`)
  const urls = stated.map(parseUrl)
  const last = urls.at(-1)
  if (last == null || urls.some(url => url === null || url.isTls !== last.isTls || url.user !== last.user)) return null
  const primary = old.text('redis_sentinel_master_name') ?? ''
  if (way === 'sentinel' && !/^[\w.-]+$/.test(primary)) return null
  // Of several it reads no database. Its port of a sentinel without one is that of a server.
  if (way !== 'server' && urls.some(url => !/^(?:\/\d*)?$/.test(url?.rest ?? ''))) return null
  const usualPort = way === 'sentinel' ? '6379' : null
  const hosts = urls.flatMap(url => (url === null ? [] : [placeOf(url, usualPort)]))
  const [suffix, end] = ENDS[way](old, primary, last)
  // Either of these makes it speak TLS, whatever the URL says.
  const isTls = last.isTls || TLS.some(name => old.has(name))
  return `redis${isTls ? 's' : ''}${suffix}://${loginOf(old, last)}${old.spell(hosts.join(','))}${end}`
}

/** What comes after the scheme, and after the addresses. */
const ENDS: Readonly<Record<Way, (old: Old, primary: string, url: RedisUrl) => readonly [string, string]>> = {
  server: (old, _, { rest }) => ['', old.spell(rest)],
  cluster: () => ['+cluster', ''],
  sentinel: (old, primary) => ['+sentinel', `/${primary}${sentinelLogin(old)}`],
}

function sentinelLogin(old: Old): string {
  if (!old.has('redis_sentinel_password')) return ''
  return `?sentinel_password=${old.blanks.add('REDIS_SENTINEL_PASSWORD', 'the password of the sentinels', 'fill-in')}`
}

function loginOf(old: Old, { user }: RedisUrl): string {
  if (user === null && !old.has('redis_password')) return ''
  const password = old.blanks.add('REDIS_PASSWORD', 'the password of Redis', 'fill-in')
  return `${old.spell(old.text('redis_username') ?? user ?? '')}:${password}@`
}

function parseUrl(text: string): RedisUrl | null {
  const [, scheme, login, host, port = null, rest = ''] =
    /^(rediss?):\/\/(?:([^/]*)@)?(\[[\da-f:.]+\]|[\w.-]+|<[^<>]+>)(?::(\d+|<[^<>]+>))?(\/[^?#]*)?$/is.exec(text) ?? []
  if (scheme === undefined || host === undefined) return null
  const user = login === undefined ? null : (login.split(':')[0] ?? '')
  return { isTls: scheme.toLowerCase() === 'rediss', user, host, port, rest }
}

function placeOf({ host, port }: RedisUrl, usualPort: string | null): string {
  const shown = port ?? usualPort
  return shown === null ? host : `${host}:${shown}`
}

/** The authority of the server's certificate. Beside it there the system's count, too. */
function tlsEntries(old: Old): readonly Entry[] {
  old.tell('redis_insecure_skip_tls_verify', 'decide')
  const ca = old.text('redis_ca_path')
  if (ca === null) return []
  try {
    old.readText(ca)
  } catch {
    old.tell(
      'redis_ca_path',
      'decide',
      `it cannot be read here; where it is, write store_tls = { ca = "…" } in [sessions]`,
    )
    return []
  }
  old.tell('redis_ca_path', 'changed')
  return [entry('store_tls', { ca: old.spell(ca) })]
}

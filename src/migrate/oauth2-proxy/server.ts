/** Listeners, TLS, sessions and their store of an oauth2-proxy as tables of the new file. */

import { type Entry, entry, type Section, spellDuration } from '../draft.ts'
import { readOrNull } from './old-texts.ts'
import type { Old } from './settings.ts'

/** Where it listens when its file does not say. */
const DEFAULT_LISTEN = '127.0.0.1:4180'
const DEFAULT_LIFETIME_MS = 168 * 3_600_000

/** What oauth2-proxy takes for its `real_client_ip_header`. Of X-Forwarded-For it believes the first, which anybody may write. */
const CLIENT_FIELDS = /^(?:x-forwarded-for|x-real-ip|x-proxyuser-ip|x-envoy-external-address|cf-connecting-ip)$/i

/** `[server]`: the listener, who stands in front, and what is logged. */
export function serverSection(old: Old, isAsked: boolean): Section {
  const { listen, verify } = placesToListen(old)
  const said = old.text('http_address') === null ? 'where oauth2-proxy listens by default' : 'http_address'
  const entries: Entry[] = [entry('listen', [listen], said)]
  const also: string[] = []
  if (/^fd:/i.test(old.text('http_address') ?? '')) old.tell('http_address', 'decide')
  const proxies = old.list('trusted_proxy_ips')
  const field = clientField(old, isAsked)
  const comment = isAsked ? 'who may ask at verify' : 'whose X-Forwarded-* count'
  // Everyone has the proxy's address until it is named, and trusted_ips may hold that.
  const needsProxy = isAsked || (old.isOn('reverse_proxy') && old.has('trusted_ips'))
  if (proxies.length > 0) {
    entries.push(entry('trusted_proxies', proxies, 'trusted_proxy_ips'))
    old.tell('trusted_proxy_ips', 'kept')
    old.tell('reverse_proxy', 'kept')
  } else if (needsProxy) {
    const proxy = old.blanks.add('PROXY_ADDRESS', 'the address that the proxy in front comes from', '10.0.0.2')
    entries.push(entry('trusted_proxies', [proxy], comment))
    const say = 'name your proxy in trusted_proxies: only its X-Forwarded-* count, where anyone’s did'
    old.tell('reverse_proxy', 'decide', say)
  } else if (old.isOn('reverse_proxy')) {
    also.push(
      'trusted_proxies = ["10.0.0.2"]   # the address of the proxy in front: until it is named, its X-Forwarded-* are dropped',
      `client_address = "${field ?? 'X-Forwarded-For'}"   # the field in which it sends the client’s address`,
    )
  }
  if (field !== null && entries.some(({ key }) => key === 'trusted_proxies')) {
    entries.push(entry('client_address', field, 'real_client_ip_header'))
    old.tell('real_client_ip_header', 'kept')
    if (!old.has('real_client_ip_header')) old.tell('trusted_proxy_ips', 'decide')
  }
  if (isAsked) {
    const about = 'where your proxy asks /.sallyport/verify, and no client comes'
    entries.push(entry('verify', verify, about))
  }
  const metrics = old.text('metrics_address')
  if (metrics !== null) entries.push(entry('admin', addressOf(metrics), 'metrics_address: /metrics, /healthz, /readyz'))
  if (!old.isOn('request_logging')) entries.push(entry('access_log', false, 'request_logging'))
  return { title: '[server]', entries, also }
}

/**
 * The trusted field, which is X-Real-IP unless its file says otherwise: a proxy that writes that one may pass
 * X-Forwarded-For on as its client wrote it. Null where no proxy is trusted, or where the asking proxy writes
 * X-Forwarded-For again by the new lines.
 */
export function clientField(old: Old, isAsked: boolean): string | null {
  const stated = old.text('real_client_ip_header')
  if (stated !== null) return CLIENT_FIELDS.test(stated) ? stated : null
  return !isAsked && old.isOn('reverse_proxy') ? 'X-Real-IP' : null
}

/**
 * Where Sallyport listens for users, and where for a proxy in front that asks: a separate port, at the same address.
 */
export function placesToListen(old: Old): { readonly listen: string; readonly verify: string } {
  const stated = old.text('http_address')
  const listen = stated === null || /^fd:/i.test(stated) ? DEFAULT_LISTEN : old.spell(addressOf(stated))
  const [, host = '127.0.0.1', port = ''] = /^(.+):(\d+)$/.exec(listen) ?? []
  return { listen, verify: `${host}:${port === '9080' ? 9081 : 9080}` }
}

/** `:4180`, `http://127.0.0.1:4180` and `unix:///run/x.sock` in the spelling of routes.toml; a login before an @ says nothing there. */
function addressOf(stated: string): string {
  if (stated.startsWith('unix:')) return stated.replace(/^unix:\/*/, 'unix:/')
  const place = stated
    .replace(/^http:\/\//i, '')
    .replace(/^.*@/, '')
    .replace(/\/$/, '')
  return place.startsWith(':') ? `0.0.0.0${place}` : place
}

/** `[tls]`, where the certificate is at hand; else what to write is in the report. */
export function tlsSections(old: Old): readonly Section[] {
  const files = ['https_address', 'tls_cert_file', 'tls_key_file']
  const [address, cert, key] = files.map(old.text)
  if (cert === null || cert === undefined || key === null || key === undefined) {
    old.tell(files, 'left')
    return []
  }
  const place = old.spell(addressOf(address ?? ':443'))
  if ([cert, key].some(path => readOrNull(old.readText, path) === null)) {
    const way = `write [tls] with listen = ["${place}"] and certificates = [{ cert = "…", key = "…" }]`
    old.tell(files, 'decide', `they cannot be read here; where they are, ${way}`)
    return []
  }
  old.tell('force_https', 'kept')
  const about = 'oauth2-proxy serves plain HTTP too, without force_https'
  const plain = old.isOn('force_https') ? [] : [entry('redirect_http', false, about)]
  const entries: readonly Entry[] = [
    entry('listen', [place], 'https_address'),
    entry('certificates', [{ cert: old.spell(cert), key: old.spell(key) }]),
  ]
  return [{ title: '[tls]', entries: [...entries, ...plain] }]
}

/** `[sessions]`: how long, and where. */
export function sessionsSection(old: Old): Section {
  const stated = old.durationMs('cookie_expire')
  const isEnding = stated !== null && stated >= 60_000
  const lifetime = spellDuration(isEnding ? Math.min(stated, 365 * 86_400_000) : DEFAULT_LIFETIME_MS)
  const why = old.has('cookie_expire') ? 'cookie_expire' : 'oauth2-proxy’s cookie_expire'
  const idle = 'oauth2-proxy ends no idle session; "2h" is the default here'
  const entries: Entry[] = [entry('lifetime', lifetime, why), entry('idle', lifetime, idle)]
  if (stated !== null && !isEnding) {
    old.tell('cookie_expire', 'decide', `a sign-in always ends; it is ${lifetime} now, as you may change in [sessions]`)
  }
  const refreshMs = old.durationMs('cookie_refresh') ?? 0
  const refresh = spellDuration(Math.min(refreshMs, 30 * 86_400_000))
  if (refreshMs >= 10_000) entries.push(entry('refresh', refresh, 'cookie_refresh'))
  else old.tell('cookie_refresh', 'changed')

  return { title: '[sessions]', entries: [...entries, ...storeEntries(old)] }
}

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

type RedisUrl = NonNullable<ReturnType<typeof parseUrl>>

/** `store`, `key` and `store_tls` of `[sessions]`; none where SQLite has the sessions. Every option about Redis has a note afterwards. */
function storeEntries(old: Old): readonly Entry[] {
  const way = wayOf(old)
  const options = Object.values(OWN).flat()
  if (way === null || way === 'both') {
    if (way === 'both')
      old.tell(options, 'decide', 'oauth2-proxy takes sentinels or a cluster: write store in [sessions]')
    else old.tell([...options, ...SHARED, ...TLS], 'left')
    return []
  }
  const others = options.filter(name => !OWN[way].includes(name))
  old.tell(others, 'left', 'oauth2-proxy does not read it, for another way to Redis goes before')
  const address = storeAddress(old, way)
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
function storeAddress(old: Old, way: Way): string | null {
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

/** `redis://USER:PASSWORD@HOST:PORT/DATABASE`; the user is null without a login, and the port as it was written. */
function parseUrl(text: string) {
  const [, scheme, login, host, port = null, rest = ''] =
    /^(rediss?):\/\/(?:([^/]*)@)?(\[[\da-f:.]+\]|[\w.-]+|<[^<>]+>)(?::(\d+|<[^<>]+>))?(\/[^?#@]*)?$/is.exec(text) ?? []
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
  if (readOrNull(old.readText, ca) === null) {
    const say = 'it cannot be read here; where it is, write store_tls = { ca = "…" } in [sessions]'
    old.tell('redis_ca_path', 'decide', say)
    return []
  }
  old.tell('redis_ca_path', 'changed')
  return [entry('store_tls', { ca: old.spell(ca) })]
}

/** Listeners, TLS and sessions of an oauth2-proxy as tables of the new file. */

import { type Entry, entry, type Section, spellDuration } from '../draft.ts'
import type { Old } from './settings.ts'
import { storeEntries } from './store.ts'

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

/** `:4180`, `http://127.0.0.1:4180` and `unix:///run/x.sock` in the spelling of routes.toml. */
function addressOf(stated: string): string {
  if (stated.startsWith('unix:')) return stated.replace(/^unix:\/*/, 'unix:/')
  const place = stated.replace(/^http:\/\//i, '').replace(/\/$/, '')
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
  try {
    for (const path of [cert, key]) old.readText(path)
  } catch {
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

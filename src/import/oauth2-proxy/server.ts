import type { Entry, Section } from '../draft.ts'
import { spellDuration } from '../durations.ts'
import { type Context, note } from './context.ts'

/** Where it listens when its file does not say. */
const DEFAULT_LISTEN = '127.0.0.1:4180'
const DEFAULT_LIFETIME_MS = 168 * 3_600_000

/** What oauth2-proxy takes for its `real_client_ip_header`. Of X-Forwarded-For it believes the first, which anybody may write. */
const CLIENT_FIELDS: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'x-real-ip',
  'x-proxyuser-ip',
  'x-envoy-external-address',
  'cf-connecting-ip',
])

const UNSAID =
  'client_address = "X-Real-IP", as there: where your proxy writes X-Forwarded-For alone (Caddy), take that line out, or no client’s address is known'

const BY_LIST =
  'of X-Forwarded-For the last address that no trusted proxy added counts, where it was the first: name each proxy within these networks in trusted_proxies, or its clients count as being there'

/** `[server]`: the listener, who stands in front, and what is logged. */
export function serverSection(context: Context, isAsked: boolean): Section {
  const { options } = context
  const entries: Entry[] = [listen(context)]
  const also: string[] = []
  const proxies = options.list('trusted_proxy_ips')
  if (proxies.length > 0) {
    entries.push({ key: 'trusted_proxies', value: proxies, comment: 'trusted_proxy_ips' })
    note(context, 'kept', 'trusted_proxy_ips', 'trusted_proxies in [server]')
    note(context, 'kept', 'reverse_proxy', 'X-Forwarded-* count from trusted_proxies alone')
  } else if (isAsked || (options.flag('reverse_proxy') === true && options.has('trusted_ips'))) {
    // Everyone has the proxy's address until it is named, and trusted_ips may hold that.
    const proxy = context.blanks.add('PROXY_ADDRESS', 'the address that the proxy in front comes from', '10.0.0.2')
    entries.push({
      key: 'trusted_proxies',
      value: [proxy],
      comment: isAsked ? 'who may ask at verify' : 'whose X-Forwarded-* count',
    })
    note(
      context,
      'decide',
      'reverse_proxy',
      'name your proxy in trusted_proxies: only its X-Forwarded-* count, where anyone’s did',
    )
  } else if (options.flag('reverse_proxy') === true) {
    also.push(
      'trusted_proxies = ["10.0.0.2"]   # the address of the proxy in front: until it is named, its X-Forwarded-* are dropped',
      `client_address = "${clientField(context, isAsked) ?? 'X-Forwarded-For'}"   # the field in which it says the client’s address anew`,
    )
    note(
      context,
      'decide',
      'reverse_proxy',
      'name your proxy in trusted_proxies of [server]: until then nobody’s X-Forwarded-* count, where anyone’s did',
    )
  } else note(context, 'kept', 'reverse_proxy', 'X-Forwarded-* of strangers are dropped')
  const field = clientField(context, isAsked)
  if (field !== null && entries.some(({ key }) => key === 'trusted_proxies')) {
    entries.push({ key: 'client_address', value: field, comment: 'real_client_ip_header' })
    note(context, 'kept', 'real_client_ip_header', 'client_address in [server]; two addresses in one are refused')
    const isSaid = options.has('real_client_ip_header')
    if (!isSaid) note(context, 'decide', 'trusted_proxy_ips', UNSAID)
    if (/^x-forwarded-for$/i.test(field)) note(context, 'decide', 'trusted_ips', BY_LIST)
  }
  if (isAsked) {
    const comment = 'where your proxy asks /.sallyport/verify, and no client comes'
    entries.push({ key: 'verify', value: placeToAsk(entries[0]), comment })
  }
  const metrics = options.text('metrics_address')
  if (metrics !== null) {
    entries.push({ key: 'admin', value: address(metrics), comment: 'metrics_address: /metrics, /healthz, /readyz' })
    note(context, 'kept', 'metrics_address', 'admin in [server], which answers /healthz and /readyz too')
  }
  if (options.flag('request_logging') === false)
    entries.push({ key: 'access_log', value: false, comment: 'request_logging' })
  note(context, 'kept', 'request_logging', 'access_log in [server]')
  return { title: '[server]', entries, also }
}

/**
 * The field that was believed, which is X-Real-IP unless its file says otherwise: a proxy that writes that one may hand X-Forwarded-For
 * on as its client wrote it. Null where no proxy is believed, or the one that asks says X-Forwarded-For anew by the new lines.
 */
function clientField({ options }: Context, isAsked: boolean): string | null {
  const stated = options.text('real_client_ip_header')
  if (stated !== null) return CLIENT_FIELDS.has(stated.toLowerCase()) ? stated : null
  return !isAsked && options.flag('reverse_proxy') === true ? 'X-Real-IP' : null
}

/** `[tls]`, where the certificate is at hand; else what to write is in the report. */
export function tlsSections(context: Context): readonly Section[] {
  const { options, blanks } = context
  const files = ['tls_cert_file', 'tls_key_file']
  const [cert = null, key = null] = files.map(name => options.text(name))
  if (cert === null || key === null) {
    note(context, 'left', ['https_address', ...files], 'HTTPS takes a certificate and a key: see docs/https.md')
    return []
  }
  const place = blanks.literal(address(options.text('https_address') ?? ':443'))
  if (![cert, key].every(path => isReadable(context, path))) {
    const say = `they cannot be read here; where they are, write [tls] with listen = ["${place}"] and certificates = [{ cert = "…", key = "…" }]`
    note(context, 'decide', ['https_address', ...files], say)
    return []
  }
  note(context, 'kept', ['https_address', ...files], 'listen and certificates in [tls]')
  const sendsOn = options.flag('force_https') === true
  note(
    context,
    'kept',
    'force_https',
    sendsOn ? 'redirect_http in [tls], which is usual' : 'redirect_http = false in [tls]',
  )
  return [
    {
      title: '[tls]',
      entries: [
        { key: 'listen', value: [place], comment: 'https_address' },
        { key: 'certificates', value: [{ cert: blanks.literal(cert), key: blanks.literal(key) }] },
        ...(sendsOn
          ? []
          : [
              {
                key: 'redirect_http',
                value: false,
                comment: 'oauth2-proxy serves plain HTTP too, without force_https',
              },
            ]),
      ],
    },
  ]
}

function isReadable({ readText }: Context, path: string): boolean {
  try {
    readText(path)
    return true
  } catch {
    return false
  }
}

function listen(context: Context): Entry {
  const stated = context.options.text('http_address')
  if (stated === null)
    return { key: 'listen', value: [DEFAULT_LISTEN], comment: 'where oauth2-proxy listens unless told otherwise' }
  if (/^fd:/i.test(stated)) {
    note(context, 'decide', 'http_address', 'a socket cannot be handed over; choose an address for listen')
    return { key: 'listen', value: [DEFAULT_LISTEN] }
  }
  note(context, 'kept', 'http_address', 'listen in [server]')
  return { key: 'listen', value: [context.blanks.literal(address(stated))], comment: 'http_address' }
}

/** Where Sallyport listens for people, and where for a proxy in front that asks. */
export function placesToListen(context: Context): { readonly listen: string; readonly verify: string } {
  const listened = listen(context)
  const stated = Array.isArray(listened.value) ? String(listened.value[0]) : DEFAULT_LISTEN
  return { listen: stated, verify: placeToAsk(listened) }
}

/** A port of its own, at the address where oauth2-proxy listened. */
function placeToAsk(listened: Entry | undefined): string {
  const stated = Array.isArray(listened?.value) ? String(listened.value[0]) : ''
  const [, host = '127.0.0.1', port = ''] = /^(.+):(\d+)$/.exec(stated) ?? []
  return `${host}:${port === '9080' ? 9081 : 9080}`
}

/** `:4180`, `http://127.0.0.1:4180` and `unix:///run/x.sock` in the spelling of routes.toml. */
function address(stated: string): string {
  if (stated.startsWith('unix:')) return `unix:/${stated.slice('unix:'.length).replace(/^\/+/, '')}`
  const place = stated.replace(/^http:\/\//i, '').replace(/\/$/, '')
  return place.startsWith(':') ? `0.0.0.0${place}` : place
}

/** `[sessions]`: how long, and where. */
export function sessionsSection(context: Context): Section {
  const { options } = context
  const stated = options.durationMs('cookie_expire')
  const lifetimeMs = stated === null || stated < 60_000 ? DEFAULT_LIFETIME_MS : Math.min(stated, 365 * 86_400_000)
  const lifetime = spellDuration(lifetimeMs)
  const entries: Entry[] = [
    {
      key: 'lifetime',
      value: lifetime,
      comment: options.has('cookie_expire') ? 'cookie_expire' : 'oauth2-proxy’s cookie_expire',
    },
    { key: 'idle', value: lifetime, comment: 'oauth2-proxy ends nobody for being idle; "2h" is the default here' },
  ]
  if (stated !== null && stated < 60_000) {
    note(
      context,
      'decide',
      'cookie_expire',
      `a sign-in always ends; it is ${lifetime} now, as you may change in [sessions]`,
    )
  } else note(context, 'kept', 'cookie_expire', 'lifetime in [sessions]')
  const refreshMs = options.durationMs('cookie_refresh')
  if (refreshMs !== null && refreshMs >= 10_000) {
    entries.push({
      key: 'refresh',
      value: spellDuration(Math.min(refreshMs, 30 * 86_400_000)),
      comment: 'cookie_refresh',
    })
    note(context, 'kept', 'cookie_refresh', 'refresh in [sessions]')
  } else
    note(
      context,
      'changed',
      'cookie_refresh',
      'the provider is asked again every 15 minutes; refresh = "off" in [sessions] stops that',
    )
  entries.push(...store(context))
  return { title: '[sessions]', entries }
}

function store(context: Context): readonly Entry[] {
  const { options, blanks } = context
  const stated = options.text('redis_connection_url')
  const [, scheme = '', , place = ''] = /^(rediss?):\/\/(.*@)?([^@]+)$/s.exec(stated ?? '') ?? []
  const isRedis = options.text('session_store_type') === 'redis' && scheme !== ''
  note(
    context,
    'kept',
    'session_store_type',
    isRedis ? 'store in [sessions]' : 'sessions are kept in SQLite, beside the file',
  )
  if (!isRedis) {
    note(
      context,
      'left',
      ['redis_connection_url', 'redis_password', 'redis_username'],
      'sessions are kept in SQLite; store in [sessions] names a Redis',
    )
    return []
  }
  const hasPassword = /^rediss?:\/\/[^@]*:[^@]*@/s.test(stated ?? '') || options.has('redis_password')
  const user = options.text('redis_username') ?? /^rediss?:\/\/([^:@/]*):/.exec(stated ?? '')?.[1] ?? ''
  const password = hasPassword ? blanks.add('REDIS_PASSWORD', 'the password of Redis', 'fill-in') : ''
  const login = hasPassword ? `${blanks.literal(user)}:${password}@` : ''
  const key = blanks.add(
    'SALLYPORT_KEY',
    'what "openssl rand -base64 32" prints, the same on every machine',
    Buffer.alloc(32).toString('base64'),
  )
  note(
    context,
    'kept',
    'redis_connection_url',
    'store in [sessions]; the sessions themselves are not carried over: everyone signs in once more',
  )
  note(context, 'kept', ['redis_password', 'redis_username'], 'in store')
  return [
    {
      key: 'store',
      value: `${scheme}://${login}${blanks.literal(place)}`,
      comment: 'redis_connection_url; SQLite, the default, is enough for one machine',
    },
    { key: 'key', value: key },
  ]
}

import type { Entry } from '../draft.ts'
import { type Context, spell } from './context.ts'
import type { Caddyfile, Directive } from './parse.ts'

const SAID: Readonly<Record<string, readonly ['left' | 'decide' | 'kept', string]>> = {
  default_bind: ['kept', 'listen in [server] where all sites are at the same addresses; others are closed'],
  acme_ca: ['left', 'say it to [tls] in acme = { directory = "…" }, where Sallyport is to make the certificates'],
  acme_dns: ['left', 'Sallyport proves names over HTTP alone: name the files of wildcard certificates in [tls]'],
  admin: [
    'decide',
    'admin = "127.0.0.1:9464" in [server] answers /healthz, /readyz and /metrics; the file is reloaded when it is saved',
  ],
  auto_https: ['left', 'with [tls], plain HTTP is sent to https unless redirect_http = false'],
  debug: ['decide', 'log_level = "debug" in [server]'],
  email: ['left', 'say it to [tls] in acme = { email = "…" }, where Sallyport is to make the certificates'],
  http_port: ['decide', 'listen in [server] is for plain HTTP: 8080, unless you write another'],
  https_port: [
    'decide',
    'listen in [tls], with certificates; or keep a TLS proxy in front, and name it in trusted_proxies',
  ],
  log: ['left', 'one log for all, JSON on standard output'],
  order: ['kept', 'in what the routes say'],
  storage: ['kept', 'sessions are in SQLite beside the file; store in [sessions] changes that'],
}

/** Options that are shown with what they say; others may say a secret. */
const SAYS_WHAT = new Set(['http_port', 'https_port', 'order', 'auto_https'])

/** What of `security` is not about OpenID Connect. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  saml: 'SAML is not spoken: a provider that speaks OpenID Connect (Pocket ID, Keycloak) can stand in for it',
  ldap: 'LDAP is not spoken: a provider that speaks OpenID Connect (Pocket ID, Keycloak) can stand in front of it',
  local: 'people with passwords of their own: htpasswd in a portal, or better a provider such as Pocket ID',
  user: 'people are registered at the provider',
  messaging: 'nothing is mailed',
  credentials: 'nothing is mailed',
  sso: 'applications sign people in at the provider themselves',
  secrets: 'secrets come from the environment (${NAME}) or files (${file:/path})',
}

/** Options that say nothing about who gets what. Whatever is not here, nor in what is said above, may. */
const HARMLESS = new Set([
  'acme_ca_root',
  'acme_eab',
  'cert_issuer',
  'cert_lifetime',
  'default_sni',
  'dns',
  'ech',
  'events',
  'fallback_sni',
  'filesystem',
  'grace_period',
  'key_type',
  'local_certs',
  'metrics',
  'ocsp_interval',
  'ocsp_stapling',
  'on_demand_tls',
  'persist_config',
  'pki',
  'preferred_chains',
  'renew_interval',
  'renewal_window_ratio',
  'shutdown_delay',
  'skip_install_trust',
  'storage_check',
  'storage_clean_interval',
])

/** What `servers` may hold without keeping anybody out. */
const OF_SERVERS =
  /^(?:name|timeouts|trusted_proxies|trusted_proxies_strict|client_ip_headers|max_header_size|enable_full_duplex|log_credentials|protocols?|strict_sni_host|metrics|trace|keepalive_\w+|experimental_http3|0rtt)$/

/** Notes the global options, and answers the directives of `security`; `unknown` is the first option that may guard something. */
export function globalOptions(
  { notes }: Context,
  options: readonly Directive[],
): { readonly security: readonly Directive[]; readonly unknown: string | null } {
  const security: Directive[] = []
  let unknown: string | null = null
  for (const { name, args, line, block } of options) {
    if (name === 'security') security.push(...(block ?? []))
    else {
      const said = Object.hasOwn(SAID, name) ? SAID[name] : undefined
      const guard = name === 'servers' ? (block ?? []).find(one => !OF_SERVERS.test(one.name)) : undefined
      const shown = SAYS_WHAT.has(name) ? [name, ...args].join(' ').slice(0, 60) : name
      if (said !== undefined) notes.add(said[0], shown, line, said[1])
      else if (HARMLESS.has(name) || (name === 'servers' && guard === undefined))
        notes.add('kept', shown, line, 'nothing to write')
      else {
        const what = guard === undefined ? name : `servers ${guard.name}`
        unknown ??= `${what} in line ${guard?.line ?? line}`
        const say = 'not an option that is known here, so it may guard something: all routes let nobody in'
        notes.add('closed', what, guard?.line ?? line, say)
      }
    }
  }
  for (const { name, args, line } of security) {
    // What follows the name of a provider may be its secret.
    const text = [name, ...args.slice(0, name === 'oauth' ? 3 : 2)].join(' ').slice(0, 60)
    if (/^(?:oauth identity provider|authentication portal|authorization policy) /.test(text))
      notes.add('kept', text, line, 'a table of its own')
    else
      notes.add(
        'decide',
        [name, ...args.slice(0, 1)].join(' '),
        line,
        ELSEWHERE[name] ?? 'not a directive that is known here',
      )
  }
  return { security, unknown }
}

/**
 * `listen` in `[server]`, at these addresses, and the proxy in front where rules ask where clients come from (`asksClients`).
 * Caddy did TLS by itself wherever an address did not say `http://`.
 */
export function serverEntries(
  context: Context,
  { options, sites }: Caddyfile,
  places: readonly string[],
  asksClients: boolean,
): readonly Entry[] {
  const port = options.find(({ name }) => name === 'http_port')?.args[0]
  const isSecure = sites.some(({ addresses }) =>
    addresses.some(address => !address.startsWith('http://') && !/:80$/.test(address)),
  )
  if (isSecure) {
    context.notes.add(
      'decide',
      'https',
      null,
      'Caddy made the certificates: write [tls] with acme = { email = "…" } or with files (sallyport help https); or keep a TLS proxy in front, named in trusted_proxies',
    )
  }
  const isUsable = port !== undefined && port !== '443' && /^\d+$|^\{/.test(port)
  const at = isUsable ? spell(context, port, '8080') : '8080'
  return [
    {
      key: 'listen',
      value: places.map(place => `${place}:${at}`),
      comment: 'plain HTTP, behind a TLS proxy; or add [tls]',
    },
    ...(isSecure && asksClients ? [proxyInFront(context)] : []),
  ]
}

/** Everyone has the address of a proxy that is not named, and a rule about networks may hold for that. */
function proxyInFront({ blanks }: Context): Entry {
  const meaning = 'the address that the TLS proxy in front comes from; without one, take trusted_proxies out'
  const value = [blanks.add('PROXY_ADDRESS', meaning, '10.0.0.2')]
  return { key: 'trusted_proxies', value, comment: 'so that networks in rules see the clients' }
}

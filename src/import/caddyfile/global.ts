import { formatToml } from '../../config/keys/table.ts'
import type { Entry, Section } from '../draft.ts'
import { type Context, spell } from './context.ts'
import type { Caddyfile, Directive } from './parse.ts'

type Said = readonly [outcome: 'left' | 'decide' | 'kept', say: string]

const SAID: Readonly<Record<string, Said>> = {
  default_bind: ['kept', 'listen in [server] where all sites are at the same addresses; others are closed'],
  acme_ca: ['left', 'write it into [tls] as acme = { directory = "…" }, where Sallyport is to make the certificates'],
  acme_dns: [
    'left',
    'write dns into acme of [tls]: updates to a name server (server, key_name, key), or a program that calls the provider (exec)',
  ],
  admin: [
    'left',
    'write admin = "127.0.0.1:9464" into [server] for /healthz, /readyz and /metrics; the file is reloaded when it is saved',
  ],
  auto_https: ['left', 'with [tls], plain HTTP is sent to https unless redirect_http = false'],
  debug: ['left', 'write log_level = "debug" into [server] while you look for something'],
  email: ['left', 'write it into acme of [tls], which is there to be uncommented'],
  log: ['left', 'one log for all, JSON on standard output'],
  order: ['kept', 'in what the routes say'],
  storage: ['kept', 'sessions are in SQLite beside the file; store in [sessions] changes that'],
}

/** Options that are shown with what they say; others may say a secret. */
const SAYS_WHAT = new Set(['http_port', 'https_port', 'order', 'auto_https'])

/** What of `security` is not about OpenID Connect. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  saml: 'take a provider that speaks OpenID Connect (Pocket ID, Keycloak) in its place: SAML is not spoken',
  ldap: 'put a provider that speaks OpenID Connect (Pocket ID, Keycloak) in front of it: LDAP is not spoken',
  local:
    'users = "FILE" of a provider has people with passwords of their own, and a form for them (sallyport user add FILE NAME); or better take a provider such as Pocket ID',
  user: 'have people registered at the provider',
  messaging: 'take it out: nothing is mailed',
  credentials: 'take it out: nothing is mailed',
  sso: 'have applications sign people in at the provider themselves',
  secrets: 'write what takes one by hand: secrets come from the environment (${NAME}) or files (${file:/path})',
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

/** What becomes of an option, where that is known. */
function saidOf(name: string, [value]: readonly string[]): Said | undefined {
  if (name === 'admin' && value === 'off') return ['kept', 'nothing to write: [server] has no admin unless it says so']
  if (name === 'http_port') {
    return isPlainPort(value)
      ? ['kept', 'listen in [server]']
      : ['decide', 'write the port of plain HTTP into listen of [server]: 8080 stands there']
  }
  if (name === 'https_port') {
    return isNumber(value)
      ? ['kept', 'listen of [tls], which is there to be uncommented']
      : ['decide', 'write it into listen of [tls], which is there to be uncommented: 443 stands there']
  }
  return Object.hasOwn(SAID, name) ? SAID[name] : undefined
}

/** Whether a port is said plainly. */
function isNumber(port: string | undefined): port is string {
  return port !== undefined && /^\d+$/.test(port)
}

/** Whether plain HTTP was at a port of its own: at 443 it was https. */
function isPlainPort(port: string | undefined): port is string {
  return port !== undefined && port !== '443' && /^\d+$|^\{/.test(port)
}

/** Whether Caddy does TLS by itself wherever an address does not say otherwise. */
export function makesTls(options: readonly Directive[]): boolean {
  return !options.some(
    ({ name, args }) =>
      (name === 'auto_https' && args.includes('off')) || (name === 'http_port' && !isPlainPort(args[0])),
  )
}

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
      const said = saidOf(name, args)
      const guard = name === 'servers' ? (block ?? []).find(one => !OF_SERVERS.test(one.name)) : undefined
      const shown = SAYS_WHAT.has(name) ? [name, ...args].join(' ').slice(0, 60) : name
      if (said !== undefined) notes.add(said[0], shown, line, said[1])
      else if (HARMLESS.has(name) || (name === 'servers' && guard === undefined))
        notes.add('kept', shown, line, 'nothing to write')
      else {
        const what = guard === undefined ? name : `servers ${guard.name}`
        unknown ??= `${what} in line ${guard?.line ?? line}`
        const say =
          'all routes let nobody in, as it may guard something and is not known here: take it out where it does not, and import again'
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
        ELSEWHERE[name] ?? 'take it out where nothing needs it: not a directive that is known here',
      )
  }
  return { security, unknown }
}

/** What sites come to that the server has to know. */
interface Serving {
  readonly listen: readonly string[]
  /** Whether rules ask where clients come from. */
  readonly asksClients: boolean
  /** The ports of applications on this machine. */
  readonly taken: ReadonlySet<string>
}

/** The first that no application has is the one to listen at. */
const PORTS = ['8080', '8000', '8888', '3080']

/**
 * `[server]` with `listen`, and the proxy in front where rules ask where clients come from.
 * Caddy did TLS by itself wherever an address did not say `http://`: the same stands in comments, as ports and certificates may be
 * a proxy's now.
 */
export function serverSection(
  context: Context,
  { options, sites }: Caddyfile,
  { listen: places, asksClients, taken }: Serving,
): Section {
  const stated = (option: string) => options.find(({ name }) => name === option)?.args[0]
  const port = stated('http_port')
  const isSecure = sites.some(({ addresses }) =>
    addresses.some(address => !address.startsWith('http://') && !/:80$/.test(address)),
  )
  if (isSecure) {
    context.notes.add(
      'decide',
      'https',
      null,
      'Caddy made the certificates: uncomment [tls] in the new file, which does too, or name files there (sallyport help https); or keep a TLS proxy in front, named in trusted_proxies',
    )
  }
  const free = PORTS.find(one => !taken.has(one)) ?? '8080'
  const at = isPlainPort(port) ? spell(context, port, '8080') : free
  const listen = {
    key: 'listen',
    value: places.map(place => `${place}:${at}`),
    comment: isSecure ? 'plain HTTP, behind a TLS proxy; or uncomment [tls]' : 'plain HTTP',
  }
  return {
    title: '[server]',
    entries: [listen, ...(isSecure && asksClients ? [proxyInFront(context)] : [])],
    also: isSecure ? tlsLines(places, stated('https_port')) : [],
  }
}

/** What does the same, at Caddy's port of HTTPS where that is said plainly. */
function tlsLines(places: readonly string[], port: string | undefined): readonly string[] {
  const at = isNumber(port) ? port : '443'
  return [
    '[tls]   # as Caddy did: what comes to listen above is sent here, and port 80 of each name has to lead there',
    `listen = ${formatToml(places.map(place => `${place}:${at}`))}`,
    'acme = { email = "me@example.com" }',
  ]
}

/** Everyone has the address of a proxy that is not named, and a rule about networks may hold for that. */
function proxyInFront({ blanks }: Context): Entry {
  const meaning = 'the address that the TLS proxy in front comes from; without one, take trusted_proxies out'
  const value = [blanks.add('PROXY_ADDRESS', meaning, '10.0.0.2')]
  return { key: 'trusted_proxies', value, comment: 'so that networks in rules see the clients' }
}

/** A provider and how it knows the gate, as both kinds of providers of tests say it of themselves. */
export interface KnownClient {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
}

/** A provider that nobody ever asks: nothing listens there. */
export const SILENT: KnownClient = { issuer: 'http://127.0.0.1:9', clientId: 'gate', clientSecret: 'gate-secret' }

/** A table of a provider; `more` are lines of it. */
export function providerTable(client: KnownClient, more = '', name = 'id'): string {
  return `[providers.${name}]
issuer = "${client.issuer}"
client_id = "${client.clientId}"
client_secret = "${client.clientSecret}"
${more}
`
}

/** A role for everyone who signs in, as a line of a portal. */
export const EVERYONE = 'roles.user = { any = true }'

/** The table of a portal for plain HTTP, whose people come from the provider `id`; the lines say the rest, roles first. */
export function portalTable(lines: string, name = 'home'): string {
  return `[portals.${name}]
providers = ["id"]
insecure_cookies = true
${lines}
`
}

/** The table of a route to an application of this machine; the lines say the rest. */
export function routeTo(upstream: { readonly port?: number | undefined }, host: string, lines: string): string {
  return `[[routes]]
host = "${host}"
upstream = "http://127.0.0.1:${upstream.port}"
${lines}
`
}

/** The same for those who have signed in at the portal `home`, by its role `user`. */
export function routeForUsers(upstream: { readonly port?: number | undefined }, host: string, lines = ''): string {
  return routeTo(upstream, host, `portal = "home"\nallow = ["user"]\n${lines}`)
}

/** The table of a route that answers by itself. */
export function routeSaying(body: string, host: string, lines: string): string {
  return `[[routes]]\nhost = "${host}"\nrespond = { body = "${body}" }\n${lines}\n`
}

/** The tables and keys at the top of a routes.toml, in the order of the schema. */
export const ROOT_TABLES = [
  'include',
  'server',
  'log',
  'telemetry',
  'tls',
  'sessions',
  'audit',
  'providers',
  'portals',
  'upstreams',
  'routes',
  'expect',
]

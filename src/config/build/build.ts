import { resolve } from 'node:path'
import { freezeShared } from '../../base/freeze.ts'
import { buildApp } from '../checks/apps.ts'
import type { Surroundings } from '../environment.ts'
import type { FieldRuleTable } from '../keys/field-rules.ts'
import type { RootTable } from '../keys/keys.ts'
import { known } from '../keys/known.ts'
import type { GUEST_LINKS, PortalTable, RuleTable } from '../keys/portals.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { SESSIONS } from '../keys/server.ts'
import type { Table, Values } from '../keys/table.ts'
import type { Config } from '../types/config.ts'
import type { GuestLinksConfig, PortalConfig } from '../types/portals.ts'
import type { ProviderConfig } from '../types/providers.ts'
import type { FieldRules, OwnAnswer, RouteConfig } from '../types/routes.ts'
import type { RoleRule } from '../types/rules.ts'
import type { ConfigFiles } from '../values/files.ts'
import { buildHtpasswd } from '../values/htpasswd.ts'
import { buildBrand } from './brand.ts'
import { buildFlows, buildMaxBody, buildRate } from './limits.ts'
import { buildAllow, buildDeny, buildPerson } from './rules.ts'
import { buildLifetimes, buildPortalLifetimes } from './sessions.ts'
import { buildTls } from './tls.ts'
import { buildUpstream } from './upstreams.ts'

/**
 * The Config of a file without mistakes, frozen to the bottom.
 *
 * Throws TypeError where a value is missing: a mistake that was not reported is a bug of ours.
 */
export function buildConfig(root: RootTable, directory: string, files: ConfigFiles, around: Surroundings): Config {
  const server = known(root.values.server, 'server').values
  const sessions = known(root.values.sessions, 'sessions').values
  return freezeShared({
    server: {
      listen: known(server.listen, 'listen'),
      trustedProxies: known(server.trusted_proxies, 'trusted_proxies'),
      trustedFields: known(server.trusted_fields, 'trusted_fields'),
      workers: known(server.workers, 'workers'),
      admin: known(server.admin, 'admin') ?? around.admin,
      verify: known(server.verify, 'verify') ?? [],
      accessLog: known(server.access_log, 'access_log'),
      logLevel: known(server.log_level, 'log_level'),
      drainMs: known(server.drain, 'drain'),
      flows: buildFlows(server),
      rate: buildRate(known(server.rate, 'rate')?.values ?? null, 'client'),
    },
    tls: buildTls(known(root.values.tls, 'tls'), root, files),
    sessions: {
      store: known(sessions.store, 'store')?.(directory) ?? around.store,
      key: known(sessions.key, 'key'),
      ...buildLifetimes(sessions),
      cacheEntries: known(sessions.cache, 'cache'),
    },
    providers: mapMap(known(root.values.providers, 'providers'), buildProvider),
    portals: mapMap(known(root.values.portals, 'portals'), (name, portal) =>
      buildPortal(name, portal, sessions, files),
    ),
    routes: known(root.values.routes, 'routes').map(route => buildRoute(route, root, directory, files)),
  })
}

type ProviderTable = NonNullable<RootTable['values']['providers']> extends ReadonlyMap<string, infer T> ? T : never

function buildProvider(name: string, { values }: ProviderTable): ProviderConfig {
  const accessTokens = known(values.access_tokens, 'access_tokens')
  return {
    name,
    label: known(values.label, 'label') ?? name,
    issuer: known(values.issuer, 'issuer'),
    metadataUrl: known(values.metadata_url, 'metadata_url'),
    clientId: known(values.client_id, 'client_id'),
    clientSecret: known(values.client_secret, 'client_secret'),
    clientAuth: known(values.client_auth, 'client_auth'),
    scopes: known(values.scopes, 'scopes'),
    trustsEmails: known(values.emails, 'emails') === 'trusted',
    idTokenAlg: known(values.id_token_alg, 'id_token_alg'),
    accessTokens: accessTokens === null ? null : { audience: known(accessTokens.values.audience, 'audience') },
  }
}

function buildPortal(
  name: string,
  table: PortalTable,
  sessions: Values<typeof SESSIONS>,
  files: ConfigFiles,
): PortalConfig {
  const { values } = table
  return {
    name,
    title: known(values.title, 'title'),
    url: known(values.url, 'url'),
    providers: known(values.providers, 'providers') ?? [],
    callbackPath: known(values.callback_path, 'callback_path'),
    insecureCookies: known(values.insecure_cookies, 'insecure_cookies'),
    roles: mapMap(known(values.roles, 'roles'), (_, rules) => rules.map(buildRule)),
    lifetimes: buildPortalLifetimes(values, sessions),
    providerLogout: known(values.provider_logout, 'provider_logout'),
    adminRole: known(values.admin_role, 'admin_role'),
    passwords: buildHtpasswd(known(values.htpasswd, 'htpasswd'), files),
    bindTickets: known(values.bind_tickets, 'bind_tickets'),
    personalTokens: known(values.personal_tokens, 'personal_tokens'),
    personalTokensRestMs: known(values.personal_tokens_rest, 'personal_tokens_rest'),
    guestLinks: buildGuestLinks(known(values.guest_links, 'guest_links')),
    brand: buildBrand(table, files),
  }
}

function buildGuestLinks(table: Table<typeof GUEST_LINKS> | null): GuestLinksConfig | null {
  if (table === null) return null
  const { allow, max_lifetime, max_uses } = table.values
  return {
    allow: known(allow, 'allow'),
    maxLifetimeMs: known(max_lifetime, 'max_lifetime'),
    maxUses: known(max_uses, 'max_uses'),
  }
}

function buildRule({ values }: RuleTable): RoleRule {
  return { any: known(values.any, 'any'), ...buildPerson(values) }
}

function buildRoute(table: RouteTable, root: RootTable, directory: string, files: ConfigFiles): RouteConfig {
  const { values } = table
  const host = known(values.host, 'host')
  const path = known(values.path, 'path')
  const isExact = known(values.exact, 'exact')
  const upstream = known(values.upstream, 'upstream')
  const rate = known(values.rate, 'rate')
  return {
    id: host + path + (isExact ? ' (exact)' : ''),
    host,
    path,
    isExact,
    isOneLabel: known(values.one_label, 'one_label'),
    upstream: upstream === null ? null : buildUpstream(upstream, root, files),
    answer: buildAnswer(values, directory),
    portal: known(values.portal, 'portal'),
    allow: buildAllow(known(values.allow, 'allow')),
    deny: buildDeny(known(values.deny, 'deny')),
    methods: known(values.methods, 'methods'),
    tokens: known(values.tokens, 'tokens'),
    passwords: known(values.passwords, 'passwords'),
    stripPrefix: known(values.strip_prefix, 'strip_prefix'),
    addPrefix: noRoot(known(values.add_prefix, 'add_prefix')),
    hostHeader: known(values.host_header, 'host_header'),
    corsPreflight: known(values.cors_preflight, 'cors_preflight'),
    serviceWorkers: known(values.service_workers, 'service_workers'),
    headers: known(values.headers, 'headers'),
    assertion: buildAssertion(values),
    passTokens: [...(known(values.pass_token, 'pass_token') ?? [])].map(([kind, header]) => ({ kind, header })),
    requestRules: buildFieldRules(known(values.request_headers, 'request_headers')),
    responseRules: buildFieldRules(known(values.response_headers, 'response_headers')),
    passFields: (known(values.pass_fields, 'pass_fields') ?? []).map(name => name.toLowerCase()),
    timeoutMs: known(values.timeout, 'timeout'),
    keepLengthBytes: known(values.keep_length, 'keep_length').maxBytes,
    maxBodyBytes: buildMaxBody(values, root),
    keepPostsBytes: known(values.keep_posts, 'keep_posts').maxBytes,
    rate: buildRate(rate?.values ?? null, known(rate === null ? 'client' : rate.values.by, 'by')),
    allowedOrigins: known(values.allowed_origins, 'allowed_origins'),
    websockets: known(values.websockets, 'websockets'),
    websocketCompression: known(values.websocket_compression, 'websocket_compression'),
    name: known(values.name, 'name') ?? (path === '/' ? host : host + path),
    app: buildApp(table, files),
  }
}

function buildAnswer(values: RouteTable['values'], directory: string): OwnAnswer | null {
  const location = known(values.redirect, 'redirect')
  if (location !== null) return { kind: 'redirect', location, status: known(values.status, 'status') ?? 302 }
  const fixed = known(values.respond, 'respond')?.values
  if (fixed !== undefined) {
    const { status, body, content_type } = fixed
    return {
      kind: 'respond',
      status: known(status, 'status'),
      body: known(body, 'body'),
      contentType: known(content_type, 'content_type'),
    }
  }
  const folder = known(values.files, 'files')
  if (folder !== null) return { kind: 'files', folder: resolve(directory, folder) }
  return known(values.verify, 'verify') === null ? null : { kind: 'verify' }
}

function buildAssertion({ assertion }: RouteTable['values']): RouteConfig['assertion'] {
  const table = known(assertion, 'assertion')
  if (table === null) return null
  const { audience, header, issuer } = table.values
  return { audience: known(audience, 'audience'), header: known(header, 'header'), issuer: known(issuer, 'issuer') }
}

function buildFieldRules(table: FieldRuleTable | null): FieldRules | null {
  if (table === null) return null
  return {
    remove: known(table.values.remove, 'remove') ?? [],
    set: known(table.values.set, 'set') ?? [],
    append: known(table.values.append, 'append') ?? [],
  }
}

function noRoot(path: string | null): string | null {
  return path === '/' ? null : path
}

function mapMap<A, B>(map: ReadonlyMap<string, A>, turn: (name: string, value: A) => B): ReadonlyMap<string, B> {
  return new Map([...map].map(([name, value]) => [name, turn(name, value)]))
}

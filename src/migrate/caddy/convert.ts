/** Converts Caddy's JSON to the sections of routes.toml. */

import { formatToml } from '../../config/keys/table.ts'
import type { Json } from '../../config/text/raw.ts'
import { closingEntry, type Entry, EVERYONE, type Section, spellPath } from '../draft.ts'
import { type Context, createNames } from './context.ts'
import { spellChanges, spellFields, USER_ID } from './fields.ts'
import { type Host, hostsOf } from './hosts.ts'
import { isTable, onlyTexts, type Table, tableOf, tablesOf, textOf, textsOf, valueAt } from './json.ts'
import { networkOf } from './matchers.ts'
import { CLAIM_FIELDS, readPolicy } from './policy.ts'
import { madeRoles, type Portal, readPortal } from './portal.ts'
import { portalSections } from './portal-sections.ts'
import { localProvider, readProvider, realmsOf } from './provider.ts'
import { planRoutes, type RoutePlan } from './route-plan.ts'
import { createRedaction } from './rules.ts'
import { openServer } from './server-walk.ts'
import { readServers, routesIn, type Server } from './servers.ts'
import type { Served } from './strictest.ts'

/** Every section of the new file, for the JSON that Caddy itself makes of its file. */
export function convertCaddyJson(tools: Omit<Context, 'names'>, json: unknown): readonly Section[] {
  const context: Context = { ...tools, names: createNames() }
  const top = tableOf(json)
  const apps = tableOf(top.apps)
  const http = tableOf(apps.http)
  noteOptions(context, top, apps, http)
  const security = tableOf(valueAt(apps.security, 'config'))
  for (const [key, value] of Object.entries(security)) {
    if (!READ.includes(key) && Object.keys(tableOf(value)).length + tablesOf(value).length > 0)
      context.notes.add('decide', key, null, ELSEWHERE[key] ?? 'not known here: take it out where nothing needs it')
  }
  const providers = tablesOf(security.identity_providers)
    .filter(provider => {
      if (provider.kind === 'oauth') return true
      context.notes.add('decide', `identity provider ${textOf(provider.name) ?? ''}`, null, ELSEWHERE.saml ?? '')
      return false
    })
    .map(provider => readProvider(context, provider))
  const stores = tablesOf(security.identity_stores)
  for (const { name, kind } of stores) {
    const say = ELSEWHERE[textOf(kind) ?? ''] ?? ELSEWHERE.local ?? ''
    context.notes.add('decide', `identity store ${textOf(name) ?? ''}`, null, say)
  }
  const placed = tablesOf(security.authentication_portals)
  if (providers.length === 0 && placed.length > 0) providers.push(localProvider(context))
  const names = stores.map(({ name }) => textOf(name) ?? '')
  const portals = placed.map(portal => readPortal(context, portal, providers, names))
  if (portals.length > 0) {
    const say = 'everyone signs in once more: the sessions of caddy-security end with it'
    context.notes.add('people', 'sign-in', null, say)
  }
  const policies = tablesOf(security.authorization_policies).map(policy =>
    readPolicy(context, policy, {
      realms: realmsOf(providers),
      roles: madeRoles(context, portals),
      userinfo: tablesOf(security.identity_providers).flatMap(({ params }) =>
        textsOf(valueAt(params, 'user_info_fields')),
      ),
    }),
  )
  const bypassed = new Map(policies.map(({ was, open }) => [was, open]))
  const met = new Set<unknown>()
  const unknown = Object.keys(apps).find(name => !APPS.includes(name)) ?? null
  if (unknown !== null) {
    const say =
      'all routes stay closed, because it is not known here and may guard something: if it does not, remove it and import again'
    context.notes.add('closed', `apps.${unknown}`, null, say)
  }
  const servers = readServers(context, http).map(server =>
    unknown === null ? server : { ...server, closed: `apps.${unknown}` },
  )
  const opened = servers.map(server => ({
    server,
    walk: openServer({
      context,
      routes: server.table.routes,
      named: tableOf(server.table.named_routes),
      peers: server.peers,
      bypassed,
      met,
    }),
  }))
  if (servers.length > 0) {
    const say = '/a%2Fb is held to each route that it may mean; /a%00b, and /é as one byte, which is no UTF-8, get 400'
    context.notes.add('changed', 'odd paths', null, say)
  }
  const { hosts, listen } = hostsOf(context, http, opened)
  const plans = hosts.flatMap(host => ofOnePortal(context, planRoutes(context, host, { portals, policies })))
  for (const { table } of servers) noteUnmet(context, table, met)
  const taken = new Set<string>()
  const placements = portals.map(portal => ({
    portal,
    sections: portalSections(context, portal, hosts, plans, taken),
  }))
  const callbacks = placements.flatMap(({ portal, sections }) => callbacksOf(portal, sections, plans))
  // Where a portal's own paths are refused, its callback is not: only that path, on the portal's hosts, belongs to no
  // route.
  const isCallback = ({ host, path, isExact, served }: RoutePlan) =>
    served === 404 && isExact && callbacks.some(one => one.path === path && one.hosts.includes(host.name))
  const redact = createRedaction(context)
  return [
    serverSection(context, http, servers, listen, plans),
    ...providers.map(({ section }) => section),
    ...placements.flatMap(({ sections }) => sections),
    ...plans.filter(plan => !isCallback(plan)).map(plan => routeSection(plan, redact)),
  ]
}

/** Apps that are read, and those that neither allow nor refuse users. */
const APPS = ['http', 'security', 'tls', 'pki', 'events']

/** The keys of `security` that are read, or that are noted by their meaning. */
const READ = ['authentication_portals', 'authorization_policies', 'identity_providers', 'identity_stores']

/** What of `security` is not about OpenID Connect. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  saml: 'take a provider that speaks OpenID Connect (Pocket ID, Keycloak) in its place: SAML is not spoken',
  ldap: 'put a provider that speaks OpenID Connect (Pocket ID, Keycloak) in front of it: LDAP is not spoken',
  local:
    'users = "FILE" of a provider has people with passwords of their own, and a form for them (sallyport user add FILE NAME); or better take a provider such as Pocket ID',
  user_registration: 'have people registered at the provider',
  messaging: 'take it out: nothing is mailed',
  credentials: 'take it out: nothing is mailed',
  sso_providers: 'have applications sign people in at the provider themselves',
}

function noteOptions({ notes }: Context, top: Table, apps: Table, http: Table): void {
  const left = (option: string, say: string) => notes.add('left', option, null, say)
  if (isTable(top.admin) && top.admin.disabled !== true)
    left(
      'admin',
      'write admin = "127.0.0.1:9464" into [server] for /healthz, /readyz and /metrics; the file is reloaded when it is saved',
    )
  if (top.logging !== undefined) left('logging', 'one log for all, JSON on standard output; [log] says how and where')
  if (apps.tls !== undefined)
    left('apps.tls', 'write certificates into [tls], or uncomment acme there, with your e-mail address')
  const secrets = 'write what takes one by hand: secrets come from the environment (${NAME}) or files (${file:/path})'
  if (valueAt(apps.security, 'secrets_managers') !== undefined) notes.add('decide', 'secrets_managers', null, secrets)
  if (http.http_port !== undefined) notes.add('kept', 'http_port', null, 'listen in [server]')
  if (http.https_port !== undefined) notes.add('kept', 'https_port', null, 'uncomment listen in [tls]')
}

/** A host has one portal: routes of another portal allow no user. */
function ofOnePortal(context: Context, plans: readonly RoutePlan[]): readonly RoutePlan[] {
  const first = plans.find(({ portal }) => portal !== null)?.portal ?? null
  return plans.map(plan => {
    if (plan.portal === null || plan.portal === first) return plan
    const what = `the portal ${plan.portal.was}`
    const say = `closed: a host has one portal, and ${first?.was} is this one’s; give this part a separate host`
    context.notes.add('closed', `${plan.host.name}${plan.path}`, null, say)
    return { ...plan, portal: null, policies: [], allow: 'public', deny: [], closed: [...plan.closed, what] }
  })
}

/** The path where a portal gets people back from a provider, with the hosts where it does: that of its `url`, or those with its routes. */
function callbacksOf(portal: Portal, sections: readonly Section[], plans: readonly RoutePlan[]) {
  const entries = sections.flatMap(section => section.entries)
  const url = entries.find(({ key }) => key === 'url')?.value
  const used = plans.filter(plan => plan.portal === portal).map(({ host }) => host.name)
  const hosts = typeof url === 'string' ? [url.replace(/^https?:\/\//, '')] : used
  return entries.filter(({ key }) => key === 'callback_path').map(({ value }) => ({ path: value, hosts }))
}

function noteUnmet(context: Context, server: Table, met: ReadonlySet<unknown>): void {
  const routes = tablesOf(server.routes).flatMap(route => routesIn(route, tableOf(server.named_routes)))
  for (const { handle } of routes) {
    for (const handler of tablesOf(handle)) {
      const name = textOf(handler.handler) ?? ''
      if (met.has(handler) || ['subroute', 'vars', 'rewrite', 'invoke'].includes(name)) continue
      context.notes.add('left', name, null, 'no request came to it: something before it answered them')
    }
  }
}

function routeSection(plan: RoutePlan, redact: (rule: Json, where: string) => Json): Section {
  const { host, served, closed, policies, portal, allow, fields } = plan
  const where = `${host.name}${plan.path}`
  const hidden = typeof served === 'number' ? [] : served.answer.answer.hidden
  const stated = hidden.length === 0 ? plan.deny : [...plan.deny, { path_regexp: hidden, ignore_case: true }]
  const deny = stated.map(rule => redact(rule, where))
  const isOwn = typeof served === 'number'
  const hasUpstream = !isOwn && served.answer.answer.entries.some(({ key }) => key === 'upstream')
  const headers = policies.find(one => one.headers !== null)?.headers ?? null
  const userId = policies[0]?.userId ?? 'email'
  return {
    title: '[[routes]]',
    entries: [
      { key: 'host', value: host.name },
      { key: 'path', value: spellPath(inCaseOfPrefix(plan)) },
      { key: 'ignore_case', value: heedsNoCase(plan) ? true : null },
      { key: 'when', value: redact(plan.when, where) },
      { key: 'one_label', value: host.name.startsWith('*.') ? true : null },
      ...(isOwn
        ? [{ key: 'respond', value: { status: served } }]
        : answerEntries(
            served,
            policies.flatMap(({ removed }) => removed),
          ).map(entry => onHost(entry, host))),
      { key: 'response_headers', value: isOwn ? null : spellFields(fields) },
      { key: 'portal', value: portal?.name ?? null },
      { key: 'allow', value: redact(allow, where) },
      closed.length > 0 ? closingEntry(closed, deny) : { key: 'deny', value: deny.length === 0 ? null : deny },
      {
        key: 'headers',
        // Where no route asks for the user, the identity fields of routes that do are unused.
        value:
          hasUpstream && (plan.when === null || policies.length > 0)
            ? identity(headers, callBy({ ...served.identity, ...served.answer.answer.headers }, userId))
            : null,
      },
    ],
  }
}

/** A path in the letters of the prefix that is taken off it: Caddy heeds the case of neither, and `check` compares them as they are. */
function inCaseOfPrefix(plan: RoutePlan): RoutePlan {
  const prefix = typeof plan.served === 'number' ? null : plan.served.stripPrefix
  if (prefix === null || !plan.path.toLowerCase().startsWith(prefix.toLowerCase())) return plan
  return { ...plan, path: prefix + plan.path.slice(prefix.length) }
}

/** Whether letters of a path are in question: Caddy heeds the case of none. */
function heedsNoCase({ path, served }: RoutePlan): boolean {
  const prefix = typeof served === 'number' ? null : served.stripPrefix
  return /[a-z]/i.test(path) || (prefix !== null && /[a-z]/i.test(prefix))
}

/**
 * A redirect to a longer name with the host's placeholder gets the host's real name: the placeholder could mean any
 * host.
 */
function onHost(entry: Entry, { name }: Host): Entry {
  const { key, value } = entry
  const isMade = key === 'redirect' && typeof value === 'string' && /^https?:\/\/[^/]*\{host\}/.test(value)
  if (!isMade || name.startsWith('*') || /^https?:\/\/\{host\}(?![^/{])/.test(value)) return entry
  return { ...entry, value: value.replace('{host}', name) }
}

function answerEntries(
  { answer, stripPrefix, addPrefix, replaced, requestHeaders }: Served,
  removed: readonly string[],
): readonly Entry[] {
  const { entries, requestHeaders: own } = answer.answer
  if (entries.some(({ key }) => key === 'respond')) return entries
  const set = { ...requestHeaders.set, ...own.set }
  const append = { ...requestHeaders.append, ...own.append }
  const remove = [...new Set([...requestHeaders.remove, ...own.remove, ...removed])]
  const hasUpstream = entries.some(({ key }) => key === 'upstream')
  return [
    ...entries,
    { key: 'request_headers', value: hasUpstream ? spellChanges({ set, append, remove }) : null },
    { key: 'strip_prefix', value: stripPrefix },
    { key: 'add_prefix', value: addPrefix },
    { key: 'rewrite', value: replaced === null ? null : { from: replaced.find, to: replaced.put } },
  ]
}

function looksAtClients({ allow, deny }: RoutePlan): boolean {
  const asked = deny.filter(rule => JSON.stringify(rule) !== JSON.stringify(EVERYONE))
  return JSON.stringify([allow, asked]).includes('"networks"')
}

function ownPorts(plans: readonly RoutePlan[]): ReadonlySet<string> {
  const upstreams = plans.flatMap(({ served }) =>
    typeof served === 'number' ? [] : served.answer.answer.entries.filter(({ key }) => key === 'upstream'),
  )
  const found = JSON.stringify(upstreams).matchAll(/:\/\/(?:localhost|127\.[\d.]+|\[::1\]):(\d+)/g)
  return new Set([...found].map(([, port = '']) => port))
}

function callBy(fields: Readonly<Record<string, string>>, userId: string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(fields).map(([name, claim]) => [name, claim === USER_ID ? userId : claim]))
}

/** What the policy sends, with what `header_up` adds to it. */
function identity(policy: Json, own: Readonly<Record<string, string>>): Json {
  if (Object.keys(own).length === 0) return policy
  if (policy === 'caddy-security') return { ...CLAIM_FIELDS, ...own }
  return typeof policy === 'object' && policy !== null && !Array.isArray(policy) ? { ...policy, ...own } : own
}

/** The first that no application has is the one to listen at. */
const PORTS = ['8080', '8000', '8888', '3080']

/**
 * `[server]` with `listen`, and the proxy in front where rules ask where clients come from.
 *
 * Caddy did TLS automatically. Comments have the same settings, since a proxy may have the ports and certificates now.
 */
function serverSection(
  context: Context,
  http: Table,
  servers: readonly Server[],
  places: readonly string[],
  plans: readonly RoutePlan[],
): Section {
  const asksClients = plans.some(looksAtClients)
  const taken = ownPorts(plans)
  const isSecure = servers.some(({ isPlain }) => !isPlain)
  if (isSecure) {
    const say =
      'Caddy made the certificates: uncomment [tls] in the new file, which does too, or name files there (sallyport help https); or keep a TLS proxy in front, named in trusted_proxies'
    context.notes.add('decide', 'https', null, say)
  }
  const port = http.http_port
  const free = PORTS.find(one => !taken.has(one)) ?? '8080'
  const at = typeof port === 'number' && port !== 443 && port !== 80 ? String(port) : free
  const listen = {
    key: 'listen',
    value: places.map(place => `${place}:${at}`),
    comment: isSecure ? 'plain HTTP, behind a TLS proxy; or uncomment [tls]' : 'plain HTTP',
  }
  return {
    title: '[server]',
    entries: [listen, ...proxiesInFront(context, servers, { isSecure, asksClients })],
    also: isSecure ? tlsLines(places, http.https_port) : [],
  }
}

/** What does the same, at Caddy's port of HTTPS. */
function tlsLines(places: readonly string[], port: unknown): readonly string[] {
  return [
    '[tls]   # as Caddy did: requests to listen above are redirected here, and port 80 of each name has to lead there',
    `listen = ${formatToml(places.map(place => `${place}:${typeof port === 'number' ? port : 443}`))}`,
    'acme = { email = "me@example.com" }',
  ]
}

/**
 * The proxies that Caddy believed, and the field in which they say where a client comes from. Everyone has the address of a proxy that is
 * not named, and a rule about networks may hold for that.
 */
function proxiesInFront(
  { notes, blanks }: Context,
  servers: readonly Server[],
  { isSecure, asksClients }: { readonly isSecure: boolean; readonly asksClients: boolean },
): readonly Entry[] {
  const stated = servers.map(({ table }) => [
    valueAt(table.trusted_proxies, 'source') ?? null,
    valueAt(table.trusted_proxies, 'ranges') ?? null,
    table.client_ip_headers ?? null,
  ])
  const [[source, listed, named] = [null, null, null]] = stated
  const isSame = stated.every(one => JSON.stringify(one) === JSON.stringify(stated[0]))
  const known = (onlyTexts(listed) ?? []).map(networkOf)
  const ranges = isSame && source === 'static' && !known.includes(null) ? [...new Set(known)] : []
  const headers = isSame ? (onlyTexts(named ?? []) ?? []) : []
  if (stated.some(([from]) => from !== null) && ranges.length === 0) {
    const say = 'not the same for all servers, or no list of ranges: write trusted_proxies into [server]'
    notes.add('decide', 'trusted_proxies', null, say)
  }
  if (headers.length > 1 || (!isSame && stated.some(([, , fields]) => fields !== null))) {
    const say = `write the field that your proxy overwrites as client_address into [server]: until then it is X-Forwarded-For`
    notes.add('decide', 'client_ip_headers', null, say)
  }
  const [header] = headers
  const isOther = headers.length === 1 && header !== undefined && !/^x-forwarded-for$/i.test(header)
  const field = isOther
    ? [{ key: 'client_address', value: header, comment: 'as Caddy had it (client_ip_headers)' }]
    : []
  if (ranges.length > 0) {
    notes.add('kept', 'trusted_proxies', null, 'trusted_proxies in [server]')
    return [{ key: 'trusted_proxies', value: ranges, comment: 'as Caddy had them' }, ...field]
  }
  if (!asksClients || !isSecure) return []
  const meaning = 'the address that the TLS proxy in front comes from; without one, take trusted_proxies out'
  const value = [blanks.add('PROXY_ADDRESS', meaning, '10.0.0.2')]
  return [{ key: 'trusted_proxies', value, comment: 'so that networks in rules see the clients' }, ...field]
}

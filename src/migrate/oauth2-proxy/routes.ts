/** The upstreams and exceptions of an oauth2-proxy as routes. */

import type { Json } from '../../config/text/raw.ts'
import { parseMethod } from '../../config/values/headers.ts'
import { parseHostPattern } from '../../config/values/host.ts'
import { isUnder } from '../../config/values/path.ts'
import { parsePathExpression } from '../../config/values/pattern.ts'
import { type Entry, entry, type Section, spellDuration, spellPath } from '../draft.ts'
import { escapeReferences, STAND_IN_HOST } from '../variables-to-set.ts'
import { PORTAL, passwordFile, ROLE } from './members.ts'
import { clientField } from './server.ts'
import { type Old, withOwn } from './settings.ts'
import { readUpstreams, type Service } from './upstreams.ts'

/** Where the routes of the new file are, before their rules are known. */
export type Places = ReturnType<typeof findPlaces>

/** Options that name hosts to which people were led back, or with which a session was shared. */
const SHARED = ['whitelist_domains', 'cookie_domains']

const USUAL_PORTS: Readonly<Record<string, string>> = { http: ':80', https: ':443' }

/** What was protected, and on which host: the file says the first, and sometimes the second. */
export function findPlaces(old: Old) {
  const services = readUpstreams(old)
  const isAsked = services.every(({ kind }) => kind === 'none')
  const [, scheme = '', redirectHost, port = ''] =
    /^(https?):\/\/(?:[^/?#]*@)?([^/:?#]+)(:\d+)?/.exec(old.text('redirect_url') ?? '') ?? []
  const own = redirectHost === undefined ? null : old.spell(redirectHost)
  // One oauth2-proxy before many hosts shares its cookie; where a proxy asked, it was enough that people were led back.
  const isShared = own !== null && SHARED.some(name => old.has(name) && (isAsked || name === 'cookie_domains'))
  const hasUrl = isShared || (isAsked && own !== null && port !== '' && port !== USUAL_PORTS[scheme])
  if (hasUrl) old.tell('redirect_url', 'kept', 'url and callback_path of the portal')
  const say = 'any host was served there; here a host without a route gets 404'
  if (own === null && !isAsked) old.notes.add('changed', 'redirect_url', null, say)
  const known = old.host !== null ? [old.host] : isShared ? namedHosts(old, own) : own === null ? [] : [own]
  const meaning = 'the host by which people reach the application; --host writes it'
  const hosts = known.length > 0 ? known : [old.blanks.add('APP_HOST', meaning, STAND_IN_HOST)]
  return {
    /** One, unless a proxy in front has the applications: then those that the file names. */
    hosts,
    /** The portal's own, where it served other hosts or has a separate port; null: it is on the application's host. */
    portalUrl: hasUrl ? `${scheme}://${own}${port}` : null,
    services,
    /** Whether a proxy in front asked about each request, and has the application itself. */
    isAsked,
  }
}

/**
 * Hosts that `whitelist_domains` and `cookie_domains` name; a domain with a dot before it is every host below it. The portal's own one
 * is named beside that: no wildcard is for it, and an application may be there too.
 */
function namedHosts(old: Old, own: string): readonly string[] {
  const found = SHARED.flatMap(option =>
    old.list(option).flatMap(entry => {
      // A cookie is for every host below its domain, with a dot before it or without.
      const isBelow = /^\*?\./.test(entry) || option === 'cookie_domains'
      const name = entry.replace(/^\*?\./, '').replace(/:(?:\d+|\*)$/, '')
      const host = parseHostPattern(isBelow ? `*.${name}` : name)
      return host.ok ? [host.value] : []
    }),
  )
  const names = [...new Set(found)]
  const isCovered = (name: string) => names.some(other => other.startsWith('*.') && name.endsWith(other.slice(1)))
  const hosts = names.filter(name => name.startsWith('*.') || !isCovered(name)).sort()
  if (isCovered(own)) hosts.push(own)
  const all = hosts.join(' and ')
  const say = `a route each for ${all}: name the hosts one by one where not all of them were protected`
  if (hosts.some(name => name.startsWith('*.'))) old.tell('whitelist_domains', 'changed', say)
  return hosts
}

/** A route before it is written; null for the service: people are led to the path with a slash behind it. */
type Plan = Pick<Service, 'path' | 'isExact'> & { readonly service: Service | null }

/** `[[routes]]`: each upstream, with the paths that were open in the rules of each. */
export function routeSections(old: Old, { hosts, services, isAsked }: Places): readonly Section[] {
  const who = identityEntries(old, isAsked)
  const allow: readonly Json[] = [ROLE, ...networkRules(old, isAsked), ...skipRules(old, isAsked)]
  const closed = old.closedPaths.map(escapeReferences)
  const deny = closed.length === 0 ? null : [{ path_regexp: closed.length === 1 ? (closed[0] ?? '') : closed }]
  const programs = programPaths(old)
  const takesAuthorization = old.isOn('skip_jwt_bearer_tokens') || passwordFile(old) !== null
  // A path with a slash behind it is for what is below it: without that slash, what is around it answers, or leads there.
  const points = services
    .filter(
      one =>
        !one.isExact &&
        one.path !== '/' &&
        one.expression === undefined &&
        !services.some(it => it.isExact && it.path === one.path),
    )
    .map(({ path }): Plan => ({ path, isExact: true, service: serviceAround(path, services) }))
  const plans = [...services.map(service => ({ ...service, service })), ...points].toSorted((one, other) =>
    one.path === other.path ? Number(one.isExact) - Number(other.isExact) : one.path < other.path ? -1 : 1,
  )
  return hosts.flatMap(host =>
    plans.map(plan => {
      const { service } = plan
      const own = service?.own === undefined ? old : withOwn(old, service.own)
      const knowsPeople = service?.kind === 'upstream' || service?.kind === 'none'
      const entries: readonly Entry[] = [
        entry('host', host),
        entry('path', spellPath(plan)),
        entry(
          'when',
          service?.expression === undefined ? null : { path_regexp: escapeReferences(service.expression.from) },
        ),
        ...targetEntries(own, plan),
        entry('portal', PORTAL),
        { key: 'allow', value: allow, isByLine: allow.length > 2 },
        entry('deny', deny, 'upstreams.path'),
        ...programs,
        ...(old.isOn('skip_jwt_bearer_tokens') ? [entry('tokens', true, 'skip_jwt_bearer_tokens')] : []),
        ...(passwordFile(old) === null ? [] : [entry('passwords', true, 'htpasswd_file')]),
        entry('pass_authorization', knowsPeople && takesAuthorization ? true : null, 'as there'),
        ...(knowsPeople ? who : []),
        ...(service?.kind === 'upstream' ? upstreamEntries(own) : []),
      ]
      return { title: '[[routes]]', entries }
    }),
  )
}

function serviceAround(path: string, services: readonly Service[]): Service | null {
  const around = services.filter(
    one => !one.isExact && one.expression === undefined && one.path !== path && isUnder(path, one.path),
  )
  return around.toSorted((one, other) => other.path.length - one.path.length)[0] ?? null
}

/** Statuses without a body (RFC 9110 §15.3.5, §15.3.6, §15.4.5). */
const BODILESS = ['204', '205', '304']

function targetEntries(old: Old, { path, service }: Plan): readonly Entry[] {
  // The same as oauth2-proxy does for a path that is served only with a slash behind it.
  if (service === null) return [entry('redirect', `${path}/{query}`), entry('status', 301)]
  const { kind, to, rewrite, expression } = service
  const status = Number(to)
  switch (kind) {
    case 'none':
      return [entry('verify', true, 'your proxy asks /.sallyport/verify; docs/behind-a-proxy.md has its configuration')]
    case 'static': {
      const answer = BODILESS.includes(to) ? { status } : { status, body: 'Authenticated' }
      return [entry('respond', answer, `static://${to}`)]
    }
    case 'files': {
      const strip = service.path === '/' ? null : service.path
      return [entry('files', { folder: to, listing: true, any_method: true }), entry('strip_prefix', strip)]
    }
    case 'upstream':
      return [
        entry('upstream', upstreamOf(old, service)),
        entry('strip_prefix', rewrite?.strip ?? null),
        entry('add_prefix', rewrite?.add ?? null),
        entry('rewrite', expression === undefined ? null : { ...expression, from: escapeReferences(expression.from) }),
      ]
  }
}

function upstreamOf(old: Old, { to, login = null }: Service): Json {
  const isTrusting = old.isOn('ssl_upstream_insecure_skip_verify') && to.startsWith('https:')
  const isNamed = old.has('basic_auth_password') && old.isOn('pass_basic_auth')
  const meaning = `what basic_auth_password says in ${old.where('basic_auth_password')}`
  const personal = () => ({
    user: old.isOn('prefer_email_to_user') ? '{email}' : '{sub}',
    password: old.blanks.add('BASIC_AUTH_PASSWORD', meaning, 'fill-in'),
  })
  const basic = old.isOn('pass_authorization_header') ? null : isNamed ? personal() : login
  if (!isTrusting && basic === null) return to
  const tls = isTrusting ? { tls: { insecure_skip_verify: true } } : {}
  return { to, ...tls, ...(basic === null ? {} : { basic_auth: basic }) }
}

function upstreamEntries(old: Old): readonly Entry[] {
  const timeoutMs = old.durationMs('upstream_timeout') ?? 0
  const options = [
    'pass_host_header',
    'proxy_websockets',
    'skip_auth_preflight',
    'upstream_timeout',
    'basic_auth_password',
  ]
  old.tell(options, 'kept')
  old.tell('ssl_upstream_insecure_skip_verify', 'decide')
  return [
    entry('host_header', old.isOn('pass_host_header') ? null : 'upstream', 'pass_host_header = false'),
    entry('websockets', old.isOn('proxy_websockets') ? null : false, 'proxy_websockets'),
    entry('cors_preflight', old.isOn('skip_auth_preflight') ? true : null, 'skip_auth_preflight'),
    entry('timeout', timeoutMs < 1 ? null : spellDuration(timeoutMs), 'upstream_timeout'),
  ]
}

/** How the application received the identity, or the proxy in front where that asked about each request. */
function identityEntries(old: Old, isAsked: boolean): readonly Entry[] {
  const [preset, prefix] = isAsked ? ['x-auth-request', 'X-Auth-Request'] : ['x-forwarded', 'X-Forwarded']
  const isTold = isAsked ? old.isOn('set_xauthrequest') : old.isOn('pass_basic_auth') || old.isOn('pass_user_headers')
  const fields = old.alpha?.fields ?? null
  const isNamed = fields === null || isAsked ? isTold : fields.headers === null
  const passed = ['pass_user_headers', 'pass_basic_auth']
  if (isAsked) {
    old.tell([...passed, 'skip_auth_strip_headers'], 'left')
    old.tell('set_xauthrequest', 'kept', 'headers of the route, in the answer to your proxy')
  } else if (!isNamed) old.tell(passed, 'kept', 'no headers send the user')
  const isEmailFirst = isNamed && old.isOn('prefer_email_to_user')
  if (isEmailFirst) old.tell('prefer_email_to_user', 'kept', `${prefix}-User is the e-mail address`)
  const table = {
    [`${prefix}-User`]: 'email',
    [`${prefix}-Groups`]: 'groups',
    [`${prefix}-Preferred-Username`]: 'preferred_username',
  }
  const comment = isEmailFirst ? undefined : `the ${prefix}-* of oauth2-proxy`
  const named: Entry = {
    key: 'headers',
    value: isEmailFirst ? table : preset,
    ...(comment === undefined ? {} : { comment }),
  }
  const access = old.isOn('pass_access_token') ? { access: `${prefix}-Access-Token` } : {}
  const option = isAsked ? 'set_authorization_header' : 'pass_authorization_header'
  const hasId = old.isOn(option)
  old.tell(option, 'kept')
  const tokens = { ...access, ...(hasId ? { id: 'Authorization' } : {}) }
  const isIdAlone = hasId && Object.keys(access).length === 0
  return [
    ...(isNamed ? [named] : []),
    ...ownFields(old),
    entry('pass_token', isIdAlone ? 'id' : Object.keys(tokens).length === 0 ? null : tokens),
  ]
}

/** Fields of an alpha configuration that are not the usual ones. */
function ownFields({ alpha, blanks, notes }: Old): readonly Entry[] {
  const { headers = null, fixed = [], file = null } = alpha?.fields ?? {}
  const set = fixed.map(({ name, path, variable, line }): readonly [string, string] => {
    const meaning = `what the field ${name} holds for everyone`
    const say = `${name}: its value may be a secret, so it is not copied, but read from the environment`
    if (path !== null) return [name, `\${file:${path}}`]
    notes.add('decide', 'injectRequestHeaders', line, say, file)
    return [
      name,
      variable === null ? blanks.add(name, meaning, 'fill-in') : blanks.variable(variable, meaning, 'fill-in'),
    ]
  })
  return [
    entry('headers', headers === null || Object.keys(headers).length === 0 ? null : headers),
    entry('request_headers', set.length === 0 ? null : { set: Object.fromEntries(set) }),
  ]
}

/** Networks without a required sign-in. Of X-Forwarded-For the first address counted, which any client may write. */
function networkRules(old: Old, isAsked: boolean): readonly Json[] {
  const networks = old.list('trusted_ips')
  if (networks.length === 0) return []
  const isFirst =
    old.isOn('reverse_proxy') &&
    /^(?:x-forwarded-for)?$/i.test(clientField(old, isAsked) ?? '') &&
    old.has('real_client_ip_header')
  if (isFirst) {
    const say = 'it opens nothing: there, the first address of X-Forwarded-For counted, and any client can write it'
    const way = 'once trusted_proxies names each proxy, write { networks = [...], anonymous = true } into allow'
    old.tell('trusted_ips', 'decide', `${say}; ${way}`)
    return []
  }
  return [{ networks, anonymous: true }]
}

/** Paths on which a client without a sign-in is answered as a program, and never redirected to a page. */
function programPaths(old: Old): readonly Entry[] {
  const usable = old.list('api_routes').filter(expression => parsePathExpression(expression).ok)
  const [first = '', ...more] = usable.map(escapeReferences)
  if (usable.length < old.list('api_routes').length) {
    old.tell('api_routes', 'decide', 'an expression is none: write program_paths into the routes')
  }
  if (usable.length === 0) return []
  return [entry('program_paths', more.length === 0 ? first : [first, ...more], 'api_routes')]
}

/**
 * Rules for `skip_auth_routes` and `skip_auth_regex`. Their expressions are unchanged: both programs compare them with
 * the decoded path without its query. `isAsked`: a proxy in front asked, with GET for every method of the client, and
 * stated the path in X-Forwarded-Uri.
 */
function skipRules(old: Old, isAsked: boolean): readonly Json[] {
  const plain = new Map<string | null, Set<string>>()
  const negated: Json[] = []
  const open = (method: string | null, paths: Readonly<Record<string, Json>>): Json => ({
    ...(method === null ? {} : { methods: [method] }),
    ...paths,
    anonymous: true,
  })
  for (const option of ['skip_auth_regex', 'skip_auth_routes']) {
    for (const stated of old.list(option)) {
      // The first sign separates method and expression, at any position; `!=` anywhere negates the entry.
      const sign = option === 'skip_auth_routes' ? /!?=/.exec(stated) : null
      const method = sign === null ? null : stated.slice(0, sign.index).toUpperCase() || null
      const expression = sign === null ? stated : stated.slice(sign.index + sign[0].length)
      const why = whyClosed(old, expression, method, isAsked)
      const isNarrower = why === null && isAsked && method !== null
      const kept = 'path_regexp in allow, without a sign-in'
      const say = why ?? (isNarrower ? ASKED_BY_GET : kept)
      old.tell(option, why === null && !isNarrower ? 'kept' : 'decide', `${stated}: ${say}`)
      if (why !== null) continue
      const spelt = escapeReferences(expression)
      if (sign !== null && stated.includes('!=')) negated.push(open(method, { not: { path_regexp: spelt } }))
      else plain.set(method, (plain.get(method) ?? new Set()).add(spelt))
    }
  }
  const rules = [...plain].map(([method, [first = '', ...more]]) =>
    open(method, { path_regexp: more.length === 0 ? first : [first, ...more] }),
  )
  return [...rules, ...negated]
}

const ASKED_BY_GET =
  'path_regexp in allow, for GET only; behind a proxy that always asks by GET, every method was open there: write the methods that should be open into methods'

/** Why an entry opens nothing here; null where it does. */
function whyClosed(old: Old, expression: string, method: string | null, isAsked: boolean): string | null {
  if (isAsked && !old.isOn('reverse_proxy')) {
    const held = 'it opens nothing: without reverse_proxy = true it was held to the address that your proxy asked at'
    return `${held}; write a rule with path_regexp, if these paths shall be open`
  }
  const asThere = 'it opens nothing, as there'
  const write = 'write a rule with methods and path_regexp, if this shall be open'
  if (isAsked && method !== null && method !== 'GET') return `${asThere}: your proxy always asked by GET; ${write}`
  if (method !== null && !parseMethod(method).ok) return `${asThere}: ${method} is not a method`
  const parsed = parsePathExpression(expression)
  return parsed.ok ? null : `it opens nothing: ${parsed.message} (${parsed.hint})`
}

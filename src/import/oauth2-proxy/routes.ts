import type { Json } from '../../config/text/raw.ts'
import { isUnder } from '../../config/values/path.ts'
import { closingEntry, type Entry, type Section } from '../draft.ts'
import { spellDuration } from '../durations.ts'
import { spellPath } from '../spell-path.ts'
import { type Context, note } from './context.ts'
import { identityEntries } from './identity.ts'
import { PORTAL, ROLE } from './people.ts'
import type { Places } from './places.ts'
import { skipRules } from './skip-auth.ts'
import type { Service } from './upstreams.ts'
import { passwordFile } from './users.ts'

/** A route before it is written: for all that is below a path, or (`isExact`) for the path alone. */
interface Plan {
  readonly path: string
  readonly isExact: boolean
  /** Null: people are led to the path with a slash behind it. */
  readonly service: Service | null
}

/** `[[routes]]`: each upstream, with the paths that were open in the rules of each. */
export function routeSections(context: Context, places: Places): readonly Section[] {
  const who = identityEntries(context, places.isAsked)
  const networks = context.options.list('trusted_ips')
  const isLocal = /^unix:/i.test(context.options.text('http_address') ?? '')
  if (isLocal) note(context, 'decide', 'trusted_ips', BY_SOCKET)
  note(context, 'kept', 'trusted_ips', 'networks in allow, where nobody has to sign in')
  const allow: Json = [
    ROLE,
    ...(networks.length === 0 ? [] : [{ networks, anonymous: true }]),
    ...skipRules(context, places.isAsked),
  ]
  const plans = plansOf(places.services)
  return places.hosts.flatMap(host => plans.map(plan => route(context, host, plan, allow, who)))
}

const BY_SOCKET =
  'whoever came by the socket counted as 127.0.0.1 there; here they have no address, and sign in: write allow = "public", if everybody shall pass'

/** A path with a slash behind it is for what is below it: without that slash, what is around it answers, or leads there. */
function plansOf(services: readonly Service[]): readonly Plan[] {
  const points = services
    .filter(
      one => !one.isExact && one.path !== '/' && !services.some(other => other.isExact && other.path === one.path),
    )
    .map(({ path }): Plan => ({ path, isExact: true, service: serviceAround(path, services) }))
  return [...services.map(service => ({ path: service.path, isExact: service.isExact, service })), ...points].toSorted(
    (one, other) =>
      one.path < other.path ? -1 : one.path > other.path ? 1 : Number(one.isExact) - Number(other.isExact),
  )
}

function serviceAround(path: string, services: readonly Service[]): Service | null {
  const around = services.filter(one => !one.isExact && one.path !== path && isUnder(path, one.path))
  return around.toSorted((one, other) => other.path.length - one.path.length)[0] ?? null
}

function route(context: Context, host: string, plan: Plan, allow: Json, who: readonly Entry[]): Section {
  const { service } = plan
  const { options } = context
  const takes: Entry[] = [
    ...(options.flag('skip_jwt_bearer_tokens') === true
      ? [{ key: 'tokens', value: true, comment: 'skip_jwt_bearer_tokens' }]
      : []),
    ...(passwordFile(context) !== null ? [{ key: 'passwords', value: true, comment: 'htpasswd_file' }] : []),
  ]
  const own = service?.own === undefined ? context : { ...context, options: options.with(service.own) }
  const knowsPeople = service?.kind === 'upstream' || service?.kind === 'none'
  return {
    title: '[[routes]]',
    entries: [
      { key: 'host', value: host },
      { key: 'path', value: spellPath(plan) },
      ...(service === null ? toSlash(plan.path) : target(own, service)),
      { key: 'portal', value: PORTAL },
      { key: 'allow', value: allow, isByLine: Array.isArray(allow) && allow.length > 2 },
      ...(service?.isClosed === true ? [closingEntry(['upstreams.path'], [])] : []),
      ...takes,
      ...(knowsPeople ? who : []),
      ...(service?.kind === 'upstream' ? upstreamEntries(own) : []),
    ],
  }
}

/** As there, for a path that is served with a slash behind it alone. */
function toSlash(path: string): readonly Entry[] {
  return [
    { key: 'redirect', value: `${path}/{query}` },
    { key: 'status', value: 301 },
  ]
}

/** Statuses without a body (RFC 9110 §15.3.5, §15.3.6, §15.4.5). */
const BODILESS: readonly number[] = [204, 205, 304]

function target(context: Context, service: Service): readonly Entry[] {
  switch (service.kind) {
    case 'none':
      return [
        {
          key: 'verify',
          value: true,
          comment: 'your proxy asks /.sallyport/verify; docs/behind-a-proxy.md has its configuration',
        },
      ]
    case 'static':
      return [
        {
          key: 'respond',
          value: BODILESS.includes(service.status)
            ? { status: service.status }
            : { status: service.status, body: 'Authenticated' },
          comment: `static://${service.status}`,
        },
      ]
    case 'files':
      return [
        { key: 'files', value: service.folder },
        { key: 'strip_prefix', value: service.path === '/' ? null : service.path },
      ]
    case 'upstream':
      return [
        { key: 'upstream', value: upstream(context, service) },
        { key: 'strip_prefix', value: service.rewrite?.strip ?? null },
        { key: 'add_prefix', value: service.rewrite?.add ?? null },
      ]
  }
}

function upstream(context: Context, { address, login }: Extract<Service, { kind: 'upstream' }>): Json {
  const { options } = context
  const isTrusting = options.flag('ssl_upstream_insecure_skip_verify') === true && address.startsWith('https:')
  // There is one Authorization, and the ID token has it where one is passed on.
  const isTaken = options.flag('pass_authorization_header') === true
  const isNamed = options.has('basic_auth_password') && options.flag('pass_basic_auth') !== false
  const basic = isTaken ? null : isNamed ? personal(context) : login
  if (!isTrusting && basic === null) return address
  return {
    to: address,
    ...(isTrusting ? { tls: { insecure_skip_verify: true } } : {}),
    ...(basic === null ? {} : { basic_auth: basic }),
  }
}

/** What each person is called in `basic_auth`. */
function personal({ options, blanks }: Context): Json {
  const meaning = `what basic_auth_password says in ${options.where('basic_auth_password')}`
  return {
    user: options.flag('prefer_email_to_user') === true ? '{email}' : '{sub}',
    password: blanks.add('BASIC_AUTH_PASSWORD', meaning, 'fill-in'),
  }
}

function upstreamEntries(context: Context): readonly Entry[] {
  const { options } = context
  const timeoutMs = options.durationMs('upstream_timeout')
  const keepsHost = options.flag('pass_host_header') !== false
  const passesSockets = options.flag('proxy_websockets') !== false
  const opensPreflights = options.flag('skip_auth_preflight') === true
  note(
    context,
    'decide',
    'ssl_upstream_insecure_skip_verify',
    'tls = { insecure_skip_verify = true } on https upstreams: name their CA instead, tls = { ca = "FILE" }',
  )
  note(
    context,
    'kept',
    'basic_auth_password',
    'basic_auth of the upstream, from the environment, unless an ID token goes there',
  )
  note(
    context,
    'kept',
    'pass_host_header',
    keepsHost ? 'the Host that the client asked for' : 'host_header = "upstream"',
  )
  const sockets = passesSockets ? 'WebSockets pass, as they do by themselves' : 'websockets = false in the routes'
  note(context, 'kept', 'proxy_websockets', sockets)
  note(context, 'kept', 'upstream_timeout', 'timeout of the routes')
  note(
    context,
    'kept',
    'skip_auth_preflight',
    opensPreflights ? 'cors_preflight: nothing but preflights passes' : 'preflights need a sign-in',
  )
  return [
    ...(keepsHost ? [] : [{ key: 'host_header', value: 'upstream', comment: 'pass_host_header = false' }]),
    ...(passesSockets ? [] : [{ key: 'websockets', value: false, comment: 'proxy_websockets' }]),
    ...(opensPreflights ? [{ key: 'cors_preflight', value: true, comment: 'skip_auth_preflight' }] : []),
    ...(timeoutMs === null || timeoutMs < 1
      ? []
      : [{ key: 'timeout', value: spellDuration(timeoutMs), comment: 'upstream_timeout' }]),
  ]
}

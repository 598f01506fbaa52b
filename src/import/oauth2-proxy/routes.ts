import type { Json } from '../../config/text/raw.ts'
import { isUnder } from '../../config/values/path.ts'
import type { Entry, Section } from '../draft.ts'
import { spellDuration } from '../durations.ts'
import { spellPath } from '../spell-path.ts'
import { type Context, note } from './context.ts'
import { identityEntries } from './identity.ts'
import { PORTAL, ROLE } from './people.ts'
import type { Places } from './places.ts'
import { type OpenPath, readOpenPath } from './skip-auth.ts'
import type { Service } from './upstreams.ts'
import { passwordFile } from './users.ts'

interface Access {
  readonly allow: Json
  readonly comment?: string
}

/** A route before it is written: for all that is below a path, or (`isExact`) for the path alone. */
interface Plan extends Access {
  readonly path: string
  readonly isExact: boolean
  readonly service: Service
}

/** `[[routes]]`: each upstream, and each path that was open. One that is as what is around it needs no route. */
export function routeSections(context: Context, places: Places): readonly Section[] {
  const who = identityEntries(context, places.isAsked)
  note(context, 'kept', 'trusted_ips', 'networks in allow, where nobody has to sign in')
  const open = openPaths(context)
  const paths = new Set([...places.services.map(({ path }) => path), ...open.map(({ path }) => path)])
  const whole: Plan[] = []
  const plans = [...paths].sort().flatMap(path => {
    const planAt = (isExact: boolean, around: Plan | undefined): Plan | null => {
      const service = serviceAt(path, isExact, places.services)
      if (service === null) return null
      const plan = { path, isExact, service, ...accessAt(context, path, isExact, open) }
      return around !== undefined && isSame(plan, around) ? null : plan
    }
    const around = whole.filter(({ path: other }) => isUnder(path, other)).at(-1)
    const below = planAt(false, around)
    if (below !== null) whole.push(below)
    const point = planAt(true, below ?? around)
    if (below === null && point === null && around === undefined) {
      const line = context.options.line('skip_auth_routes')
      context.notes.add('left', 'skip_auth_routes', line, `no upstream serves ${path}`)
    }
    return [below, point].filter(plan => plan !== null)
  })
  return places.hosts.flatMap(host => plans.map(plan => route(context, host, plan, who)))
}

function isSame(one: Plan, other: Plan): boolean {
  return one.service === other.service && JSON.stringify(one.allow) === JSON.stringify(other.allow)
}

function route(context: Context, host: string, { service, ...access }: Plan, who: readonly Entry[]): Section {
  const isPublic = access.allow === 'public'
  const { options } = context
  const takes: Entry[] = isPublic
    ? []
    : [
        ...(options.flag('skip_jwt_bearer_tokens') === true
          ? [{ key: 'tokens', value: true, comment: 'skip_jwt_bearer_tokens' }]
          : []),
        ...(passwordFile(context) !== null ? [{ key: 'passwords', value: true, comment: 'htpasswd_file' }] : []),
      ]
  const own = service.own === undefined ? context : { ...context, options: options.with(service.own) }
  const knowsPeople = service.kind === 'upstream' || service.kind === 'none'
  return {
    title: '[[routes]]',
    entries: [
      { key: 'host', value: host },
      { key: 'path', value: spellPath(access) },
      ...target(own, service),
      { key: 'portal', value: PORTAL },
      { key: 'allow', value: access.allow, ...(access.comment === undefined ? {} : { comment: access.comment }) },
      ...takes,
      ...(knowsPeople ? who : []),
      ...(service.kind === 'upstream' ? upstreamEntries(own) : []),
    ],
  }
}

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
          value: { status: service.status, body: 'Authenticated' },
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

/** What serves a path alone, or all that is below it. */
function serviceAt(path: string, isExact: boolean, services: readonly Service[]): Service | null {
  const own = services.find(service => isExact && service.isExact && service.path === path)
  if (own !== undefined) return own
  const above = services.filter(
    service => !service.isExact && isUnder(path, service.path) && !(isExact && path === service.path && path !== '/'),
  )
  return above.sort((one, other) => other.path.length - one.path.length)[0] ?? null
}

/** Who passes where nothing else is said: the role, and the networks of `trusted_ips` without signing in. */
function allowed(context: Context): readonly Json[] {
  const networks = context.options.list('trusted_ips')
  return networks.length === 0 ? [ROLE] : [ROLE, { networks, anonymous: true }]
}

/** Who passes at a path alone, or below it: whoever may everywhere, and what was open there, whichever upstream serves it. */
function accessAt(context: Context, path: string, isExact: boolean, all: readonly Opened[]): Access {
  const open = all.filter(one => {
    if (one.isExact) return isExact && path === one.path
    return isUnder(path, one.path) && !(isExact && one.isBelow && path === one.path)
  })
  const [first] = open
  if (first === undefined) return { allow: allowed(context) }
  if (open.some(({ method }) => method === null)) return { allow: 'public', comment: first.option }
  const methods = [...new Set(open.flatMap(({ method }) => method ?? []))]
  return { allow: [...allowed(context), { methods, anonymous: true }], comment: first.option }
}

interface Opened extends OpenPath {
  readonly option: string
}

function openPaths(context: Context): readonly Opened[] {
  const { options, notes } = context
  const opened: Opened[] = []
  for (const option of ['skip_auth_routes', 'skip_auth_regex'] as const) {
    const line = options.line(option)
    for (const entry of options.list(option)) {
      const open = readOpenPath(entry, option)
      if (open === null) {
        notes.add(
          'decide',
          option,
          line,
          `${entry}: no path says this, so it stays closed; write a route with path = "…" and allow = "public"`,
        )
        continue
      }
      opened.push({ ...open, option })
      const whom = open.method === null ? '' : ` for ${open.method}`
      notes.add(
        'kept',
        option,
        line,
        `${entry}: ${open.path}${open.isExact ? ' alone' : ''} is open${whom}${open.isLoose ? ', at the segment boundary' : ''}`,
      )
    }
  }
  return opened
}

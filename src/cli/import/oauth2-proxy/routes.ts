import { isUnder } from '../../../config/path.ts'
import type { Json } from '../../../config/raw.ts'
import { STAND_IN_HOST } from '../blanks.ts'
import type { Entry, Section } from '../draft.ts'
import { spellDuration } from '../durations.ts'
import { type Desk, note } from './desk.ts'
import { identityEntries } from './identity.ts'
import { PORTAL, passwordFile, ROLE } from './people.ts'
import { type OpenPath, readOpenPath } from './skip-auth.ts'
import { readUpstreams, type Service } from './upstreams.ts'

/** Where the routes of the new file are, before their rules are known. */
export interface Places {
  readonly host: string
  /** The portal's own address, where it served other hosts; null: it is on the application's host. */
  readonly portalUrl: string | null
  readonly services: readonly Service[]
  /** Whether a proxy in front asked about each request, and has the application itself. */
  readonly isAsked: boolean
}

/** What was protected, and on which host: the file says the first, and sometimes the second. */
export function findPlaces(desk: Desk): Places {
  const { options, blanks } = desk
  const services = readUpstreams(desk)
  const isAsked = services.every(({ kind }) => kind === 'static' || kind === 'none')
  const redirect = /^(https?):\/\/([^/:?#]+)/.exec(options.text('redirect_url') ?? '')
  const scheme = redirect?.[1]
  const own = redirect?.[2] === undefined ? null : blanks.literal(redirect[2])
  const isShared = isAsked && own !== null && ['cookie_domain', 'cookie_domains', 'whitelist_domains'].some(options.has)
  note(
    desk,
    'kept',
    'redirect_url',
    isShared ? 'url and callback_path of the portal' : 'the host of the routes, and callback_path',
  )
  if (desk.host === null && (own === null || isShared)) {
    desk.notes.add(
      'decide',
      'host',
      null,
      'a route names its host, which the file does not say: give --host app.example.com, or write it',
    )
  }
  const host =
    desk.host ??
    (isShared || own === null
      ? blanks.add('APP_HOST', 'the host by which people reach the application', STAND_IN_HOST)
      : own)
  return { host, portalUrl: isShared ? `${scheme}://${own}` : null, services, isAsked }
}

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
export function routeSections(desk: Desk, places: Places): readonly Section[] {
  const who = identityEntries(desk, places.isAsked)
  note(desk, 'kept', 'trusted_ips', 'networks in allow, where nobody has to sign in')
  const open = openPaths(desk)
  const paths = new Set([...places.services.map(({ path }) => path), ...open.map(({ path }) => path)])
  const whole: Plan[] = []
  const plans = [...paths].sort().flatMap(path => {
    const planAt = (isExact: boolean, around: Plan | undefined): Plan | null => {
      const service = serviceAt(path, isExact, places.services)
      if (service === null) return null
      const plan = { path, isExact, service, ...accessAt(desk, path, isExact, open) }
      return around !== undefined && isSame(plan, around) ? null : plan
    }
    const around = whole.filter(({ path: other }) => isUnder(path, other)).at(-1)
    const below = planAt(false, around)
    if (below !== null) whole.push(below)
    const point = planAt(true, below ?? around)
    if (below === null && point === null && around === undefined) {
      const line = desk.options.line('skip_auth_routes')
      desk.notes.add('left', 'skip_auth_routes', line, `no upstream serves ${path}`)
    }
    return [below, point].filter(plan => plan !== null)
  })
  return plans.map(plan => route(desk, places, plan, who))
}

function isSame(one: Plan, other: Plan): boolean {
  return one.service === other.service && JSON.stringify(one.allow) === JSON.stringify(other.allow)
}

function route(desk: Desk, { host }: Places, { service, ...access }: Plan, who: readonly Entry[]): Section {
  const isPublic = access.allow === 'public'
  const { options } = desk
  const takes: Entry[] = isPublic
    ? []
    : [
        ...(options.flag('skip_jwt_bearer_tokens') === true
          ? [{ key: 'tokens', value: true, comment: 'skip_jwt_bearer_tokens' }]
          : []),
        ...(passwordFile(desk) !== null ? [{ key: 'passwords', value: true, comment: 'htpasswd_file' }] : []),
      ]
  const knowsPeople = service.kind === 'upstream' || service.kind === 'none'
  return {
    title: '[[routes]]',
    entries: [
      { key: 'host', value: host },
      { key: 'path', value: access.path === '/' && !access.isExact ? null : access.path },
      { key: 'exact', value: access.isExact ? true : null },
      ...target(desk, service),
      { key: 'portal', value: PORTAL },
      { key: 'allow', value: access.allow, ...(access.comment === undefined ? {} : { comment: access.comment }) },
      ...takes,
      ...(knowsPeople ? who : []),
      ...(service.kind === 'upstream' ? upstreamEntries(desk) : []),
    ],
  }
}

function target(desk: Desk, service: Service): readonly Entry[] {
  switch (service.kind) {
    case 'none':
      return [
        { key: 'verify', value: true, comment: 'your proxy asks /.sallyport/verify; the README has its configuration' },
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
      return [{ key: 'upstream', value: upstream(desk, service) }]
  }
}

function upstream(desk: Desk, { address, login }: Extract<Service, { kind: 'upstream' }>): Json {
  const { options } = desk
  const isTrusting = options.flag('ssl_upstream_insecure_skip_verify') === true && address.startsWith('https:')
  // There is one Authorization, and the ID token has it where one is passed on.
  const isTaken = options.flag('pass_authorization_header') === true
  const isNamed = options.has('basic_auth_password') && options.flag('pass_basic_auth') !== false
  const basic = isTaken ? null : isNamed ? personal(desk) : login
  if (!isTrusting && basic === null) return address
  return {
    to: address,
    ...(isTrusting ? { tls: { insecure_skip_verify: true } } : {}),
    ...(basic === null ? {} : { basic_auth: basic }),
  }
}

/** What each person is called in `basic_auth`. */
function personal({ options, blanks }: Desk): Json {
  const meaning = `what basic_auth_password says in line ${options.line('basic_auth_password')}`
  return {
    user: options.flag('prefer_email_to_user') === true ? '{email}' : '{sub}',
    password: blanks.add('BASIC_AUTH_PASSWORD', meaning, 'fill-in'),
  }
}

function upstreamEntries(desk: Desk): readonly Entry[] {
  const { options } = desk
  const timeoutMs = options.durationMs('upstream_timeout')
  const keepsHost = options.flag('pass_host_header') !== false
  const passesSockets = options.flag('proxy_websockets') !== false
  const opensPreflights = options.flag('skip_auth_preflight') === true
  note(
    desk,
    'decide',
    'ssl_upstream_insecure_skip_verify',
    'tls = { insecure_skip_verify = true } on https upstreams: name their CA instead, tls = { ca = "FILE" }',
  )
  note(
    desk,
    'kept',
    'basic_auth_password',
    'basic_auth of the upstream, from the environment, unless an ID token goes there',
  )
  note(desk, 'kept', 'pass_host_header', keepsHost ? 'the Host that the client asked for' : 'host_header = "upstream"')
  const sockets = passesSockets ? 'WebSockets pass, as they do by themselves' : 'websockets = false in the routes'
  note(desk, 'kept', 'proxy_websockets', sockets)
  note(desk, 'kept', 'upstream_timeout', 'timeout of the routes')
  note(
    desk,
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
function allowed(desk: Desk): readonly Json[] {
  const networks = desk.options.list('trusted_ips')
  return networks.length === 0 ? [ROLE] : [ROLE, { networks, anonymous: true }]
}

/** Who passes at a path alone, or below it: whoever may everywhere, and what was open there, whichever upstream serves it. */
function accessAt(desk: Desk, path: string, isExact: boolean, all: readonly Opened[]): Access {
  const open = all.filter(one => {
    if (one.isExact) return isExact && path === one.path
    return isUnder(path, one.path) && !(isExact && one.isBelow && path === one.path)
  })
  const [first] = open
  if (first === undefined) return { allow: allowed(desk) }
  if (open.some(({ method }) => method === null)) return { allow: 'public', comment: first.option }
  const methods = [...new Set(open.flatMap(({ method }) => method ?? []))]
  return { allow: [...allowed(desk), { methods, anonymous: true }], comment: first.option }
}

interface Opened extends OpenPath {
  readonly option: string
}

function openPaths(desk: Desk): readonly Opened[] {
  const { options, notes } = desk
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

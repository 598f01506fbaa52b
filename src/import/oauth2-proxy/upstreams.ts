import type { Outcome } from '../notes.ts'
import type { Alpha } from './alpha/alpha.ts'
import { type AlphaUpstream, isAskedAbout } from './alpha/upstreams.ts'
import { type Context, note } from './context.ts'
import type { Stated } from './inputs/stated.ts'

/** One entry of `upstreams`: what answers below a path. */
export type Service = Place & {
  /** What is taken off the path, and then put before it; only an alpha configuration says that. */
  readonly rewrite?: AlphaUpstream['rewrite']
  /** Whether nobody passes there, as no route says which paths are meant. */
  readonly isClosed?: boolean
  /** Options of its own, which an alpha configuration has. */
  readonly own?: readonly Stated[]
} & (
    | {
        readonly kind: 'upstream'
        readonly address: string
        /** The name and password that its address held. */
        readonly login: { readonly user: string; readonly password: string } | null
      }
    | { readonly kind: 'files'; readonly folder: string }
    | { readonly kind: 'static'; readonly status: number }
    /** There is none: a proxy in front asked about each request. */
    | { readonly kind: 'none' }
  )

/** A path that ends in a slash is for what is below it (and not for itself), any other for itself alone (`isExact`). */
interface Place {
  readonly path: string
  readonly isExact: boolean
}

/** The services of a file; where it has none, or only stand-ins, the one that a proxy in front asks about. */
export function readUpstreams(context: Context): readonly Service[] {
  const { options, notes } = context
  const services: Service[] = []
  const all = options.list('upstreams')
  if (context.alpha !== null) return readAlphaServices(context, context.alpha)
  const isAsked = all.length > 0 && all.every(isStandIn)
  for (const stated of isAsked ? [] : all) {
    if (/^file:/i.test(stated) && isStandIn(stated)) {
      notes.add('left', 'upstreams', options.line('upstreams'), `${stated} serves nothing`)
      continue
    }
    const service = readUpstream(stated, context, (outcome, text) =>
      notes.add(outcome, 'upstreams', options.line('upstreams'), text),
    )
    if (service === null) {
      notes.add(
        'decide',
        'upstreams',
        options.line('upstreams'),
        'an entry is no http, https, unix, file or static address: write its route',
      )
    } else if (services.some(({ path, isExact }) => path === service.path && isExact === service.isExact)) {
      notes.add(
        'decide',
        'upstreams',
        options.line('upstreams'),
        `${service.path} is there twice: take one out, the first was taken`,
      )
    } else services.push(service)
  }
  if (services.length > 0) return services
  if (isAsked) {
    note(context, 'changed', 'upstreams', asked(all.join(', ')))
  } else if (!options.has('upstreams')) {
    notes.add(
      'decide',
      'upstreams',
      null,
      'not in this file, so a proxy in front seems to ask /oauth2/auth: it asks /.sallyport/verify now, at verify of [server] (see docs/behind-a-proxy.md). Where a flag has the upstream, write it in place of verify',
    )
  }
  return [{ kind: 'none', ...ROOT }]
}

/** The same by an alpha configuration, which has paths, and options, of their own. */
function readAlphaServices(context: Context, { upstreams }: Alpha): readonly Service[] {
  const { notes, blanks } = context
  const say = (outcome: Outcome, upstream: AlphaUpstream, text: string) =>
    notes.addFrom(upstream.file, outcome, 'upstreams', upstream.line, text)
  if (isAskedAbout(upstreams)) {
    for (const upstream of upstreams.slice(0, 1)) say('changed', upstream, asked(upstream.uri))
    return [{ kind: 'none', ...ROOT }]
  }
  return upstreams.flatMap(upstream => {
    const { uri, path, rewrite, isClosed, own } = upstream
    const service = readUpstream(uri, context, (outcome, text) => say(outcome, upstream, `${path}: ${text}`))
    const place = { path: path.replace(/\/+$/, '') || '/', isExact: !path.endsWith('/') }
    if (service !== null && isClosed) {
      const say = `no route says which paths below ${path} are meant, so that nobody passes there: write them with path, strip_prefix and add_prefix, and take that route out`
      notes.addFrom(upstream.file, 'closed', 'upstreams.path', upstream.line, say)
    }
    if (service !== null) return [{ ...service, ...place, rewrite, isClosed, own }]
    say('decide', upstream, `${blanks.literal(uri)} is no http, https, unix, file or static address: write its route`)
    return []
  })
}

function asked(stated: string): string {
  return `${stated} serves nobody: a proxy in front asked /oauth2/auth, and now asks at verify of [server]; what changes in its file is below, and in docs/behind-a-proxy.md`
}

/** What stands for an application where a proxy in front has that: an answer that says no more than yes, or a file with nothing in it. */
function isStandIn(stated: string): boolean {
  return /^static:\/\/2\d\d\/?$/i.test(stated) || /^file:\/\/\/dev\/null\/?(?:#.*)?$/i.test(stated)
}

function readUpstream(stated: string, context: Context, say: (outcome: Outcome, text: string) => void): Service | null {
  const { blanks, options } = context
  const [, scheme = '', rest = ''] = /^([a-z0-9]+):\/\/(.*)$/is.exec(stated) ?? []
  switch (scheme.toLowerCase()) {
    case 'http':
    case 'https': {
      const [, login, authority = '', path = ''] = /^(?:([^/@]*)@)?([^/?#]+)([^?#]*)/.exec(rest) ?? []
      if (authority === '') return null
      say('kept', 'upstream of the routes, by path')
      return {
        kind: 'upstream',
        ...placeOf(path),
        address: `${scheme.toLowerCase()}://${blanks.literal(authority)}`,
        login:
          login === undefined || options.flag('pass_authorization_header') === true ? null : loginOf(login, context),
      }
    }
    case 'unix': {
      say('kept', 'upstream of the routes, by path')
      return {
        kind: 'upstream',
        ...ROOT,
        address: `unix:/${blanks.literal(rest.replace(/^\/+/, '').replace(/:.*$/, ''))}`,
        login: null,
      }
    }
    case 'file': {
      const [folder = '', fragment] = rest.split('#')
      say('changed', 'files of a route: for GET and HEAD alone, with ranges and index.html, without listings')
      return { kind: 'files', ...placeOf(fragment ?? folder), folder: blanks.literal(folder) }
    }
    case 'static': {
      const [, code = '', path = ''] = /^([^/?#]*)([^?#]*)/.exec(rest) ?? []
      const status = /^[2-5]\d\d$/.test(code) ? Number(code) : 200
      say('decide', 'take it out if nobody needs it: the same answer for everyone who may pass, as respond of a route')
      return { kind: 'static', ...placeOf(path), status }
    }
    default:
      return null
  }
}

const ROOT: Place = { path: '/', isExact: false }

function placeOf(stated: string): Place {
  return { path: stated.replace(/\/+$/, '') || '/', isExact: stated !== '' && !stated.endsWith('/') }
}

/** The name of `user:password@`; the password is asked for, and so is a name with braces, which `basic_auth` would read as a placeholder. */
function loginOf(login: string, { blanks, options }: Context): { readonly user: string; readonly password: string } {
  const user = login.split(':')[0] ?? ''
  const what = (part: string) => `the ${part} in the address of upstreams in ${options.where('upstreams')}`
  return {
    user: /[{}]/.test(user) ? blanks.add('UPSTREAM_USER', what('name'), 'fill-in') : blanks.literal(user),
    password: blanks.add('UPSTREAM_PASSWORD', what('password'), 'fill-in'),
  }
}

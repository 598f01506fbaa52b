import type { Outcome } from '../notes.ts'
import { type AlphaUpstream, isAskedAbout } from './alpha.ts'
import type { Old } from './old.ts'
import type { Stated } from './table.ts'

/** One entry of `upstreams`: the answer below a path, or (`isExact`) only at that path. */
export interface Service {
  readonly path: string
  readonly isExact: boolean
  /** `none`: a proxy in front asked about each request, and has the application. */
  readonly kind: 'upstream' | 'files' | 'static' | 'none'
  /** An address, a folder, or a status. */
  readonly to: string
  /** The name and password that its address held. */
  readonly login?: { readonly user: string; readonly password: string } | null
  /** What is taken off the path, and then put before it; only an alpha configuration says that. */
  readonly rewrite?: AlphaUpstream['rewrite']
  /** Further options, which only an alpha configuration has. */
  readonly own?: readonly Stated[]
}

const ASKED: readonly Service[] = [{ path: '/', isExact: false, kind: 'none', to: '' }]

type Say = (outcome: Outcome, text: string) => void

/** The services of a file; where it has none, or only stand-ins, the one that a proxy in front asks about. */
export function readUpstreams(old: Old): readonly Service[] {
  if (old.alpha !== null) return readAlphaServices(old, old.alpha.upstreams)
  const all = old.list('upstreams')
  const isAsked = all.length > 0 && all.every(isStandIn)
  const say: Say = (outcome, text) => old.tell('upstreams', outcome, text)
  const services: Service[] = []
  for (const stated of isAsked ? [] : all) {
    if (/^file:/i.test(stated) && isStandIn(stated)) {
      say('left', `${stated} serves nothing`)
      continue
    }
    const service = readUpstream(stated, old, say)
    const isTwice = services.some(({ path, isExact }) => path === service?.path && isExact === service.isExact)
    if (service === null) say('decide', 'an entry is no http, https, unix, file or static address: write its route')
    else if (isTwice) say('decide', `${service.path} is there twice: take one out, the first was taken`)
    else services.push(service)
  }
  if (services.length > 0) return services
  if (isAsked) say('changed', asked(all.join(', ')))
  else if (!old.has('upstreams')) {
    const seems = 'not in this file, so a proxy in front seems to ask /oauth2/auth'
    const now = 'it asks /.sallyport/verify now, at verify of [server] (see docs/behind-a-proxy.md)'
    const write = 'Where a flag has the upstream, write it in place of verify'
    old.notes.add('decide', 'upstreams', null, `${seems}: ${now}. ${write}`)
  }
  return ASKED
}

/** The same by an alpha configuration, which has paths, and options, of their own. */
function readAlphaServices(old: Old, upstreams: readonly AlphaUpstream[]): readonly Service[] {
  const [first] = upstreams
  if (isAskedAbout(upstreams)) {
    if (first !== undefined) old.notes.add('changed', 'upstreams', first.line, asked(first.uri), first.file)
    return ASKED
  }
  return upstreams.flatMap(({ uri, path, rewrite, own, file, line }) => {
    const say: Say = (outcome, text) => old.notes.add(outcome, 'upstreams', line, `${path}: ${text}`, file)
    const service = readUpstream(uri, old, say)
    if (service !== null) return [{ ...service, ...placeOf(path), isExact: !path.endsWith('/'), rewrite, own }]
    say('decide', `${old.spell(uri)} is no http, https, unix, file or static address: write its route`)
    return []
  })
}

function asked(stated: string): string {
  const now = 'a proxy in front asked /oauth2/auth, and now asks at verify of [server]'
  return `${stated} serves nobody: ${now}; what changes in its file is below, and in docs/behind-a-proxy.md`
}

/** A stand-in for an application that a proxy in front has: an answer that only means yes, or an empty file. */
function isStandIn(stated: string): boolean {
  return /^static:\/\/2\d\d\/?$/i.test(stated) || /^file:\/\/\/dev\/null\/?(?:#.*)?$/i.test(stated)
}

function readUpstream(stated: string, old: Old, say: Say): Service | null {
  const [, name = '', rest = ''] = /^([a-z0-9]+):\/\/(.*)$/is.exec(stated) ?? []
  const scheme = name.toLowerCase()
  if (scheme === 'http' || scheme === 'https') {
    const [, login, authority, path = ''] = /^(?:([^/@]*)@)?([^/?#]+)([^?#]*)/.exec(rest) ?? []
    if (authority === undefined) return null
    say('kept', 'upstream of the routes, by path')
    // There is one Authorization, and the ID token has it where one is passed on.
    const isTaken = login === undefined || old.isOn('pass_authorization_header')
    const to = `${scheme}://${old.spell(authority)}`
    return { kind: 'upstream', ...placeOf(path), to, login: isTaken ? null : loginOf(login, old) }
  }
  if (scheme === 'unix') {
    say('kept', 'upstream of the routes, by path')
    return { kind: 'upstream', ...placeOf(''), to: `unix:/${old.spell(rest.replace(/^\/+/, '').replace(/:.*$/, ''))}` }
  }
  if (scheme === 'file') {
    const [folder = '', fragment = folder] = rest.split('#')
    say('kept', 'files of a route')
    return { kind: 'files', ...placeOf(fragment), to: old.spell(folder) }
  }
  if (scheme !== 'static') return null
  const [, code = '', path = ''] = /^([^/?#]*)([^?#]*)/.exec(rest) ?? []
  say('decide', 'take it out if nobody needs it: the same answer for everyone who may pass, as respond of a route')
  return { kind: 'static', ...placeOf(path), to: /^[2-5]\d\d$/.test(code) ? code : '200' }
}

/** A path that ends in a slash is for the paths below it (and not for itself), any other only for itself. */
function placeOf(stated: string): Pick<Service, 'path' | 'isExact'> {
  return { path: stated.replace(/\/+$/, '') || '/', isExact: stated !== '' && !stated.endsWith('/') }
}

/** The name of `user:password@`; the password is asked for, and so is a name with braces, which `basic_auth` would read as a placeholder. */
function loginOf(login: string, old: Old): { readonly user: string; readonly password: string } {
  const [user = ''] = login.split(':')
  const what = (part: string) => `the ${part} in the address of upstreams in ${old.where('upstreams')}`
  return {
    user: /[{}]/.test(user) ? old.blanks.add('UPSTREAM_USER', what('name'), 'fill-in') : old.spell(user),
    password: old.blanks.add('UPSTREAM_PASSWORD', what('password'), 'fill-in'),
  }
}

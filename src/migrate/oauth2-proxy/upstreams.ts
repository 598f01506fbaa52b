/** The entries of `upstreams` of an oauth2-proxy. */

import type { Outcome } from '../notes.ts'
import { isStandIn, type StatedUpstream } from './alpha.ts'
import { keepLogin, type Old } from './settings.ts'

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
  readonly rewrite?: StatedUpstream['rewrite']
  /** An expression that chooses some of these paths, and what they become. */
  readonly expression?: { readonly from: string; readonly to: string }
  /** Further options, which only an alpha configuration has. */
  readonly own?: StatedUpstream['own']
}

const ASKED: readonly Service[] = [{ path: '/', isExact: false, kind: 'none', to: '' }]

type Say = (outcome: Outcome, text: string) => void

/** The services of a file; where it has none, or only stand-ins, the one that a proxy in front asks about. */
export function readUpstreams(old: Old): readonly Service[] {
  const stated = old.alpha?.upstreams ?? old.list('upstreams').map((uri): StatedUpstream => ({ uri }))
  if (stated.every(isStandIn)) {
    sayAsked(old, stated)
    return ASKED
  }
  const services: Service[] = []
  for (const one of stated) {
    const { uri, path, rewrite, own, expression, behind } = one
    const say: Say = (outcome, text) => tell(old, one, outcome, path === undefined ? text : `${path}: ${text}`)
    const read = isStandIn(one) && /^file:/i.test(uri) ? 'nothing' : readUpstream(uri, old, say)
    if (expression !== undefined && /\$(?!1\b)/.test(expression.stated))
      say('decide', `${expression.stated} ${AS_FIRST}`)
    if (behind !== undefined) say('left', `nothing comes to it, as there: ${behind} takes all of its paths`)
    else if (read === 'nothing') say('left', `${uri} serves nothing`)
    else if (read === null) say('decide', 'an entry is no http, https, unix, file or static address: write its route')
    else {
      const { from = '', to = null } = expression ?? {}
      const chosen = to === null ? {} : { expression: { from, to } }
      const service: Service = path === undefined ? read : { ...read, ...placeOf(path), rewrite, own, ...chosen }
      const isTwice = services.some(
        known =>
          known.path === service.path &&
          known.isExact === service.isExact &&
          known.expression?.from === service.expression?.from,
      )
      if (isTwice) say('decide', `${service.path} is defined twice: the first is used; remove one`)
      else services.push(service)
    }
  }
  return services.length > 0 ? services : ASKED
}

const AS_FIRST =
  'means the first group for every number there (7.15.3), and in the new file: correct its rewrite if that was not meant'

function tell(old: Old, { path, line, file }: StatedUpstream, outcome: Outcome, say: string): void {
  if (path === undefined) old.tell('upstreams', outcome, say)
  else old.notes.add(outcome, 'upstreams', line ?? null, say, file)
}

function sayAsked(old: Old, stated: readonly StatedUpstream[]): void {
  const [first] = stated
  if (first !== undefined) {
    const asked = 'a proxy in front asked /oauth2/auth, and now asks at verify of [server]'
    const change = 'what changes in its file is below, and in docs/behind-a-proxy.md'
    const uris = stated.map(({ uri }) => uri).join(', ')
    tell(old, first, 'changed', `${uris} stays closed: ${asked}; ${change}`)
  } else if (old.alpha === null && !old.has('upstreams')) {
    const seems = 'not in this file, so a proxy in front seems to ask /oauth2/auth'
    const now = 'it asks /.sallyport/verify now, at verify of [server] (see docs/behind-a-proxy.md)'
    const write = 'Where a flag has the upstream, write it in place of verify'
    old.notes.add('decide', 'upstreams', null, `${seems}: ${now}. ${write}`)
  }
}

function readUpstream(stated: string, old: Old, say: Say): Service | null {
  const [, name = '', rest = ''] = /^([a-z0-9]+):\/\/(.*)$/is.exec(keepLogin(stated)) ?? []
  const scheme = name.toLowerCase()
  if (scheme === 'http' || scheme === 'https') {
    const [, login, authority, path = ''] = /^(?:([^/?#]*)@)?([^/?#]+)([^?#]*)/.exec(rest) ?? []
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
  say('decide', 'remove it if it is not needed: the same answer for every allowed user, as respond of a route')
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

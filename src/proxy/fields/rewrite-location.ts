/** `rewrite_location`: addresses in answers, from the application's own to those that clients use. */

import type { UpstreamAddress } from '../../config/values/address.ts'
import type { HostHeader } from '../../config/values/host.ts'
import { originAt, portAt, type Target } from '../../route/target.ts'

/** By which names and paths a route's application knows itself. */
export interface OwnAddresses {
  /** What browsers' paths begin with and the application does not see; empty for nothing. */
  readonly stripped: string
  /** What the application's paths begin with and browsers' do not, after its address's own; empty for nothing. */
  readonly added: string
  readonly hostHeader: HostHeader
  /** Whether addresses in answers are written as browsers follow them. */
  readonly isRewritten: boolean
  /** Whether the paths of cookies are. */
  readonly hasCookiePaths: boolean
}

/** How the browser asked. */
export interface Asked {
  readonly scheme: 'http' | 'https'
  readonly target: Pick<Target, 'host' | 'authority'>
  /** What a trusted proxy in front took off the path before; empty for nothing. */
  readonly prefix: string
}

/** A route's own part, once for all routes that say the same. */
export function compileOwnAddresses(
  stripPrefix: string | null,
  addPrefix: string | null,
  hostHeader: HostHeader,
  isRewritten: boolean,
  hasCookiePaths: boolean,
): OwnAddresses {
  const stripped = stripPrefix === null || stripPrefix === '/' ? '' : stripPrefix
  return Object.freeze({ stripped, added: addPrefix ?? '', hostHeader, isRewritten, hasCookiePaths })
}

/**
 * An address in an answer (Location, Content-Location) in the form that the browser can follow. An address that names
 * the application, by its own address or `host_header`, gets the public origin. So does the requested host, by plain
 * http under HTTPS, or with the application's port, or without the public one. A path is put back below
 * `strip_prefix`, and out of `add_prefix` and the address's path.
 *
 * Everything else stays the same, byte for byte: other hosts and ports, user information, relative addresses, and text
 * that browsers and others may read differently (backslashes, control characters, two fields joined to one). A path
 * below neither prefix, or with dot segments, stays. The result is never longer than one origin and one prefix more,
 * and never the address of a host that the application did not name.
 *
 * Source: RFC 9110 §10.2.2 (Location), §8.7 (Content-Location); nginx's `proxy_redirect default`.
 */
export function rewriteAddress(raw: string, own: OwnAddresses, asked: Asked, address: UpstreamAddress): string {
  if (ODD.test(raw)) return raw
  if (raw.startsWith('/') && !raw.startsWith('//')) return publicPath(raw, own, asked, address)
  const [, scheme, authority, rest = ''] = ABSOLUTE.exec(raw) ?? []
  const named = authority === undefined ? null : splitAuthority(authority)
  if (named === null) return raw
  const isHttps = scheme === undefined ? asked.scheme === 'https' : scheme.length === 5
  const place = { ...named, usualPort: isHttps ? 443 : 80 }
  const isAsked = place.host === asked.target.host
  if (!isOwn(place, own, address) && !(isAsked && isMeant(place, isHttps, asked, address))) return raw
  const before = rest.startsWith('/') ? rest : `/${rest}`
  const path = publicPath(before, own, asked, address)
  const isThere = isAsked && isHttps === (asked.scheme === 'https') && portOf(place) === portAt(asked)
  return isThere && path === before ? raw : originAt(asked) + path
}

/** A Refresh field with the address in it so written. Source: HTML §4.2.5.3 (http-equiv="refresh"). */
export function rewriteRefresh(raw: string, rewrite: (address: string) => string): string {
  const lead = REFRESH.exec(raw)?.[0]
  if (lead === undefined) return raw
  const quote = /^["']/.exec(raw.slice(lead.length))?.[0] ?? ''
  const start = lead.length + quote.length
  const end = quote === '' ? -1 : raw.indexOf(quote, start)
  const address = end === -1 ? raw.slice(start) : raw.slice(start, end)
  return raw.slice(0, start) + rewrite(address) + (end === -1 ? '' : raw.slice(end))
}

/**
 * A path of the application, with what follows it, as the browser knows it; unchanged where it is below neither
 * prefix, or already below the browser's. The longer prefix decides where it is below both.
 */
export function publicPath(path: string, own: OwnAddresses, asked: Asked, address: UpstreamAddress): string {
  const inner = (address.kind === 'unix' ? '' : address.basePath) + own.added
  const outer = asked.prefix + own.stripped
  if (inner === outer || !isBelow(path, inner) || DOTS.test(path)) return path
  if (outer.length > inner.length && isBelow(path, outer)) return path
  const rest = path.slice(inner.length)
  if (outer !== '') return outer + rest
  // "/app//host" would name another host, once its beginning is gone.
  if (rest.startsWith('//')) return path
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** Whether a name is the application's own, which browsers do not know. */
export function isOwnHost(host: string, { hostHeader }: OwnAddresses, address: UpstreamAddress): boolean {
  const given = hostHeader.kind === 'name' ? splitAuthority(hostHeader.name)?.host : undefined
  return host === given || (address.kind === 'url' && host === splitAuthority(address.authority)?.host)
}

interface Named {
  /** In lower case. */
  readonly host: string
  readonly port: number | null
}

interface AddressParameter extends Named {
  readonly usualPort: number
}

function portOf({ port, usualPort }: AddressParameter): number {
  return port ?? usualPort
}

/**
 * Whether it is the application's address, or the Host that it gets: by either scheme, since it gets the browser's
 * scheme.
 */
function isOwn(place: AddressParameter, { hostHeader }: OwnAddresses, address: UpstreamAddress): boolean {
  const usualPort = address.kind === 'url' && address.scheme === 'https' ? 443 : 80
  const own = [
    address.kind === 'url' ? address.authority : hostHeader.kind === 'upstream' ? 'localhost' : null,
    hostHeader.kind === 'name' ? hostHeader.name : null,
  ]
  return own.some(authority => {
    const named = authority === null ? null : splitAuthority(authority)
    if (named === null || named.host !== place.host) return false
    return (named.port === null && place.port === null) || portOf(place) === portOf({ ...named, usualPort })
  })
}

/**
 * Whether the host that was asked for is named with what the application cannot know: the scheme, the port. https under plain HTTP is
 * meant as it is, and so is a port of neither: something else answers there.
 */
function isMeant(place: AddressParameter, isHttps: boolean, asked: Asked, address: UpstreamAddress): boolean {
  if (isHttps && asked.scheme === 'http') return false
  const port = portOf(place)
  if (port === place.usualPort || port === portAt(asked)) return true
  const inner = address.kind === 'url' ? splitAuthority(address.authority) : null
  return inner !== null && inner.port === port
}

function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (prefix === '' || /^(?:[/?#]|$)/.test(path.charAt(prefix.length)))
}

function splitAuthority(authority: string): Named | null {
  const [, name, port = ''] = AUTHORITY.exec(authority) ?? []
  if (name === undefined) return null
  const host = name.startsWith('[') ? URL.parse(`http://${name}`)?.hostname : name.toLowerCase()
  return host === undefined ? null : { host, port: port === '' ? null : Number(port) }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: what browsers take out, or read as a slash
const ODD = /[\0-\x1f\x7f\\]|, /
const ABSOLUTE = /^(?:(https?):)?\/\/([^/?#@]+)((?:[/?#].*)?)$/i
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[^:[\]@]+)(?::([0-9]{0,5}))?$/i
/** A segment that browsers take for a dot segment, only in the path. */
const DOTS = /^[^?#]*\/(?:\.|%2e){1,2}(?:[/?#]|$)/i
const REFRESH = /^[ \t]*[0-9.]+(?:[ \t]*[;,][ \t]*|[ \t]+)(?:url[ \t]*=[ \t]*)?/i

/** Addresses in a file: of providers, portals, upstreams and origins, and those that expectations ask for. */

import { isLoopbackHost } from '../../base/net.ts'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { parseHost } from './host.ts'
import { parseUnixPath } from './listen.ts'
import { parsePath } from './path.ts'

export type UpstreamAddress =
  | {
      readonly kind: 'url'
      readonly scheme: 'http' | 'https'
      /** host or host:port, as it appears in the address. */
      readonly authority: string
      /** Put before the request's path; empty, or `/x` without a trailing slash. */
      readonly basePath: string
    }
  | { readonly kind: 'unix'; readonly path: string }

type AddressCode =
  | 'webhook.invalid'
  | 'issuer.invalid'
  | 'provider.internal_url'
  | 'portal.url'
  | 'upstream.invalid'
  | 'origin.invalid'

interface HttpAddress {
  readonly scheme: 'http' | 'https'
  readonly host: string
  /** host, or host:port where the port is not the scheme's own. */
  readonly authority: string
  /** Everything after the authority, as written. */
  readonly rest: string
}

/** An http or https address in its parts. A user name or password in it is refused without being repeated. */
function parseHttp(text: string, code: AddressCode, what: string): Parsed<HttpAddress> {
  const not = `${quote(text)} is not ${what}`
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\\]*)(.*)$/i.exec(text)
  if (match === null) return bad(code, not, `with a scheme: "${withScheme(text, code)}"`)
  const [, schemeText = '', authority = '', rest = ''] = match
  // A password with its slashes as they are: the half of it before the first one is no port.
  const isHalf = !authority.startsWith('[') && /:(?!\d*$)/.test(authority) && rest.includes('@')
  if (authority.includes('@') || isHalf)
    return bad(code, `a user name or password cannot be in ${what}`, withoutCredentials(text, code))
  const scheme = schemeText.toLowerCase()
  if (scheme !== 'http' && scheme !== 'https') {
    const own = `${schemeOf(code, authority, scheme === 'wss' || scheme === 'grpcs')}://${authority}${rest}`
    return bad(code, not, hintFor(scheme, own), schemeText)
  }
  if (/\s/.test(text)) return bad(code, not, 'there is a space in it')
  // A number alone is an IPv4 address to a URL parser, but a port to whoever writes one.
  const lonePort = /^:?(\d{1,5})$/.exec(authority)?.[1]
  if (lonePort !== undefined) {
    return bad(code, not, `before a port goes its host: "${scheme}://localhost:${lonePort}${rest}"`, authority)
  }
  const portText = /:(\d*)$/.exec(authority)?.[1]
  const host = parseHost(portText === undefined ? authority : authority.slice(0, -portText.length - 1))
  if (!host.ok) return bad(code, not, host.hint, host.mark)
  const port = portText === undefined ? null : Number(portText)
  if (port !== null && (portText === '' || port < 1 || port > 65_535)) {
    return bad(code, not, 'the port is a number from 1 to 65535', `:${portText}`)
  }
  const isUsualPort = port === null || port === (scheme === 'https' ? 443 : 80)
  return good({ scheme, host: host.value, authority: isUsualPort ? host.value : `${host.value}:${port}`, rest })
}

/** What to do about a scheme that is not known here; `own` is the address with one that is. */
function hintFor(scheme: string, own: string): string {
  if (/^wss?$/.test(scheme)) return `WebSockets pass through http${scheme.slice(2)}://: "${own}"`
  if (/^grpcs?$/.test(scheme)) {
    return `gRPC does not pass, but for a proxy in front that asks here who may call (verify in [server]); all else does: "${own}"`
  }
  return `it begins with http:// or https://: "${own}"`
}

/** An address as it was meant: with the host of this machine where only a port was written, and with one scheme. */
function withScheme(text: string, code: AddressCode): string {
  const rest = text.replace(/^[a-z]*:?\/+/i, '')
  const address = /^:\d/.test(rest) ? `localhost${rest}` : rest
  return `${schemeOf(code, address, /^https:/i.test(text))}://${address}`
}

/** Applications mostly speak plain HTTP; what people sign in at may not, but on this machine. */
function schemeOf(code: AddressCode, address: string, isSecure: boolean): 'http' | 'https' {
  if (isSecure || /:(?:443|8443)\b/.test(address)) return 'https'
  if (code === 'upstream.invalid' || code === 'provider.internal_url') return 'http'
  return isLoopbackHost(address.replace(/[/?#].*$/, '').replace(/:\d*$/, '')) ? 'http' : 'https'
}

/** What came before the @ is repeated nowhere. */
function withoutCredentials(text: string, code: AddressCode): string {
  const address = text.replace(/^([a-z][a-z0-9+.-]*:\/\/).*@/i, '$1')
  if (code !== 'upstream.invalid') return `remove everything up to the @: "${address}"`
  return `write { to = "${address}", basic_auth = { user = "NAME", password = "\${APP_PASSWORD}" } }`
}

/**
 * An issuer, exactly as written: it is compared byte for byte with what the provider says of itself.
 *
 * https, or http on loopback. Source: OpenID Connect Discovery 1.0 §3 (issuer), §4 (its metadata address).
 */
export function parseIssuer(text: string): Parsed<string> {
  const wellKnown = text.indexOf('/.well-known/')
  if (wellKnown > 0) {
    const hint = `the issuer is the part before it: "${text.slice(0, wellKnown)}"`
    return bad('issuer.invalid', `${quote(text)} is a metadata address, not an issuer`, hint, text.slice(wellKnown))
  }
  const odd = /[?#]/.exec(text)?.[0]
  if (odd !== undefined)
    return bad('issuer.invalid', `${quote(text)} is not an issuer`, 'an issuer has no query and no fragment', odd)
  const shared = sharedAtEntra(text)
  if (shared !== null) {
    const hint = `write the issuer of one tenant, with its id in place of "${shared}", as in "https://login.microsoftonline.com/0b4f7a3e-6c1d-4f0e-9d59-2a5d8a1c7e11/v2.0"`
    return bad(
      'issuer.invalid',
      `${quote(text)} is an address for many tenants, but each tenant has its own issuer`,
      hint,
      shared,
    )
  }
  return parseProviderAddress(text, 'an issuer')
}

/** The tenant of a Microsoft Entra ID address where that includes the tenants of others; null for any other address. */
function sharedAtEntra(text: string): string | null {
  const [, , , tenant = ''] = text.split('/')
  const host = URL.parse(text)?.hostname ?? ''
  const isEntra = /(?:^|\.)(?:microsoftonline\.(?:com|us|de|cn)|windows\.net)$/.test(host)
  return isEntra && /^(?:common|organizations|consumers|\{.*)$/i.test(tenant) ? tenant : null
}

/** Where a provider's metadata is: https, or http on loopback; no fragment. */
export function parseMetadataUrl(text: string): Parsed<string> {
  if (text.includes('#'))
    return bad('issuer.invalid', `${quote(text)} is not a metadata address`, 'without a fragment', '#')
  return parseProviderAddress(text, 'a metadata address')
}

function parseProviderAddress(text: string, what: string): Parsed<string> {
  const address = parseHttp(text, 'issuer.invalid', what)
  if (!address.ok) return address
  if (address.value.scheme === 'http' && !isLoopbackHost(address.value.host)) {
    const hint = `over plain http anyone on the way can sign in as anyone, so it is for loopback only: "https${text.slice('http'.length)}"`
    return bad('issuer.insecure', `${quote(text)} is not https`, hint, 'http')
  }
  return good(text)
}

/** The address of notifications: https, or http on loopback. It may contain a secret, so it is repeated nowhere. */
export function parseWebhook(text: string): Parsed<string> {
  const address = parseHttp(text, 'webhook.invalid', 'an address')
  if (address.ok && (address.value.scheme === 'https' || isLoopbackHost(address.value.host)) && !text.includes('#')) {
    return good(text)
  }
  const hint = 'https://, or http:// on this machine, without a user name and without a fragment'
  return bad('webhook.invalid', 'this is no address of requests', hint)
}

/** Where a provider is in one's own network, as an origin; a trailing slash means nothing. */
export function parseInternalUrl(text: string): Parsed<string> {
  const address = parseHttp(text, 'provider.internal_url', 'an internal address')
  if (!address.ok) return address
  const { scheme, authority, rest } = address.value
  const origin = URL.parse(`${scheme}://${authority}`)?.origin ?? ''
  if (rest !== '' && rest !== '/') {
    const hint = `without a path, which is that of the issuer: "${origin}"`
    return bad('provider.internal_url', `${quote(text)} is not an internal address`, hint, rest)
  }
  return good(origin)
}

/** A portal's own origin. A trailing slash is allowed and means nothing. */
export function parsePortalUrl(text: string): Parsed<Omit<HttpAddress, 'rest'>> {
  const address = parseHttp(text, 'portal.url', "a portal's address")
  if (!address.ok) return address
  const { rest, ...origin } = address.value
  if (rest !== '' && rest !== '/') {
    const hint = `a portal has a host of its own, without a path: "${origin.scheme}://${origin.authority}"`
    return bad('portal.url', `${quote(text)} is not a portal's address`, hint, rest)
  }
  return good(origin)
}

/** An origin as browsers write it in the Origin field (RFC 6454 §6.2). */
export function parseOrigin(text: string): Parsed<string> {
  const address = parseHttp(text, 'origin.invalid', 'an origin')
  if (!address.ok) return address
  const { scheme, authority, rest } = address.value
  const origin = `${scheme}://${authority}`
  if (rest !== '') return bad('origin.invalid', `${quote(text)} is not an origin`, `without a path: "${origin}"`, rest)
  return good(origin)
}

/** Where an application answers: `http://host:port`, `https://…`, either with a path to put in front, or `unix:/path`. */
export function parseUpstream(text: string): Parsed<UpstreamAddress> {
  const not = `${quote(text)} is not an upstream`
  if (text.startsWith('unix:')) return parseUnixPath(text, 'upstream.invalid', not)
  if (text.startsWith('@')) {
    return bad('upstream.invalid', not, `a name stands alone: upstream = "${text}", with the list in its table`)
  }
  const address = parseHttp(text, 'upstream.invalid', 'an upstream')
  if (!address.ok) return address
  const { scheme, authority, rest } = address.value
  const odd = /[?#]/.exec(rest)?.[0]
  if (odd !== undefined) {
    const whole = `${scheme}://${authority}${rest.slice(0, rest.indexOf(odd)).replace(/\/$/, '')}`
    return bad('upstream.invalid', not, `an upstream has no query and no fragment: "${whole}"`, odd)
  }
  const path = parsePath(rest === '' ? '/' : rest)
  if (!path.ok) return bad('upstream.invalid', not, path.hint, path.mark)
  return good({ kind: 'url', scheme, authority, basePath: path.value === '/' ? '' : path.value })
}

/** An address that somebody asks for. */
interface AskedAddress {
  /** As a URL parser writes it, which is also how the server reads the path of a request. */
  readonly href: string
  /** The value of the Host field: as written here, in punycode where it is not ASCII. */
  readonly authority: string
  /** Path and query as they are sent. */
  readonly path: string
}

/**
 * An absolute address, with `https://` where it names no scheme. It is as sent by a client that resolves and fixes
 * nothing: a browser has replaced `/a/../b` by `/b` before it asks, and `%61pp.example` by `app.example`.
 *
 * Refused: a login, a fragment, white space, and a text that only a URL parser takes for two slashes.
 */
export function parseAskedAddress(value: string): Parsed<AskedAddress> {
  const whole = value.includes('://') ? value : `https://${value}`
  if (whole.includes('#')) {
    const hint = 'without it: browsers keep it to themselves'
    return bad('expect.address', `${quote(value)} has a fragment, which is never asked for`, hint, '#')
  }
  const [, scheme = '', host = '', rest = ''] = /^(https?:\/\/)([^/?\\@\s]+)([/?]\S*)?$/i.exec(whole) ?? []
  const path = rest.startsWith('/') ? rest : `/${rest}`
  const url = URL.parse(scheme + host + path)
  if (host === '' || url === null) {
    return bad('expect.address', `${quote(value)} is not an address`, 'as in https://app.example.com/admin')
  }
  return good({ href: url.href, authority: /^[!-~]+$/.test(host) ? host : url.host, path })
}

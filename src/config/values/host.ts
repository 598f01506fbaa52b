/** Hosts in a file: exact, as wildcards, and the Host that an upstream gets. */

import { canonicalAddress, isLoopbackHost } from '../../base/net.ts'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'

/** What Host the upstream gets: the client's, the address's own, or a name. */
export type HostHeader =
  | { readonly kind: 'pass' }
  | { readonly kind: 'upstream' }
  | { readonly kind: 'name'; readonly name: string }

/**
 * The RP ID of passkeys for an origin: its host; null where browsers offer none. They do on names alone, and only where nobody else can
 * be between (Web Authentication §5.1.3, Secure Contexts §3.1).
 */
export function rpIdOf(origin: { readonly scheme: string; readonly host: string } | null): string | null {
  if (origin === null || canonicalAddress(origin.host.replace(/^\[|\]$/g, '')) !== null) return null
  return origin.scheme === 'https' || isLoopbackHost(origin.host) ? origin.host : null
}

/** Endings of one label below which people give names of their own. */
const OWN_ENDINGS = new Set(['localhost', 'lan', 'local', 'internal', 'intranet', 'home', 'private', 'test'])

/** A host for signing in beside these hosts of applications, of the domain that they share, and none of `taken`. */
export function hostForSigningIn(hosts: readonly string[], taken: readonly string[] = hosts): string {
  const names = hosts.map(host => host.replace(/^\*\./, '').split('.'))
  const [first = [], ...others] = names
  const isAlone = others.length === 0 && hosts[0]?.startsWith('*.') === false
  const domain = (isAlone ? first.slice(1) : first).filter((_, index, labels) => {
    const end = labels.slice(index).join('.')
    return others.every(other => `.${other.join('.')}`.endsWith(`.${end}`))
  })
  const ending = domain.join('.')
  const isOwn = canonicalAddress(first.join('.')) === null && (domain.length > 1 || OWN_ENDINGS.has(ending))
  const prefix = ['auth', 'sign-in'].find(name => !taken.includes(`${name}.${ending}`)) ?? 'portal'
  return isOwn ? `${prefix}.${ending}` : 'auth.example.com'
}

/** What a request's host can be after `parseTarget`; anything else in the file could never match. */
const HOST = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/

/**
 * A host in its one spelling: lower-case ASCII, IDN as punycode, IPv6 in brackets. No scheme, port, path or trailing dot.
 *
 * Source: RFC 3986 §3.2.2; IDN by the URL Standard's host parser (UTS #46), as browsers do it.
 */
export function parseHost(text: string): Parsed<string> {
  const not = `${quote(text)} is not a host name`
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0]
  if (scheme !== undefined) {
    const name = text
      .slice(scheme.length)
      .replace(/^.*@/, '')
      .replace(/[/?#].*$/, '')
      .replace(/:\d*$/, '')
    return bad('host.invalid', not, `leave the scheme out, only the name: "${name || 'app.example.com'}"`, scheme)
  }
  const slash = text.indexOf('/')
  if (slash >= 0) {
    const name = text.slice(0, slash).replace(/:\d*$/, '')
    const path = text.slice(slash)
    const hint = path === '/' ? `without the slash: "${name}"` : `write host = "${name}" and path = "${path}"`
    return bad('host.invalid', not, hint, path)
  }
  const several = text.split(/[\s,;]+/).filter(name => name !== '')
  if (several.length > 1) return bad('host.invalid', not, `several are a list: [${several.map(quote).join(', ')}]`)
  const odd = /[\s@?#%\\<>^|"'`,;(){}]/.exec(text)?.[0]
  if (odd !== undefined) return bad('host.invalid', not, `${quote(odd)} cannot be in a host name`, odd)
  if (text.includes('*')) return bad('host.wildcard', `${quote(text)} may not be a wildcard here`, '', '*')
  if (text.startsWith('[')) return parseIpv6(text, not)
  const port = /:\d*$/.exec(text)?.[0]
  if (port !== undefined && text.indexOf(':') === text.length - port.length) {
    const name = text.slice(0, -port.length)
    return bad('host.invalid', not, `leave the port out, a route serves its host on every port: "${name}"`, port)
  }
  if (text.includes(':')) {
    const isIpv6 = /^[\da-f:.]+$/i.test(text)
    return bad('host.invalid', not, isIpv6 ? `IPv6 goes in brackets: "[${text}]"` : 'there is a colon in it')
  }
  if (text.startsWith('.') && text.length > 1) {
    return bad('host.invalid', not, `for all names below it: "*.${text.replace(/^\.+/, '')}"`)
  }
  if (text.endsWith('.')) return bad('host.invalid', not, `without the trailing dot: "${text.replace(/\.+$/, '')}"`)
  const host = URL.parse(`http://${text}/`)?.hostname
  const plain = text.toLowerCase()
  if (host === undefined || host.length > 253 || !HOST.test(host) || host.split('.').some(label => label.length > 63)) {
    return bad('host.invalid', not, 'letters, digits and dashes, with dots between')
  }
  // The URL parser reads 0x7f.1 and 127.1 as addresses; a request's Host is compared as it is written.
  if (/^[\x20-\x7e]+$/.test(text) && host !== plain) return bad('host.invalid', not, `write "${host}"`)
  return good(host)
}

/** What `host_header` can be: two words, or a host with a port where the application wants one. */
export function parseHostHeader(text: string): Parsed<HostHeader> {
  if (text === 'pass' || text === 'upstream') return good({ kind: text })
  const port = /:([0-9]{1,5})$/.exec(text)
  const host = parseHost(port === null ? text : text.slice(0, port.index))
  if (!host.ok) return host
  if (port !== null && Number(port[1]) > 65_535) return bad('host.invalid', `${quote(text)} is not a host`, '', port[0])
  return good({ kind: 'name', name: port === null ? host.value : host.value + port[0] })
}

/** As `parseHost`, or `*.` and such a host: one star, which is the whole first label. */
export function parseHostPattern(text: string): Parsed<string> {
  if (!text.includes('*')) return parseHost(text)
  if (!text.startsWith('*.') || text.lastIndexOf('*') > 0 || text === '*.') {
    const hint =
      text === '*'
        ? 'a route for every host is not possible: name the domain, "*.example.com"'
        : `only as the whole first label: "${wholeLabel(text)}"`
    return bad('host.wildcard', `${quote(text)} is not a wildcard host`, hint)
  }
  const rest = parseHost(text.slice(2))
  if (!rest.ok) return rest
  if (rest.value.startsWith('[') || /(?:^|\.)\d+$/.test(rest.value)) {
    return bad('host.wildcard', `${quote(text)} is not a wildcard host`, 'an address has no wildcard')
  }
  return good(`*.${rest.value}`)
}

/** The wildcard that includes the meant hosts, and more. */
function wholeLabel(text: string): string {
  const rest = text.slice(text.lastIndexOf('*') + 1)
  const base = rest.slice(rest.indexOf('.') + 1)
  return parseHost(base).ok && base.includes('.') ? `*.${base}` : '*.example.com'
}

function parseIpv6(text: string, not: string): Parsed<string> {
  if (!text.endsWith(']')) return bad('host.invalid', not, 'leave the port out: a route serves its host on every port')
  const host = URL.parse(`http://${text}/`)?.hostname
  return host === undefined ? bad('host.invalid', not, 'the address in the brackets is not IPv6') : good(host)
}

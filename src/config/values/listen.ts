/** Places to listen on. */

import ipaddr from 'ipaddr.js'
import { canonicalAddress } from '../../base/net.ts'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { parseHost } from './host.ts'

/** A place to listen on. */
export type ListenAddress =
  | {
      readonly kind: 'tcp'
      /** A name or an address; IPv6 without brackets. */
      readonly host: string
      /** 0: any free port. */
      readonly port: number
      /** Whether another listener has IPv4 on this port; otherwise `[::]` takes both. */
      readonly isIpv6Only?: true
    }
  | { readonly kind: 'unix'; readonly path: string }

/** A place to listen on: `host:port`, `[address]:port` or `unix:/path`. */
export function parseListen(text: string): Parsed<ListenAddress> {
  const not = `${quote(text)} is not an address to listen on`
  if (text.startsWith('unix:')) return parseUnixPath(text, 'listen.invalid', not)
  if (text.includes('://')) {
    const rest = text.replace(/^.*?:\/\/(?:.*@)?/, '').replace(/\/.*$/, '')
    return bad('listen.invalid', not, `without a scheme: "${/:\d+$/.test(rest) ? rest : '0.0.0.0:8080'}"`)
  }
  if (/^\d+$/.test(text)) return bad('listen.invalid', not, `with the address: "0.0.0.0:${text}"`)
  if (/^:\d+$/.test(text)) return bad('listen.invalid', not, `with the address: "0.0.0.0${text}"`)
  const match = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(text)
  if (match === null) {
    const hint = text.includes(':') ? 'as "host:port"; IPv6 in brackets: "[::]:8080"' : `with a port: "${text}:8080"`
    return bad('listen.invalid', not, hint)
  }
  const [, name = '', digits = ''] = match
  const port = Number(digits)
  if (port > 65_535) return bad('listen.invalid', not, 'ports end at 65535', digits)
  if (name === '*') return bad('listen.invalid', not, `for every address write "0.0.0.0:${port}" or "[::]:${port}"`)
  const host = parseHost(name)
  if (!host.ok) return bad('listen.invalid', not, host.hint)
  return good({ kind: 'tcp', host: host.value.replace(/^\[|\]$/g, ''), port })
}

/** The same without local sockets: what browsers reach. */
export function parsePortListen(text: string): Parsed<Extract<ListenAddress, { kind: 'tcp' }>> {
  const address = parseListen(text)
  if (!address.ok) return address
  if (address.value.kind === 'tcp') return good(address.value)
  return bad('listen.invalid', `${quote(text)} is no address for TLS`, 'with a port: "0.0.0.0:443"')
}

/** `unix:` and an absolute path. */
export function parseUnixPath(
  text: string,
  code: 'listen.invalid' | 'upstream.invalid',
  not: string,
): Parsed<{ readonly kind: 'unix'; readonly path: string }> {
  const path = text.slice('unix:'.length)
  if (path.startsWith('//')) return bad(code, not, `with one slash: "unix:/${path.replace(/^\/+/, '')}"`)
  if (!path.startsWith('/')) return bad(code, not, `the path of a socket is absolute: "unix:/run/${path}"`)
  if (path.endsWith('/')) return bad(code, not, 'name the socket, not its folder')
  // sockaddr_un holds 108 bytes with its terminator (unix(7)).
  if (Buffer.byteLength(path) > 107) return bad(code, not, 'the path of a socket has at most 107 bytes')
  return good({ kind: 'unix', path })
}

/**
 * A network in canonical CIDR notation, a single address as /32 or /128.
 *
 * Refused: bits set beyond the prefix, IPv4 inside IPv6 and short IPv4 forms, each of which reads otherwise elsewhere.
 * Source: RFC 4632 §3.1, RFC 5952.
 */
export function parseNetwork(text: string): Parsed<string> {
  const not = `${quote(text)} is not a network`
  const match = /^([0-9a-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text)
  const [, address = '', prefix] = match ?? []
  const isIpv4 = ipaddr.IPv4.isValidFourPartDecimal(address)
  if (match === null || canonicalAddress(address) === null) {
    return bad('network.invalid', not, 'as in "10.0.0.0/8", "192.168.1.7" or "fd00::/8"')
  }
  const most = isIpv4 ? 32 : 128
  const bits = prefix === undefined ? most : Number(prefix)
  if (bits > most) return bad('network.invalid', not, `the part after the slash is at most ${most}`, `/${prefix}`)
  if (!isIpv4) {
    const parsed = ipaddr.IPv6.parse(address)
    if (parsed.isIPv4MappedAddress()) {
      const hint =
        bits >= 96 ? `write it as IPv4: "${parsed.toIPv4Address().toString()}/${bits - 96}"` : 'write it as IPv4'
      return bad('network.invalid', not, hint)
    }
  }
  const base = isIpv4
    ? ipaddr.IPv4.networkAddressFromCIDR(`${address}/${bits}`).toString()
    : ipaddr.IPv6.networkAddressFromCIDR(`${address}/${bits}`).toString()
  const own = isIpv4 ? ipaddr.IPv4.parse(address).toString() : ipaddr.IPv6.parse(address).toString()
  if (base !== own)
    return bad('network.invalid', `${quote(text)} has bits set beyond /${bits}`, `the network is "${base}/${bits}"`)
  return good(`${base}/${bits}`)
}

/** An address as the file writes it. */
export function addressText(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

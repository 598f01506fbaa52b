/** IP addresses and networks: parsed, compared, and tested against CIDRs. */

import ipaddr from 'ipaddr.js'
import { memoize } from './memoize.ts'

/** A set of networks that addresses are tested against. */
export interface NetworkSet {
  readonly isEmpty: boolean
  has(address: string): boolean
  /** Null for what is no address: neither inside nor outside can be said of it. */
  judge(address: string): boolean | null
}

/**
 * A NetworkSet from CIDRs or single addresses, already checked.
 *
 * An IPv4-mapped IPv6 address counts as the IPv4 address it holds (RFC 4291 §2.5.5.2); an address that cannot be parsed
 * is in no set. Throws TypeError for text that is not a network.
 */
export function compileNetworks(networks: readonly string[]): NetworkSet {
  const ranges = networks.map(parseNetwork)
  const judge = memoize(
    address => {
      const parsed = parseAddress(address)
      if (parsed === null) return null
      return ranges.some(([network, bits]) => parsed.kind() === network.kind() && parsed.match(network, bits))
    },
    MOST_KNOWN,
    LONGEST_KNOWN,
  )
  return Object.freeze({
    isEmpty: ranges.length === 0,
    has: (address: string) => ranges.length > 0 && judge(address) === true,
    judge,
  })
}

/** More clients than this at a time are rare, and no address in any spelling is longer. */
const MOST_KNOWN = 4096
const LONGEST_KNOWN = 64

/**
 * An address in one canonical spelling (mapped ones as IPv4), or null for anything else.
 *
 * Remembered, as is `networkOf`: they are asked of every request, and to read an IPv6 address takes 7 µs.
 */
export const canonicalAddress: (text: string) => string | null = memoize(
  text => parseAddress(text)?.toString() ?? null,
  MOST_KNOWN,
  LONGEST_KNOWN,
)

/**
 * What counts as one client: an IPv4 address, or the first 64 bits of an IPv6 one, of which one household or server has all.
 * Text that is no address is itself.
 */
export function networkOf(address: string): string {
  return address.includes(':') ? networkOfIPv6(address) : address
}

const networkOfIPv6 = memoize(address => prefixesOf(address).at(-1) ?? address, MOST_KNOWN, LONGEST_KNOWN)

/**
 * The networks of an address, the widest first and `networkOf` last: /24 and /32 of an IPv4 address; /48, /56 and /64
 * of an IPv6 address, since one customer often gets 256 or 65 536 networks there. Text that is no address is its only
 * network.
 */
export function prefixesOf(address: string): readonly string[] {
  const parsed = parseAddress(address)
  if (parsed === null) return [address]
  if (parsed instanceof ipaddr.IPv4) {
    const text = parsed.toString()
    return [neighbourhoodOf(text), text]
  }
  const [one = 0, two = 0, three = 0, fourth = 0] = parsed.parts
  const text = (fourth: number, bits: number) =>
    `${[one, two, three, fourth].map(part => part.toString(16)).join(':')}::/${bits}`
  return [text(0, 48), text(fourth & 0xff00, 56), text(fourth, 64)]
}

/**
 * What a client moves about in: the first 24 bits of an IPv4 address, as of one provider's pool, or 64 of an IPv6 one.
 * Text that is no address is itself.
 */
export function neighbourhoodOf(address: string): string {
  const network = networkOf(address)
  return ipaddr.IPv4.isValidFourPartDecimal(network) ? network.replace(/\.\d+$/, '.0/24') : network
}

/** Names and addresses that only ever mean this machine; `*.localhost` by RFC 6761 §6.3. */
export function isLoopbackHost(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  const parsed = parseAddress(host.replace(/^\[|\]$/g, ''))
  return parsed !== null && parsed.range() === 'loopback'
}

/** Global unicast: so far the only range of IPv6 addresses on the internet (RFC 4291 §2.4). */
const GLOBAL_IPV6: [ipaddr.IPv4 | ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3]

/**
 * Whether an address is one of the internet's: none of this machine, of a private or shared network, of many, for documentation, or one that
 * holds an IPv4 address to be led to (NAT64, 6to4, Teredo). False for what is no address.
 * Source: the special-purpose registries of RFC 6890, by ipaddr.js.
 */
export function isPublicAddress(address: string): boolean {
  const parsed = parseAddress(address)
  if (parsed === null || parsed.range() !== 'unicast') return false
  return parsed instanceof ipaddr.IPv4 || parsed.match(GLOBAL_IPV6)
}

function parseNetwork(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  const [, address = '', digits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const parsed = parseAddress(address)
  if (parsed === null) throw new TypeError(`not a network: ${text}`)
  const most = parsed.kind() === 'ipv4' ? 32 : 128
  // A mapped network is the IPv4 network behind its first 96 bits: one that begins in them holds more than IPv4.
  const before = most === 32 && address.includes(':') ? 96 : 0
  const bits = digits === undefined ? most : Number(digits) - before
  if (bits < 0 || bits > most) throw new TypeError(`not a network: ${text}`)
  return [parsed, bits]
}

/**
 * Only the four-part decimal form of IPv4 is an address here, at the end of an IPv6 one too; `0x7f.1`, `127.1` and
 * `::ffff:010.0.0.1` are none: others read them as other addresses, or as none.
 */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text)
  // Octal, hexadecimal and padded numbers at the end of an IPv6 one are none either.
  const end = text.includes('.') ? /:([^:%.]*\.[^:%]*)(?:%|$)/.exec(text)?.[1] : undefined
  if (end !== undefined && !ipaddr.IPv4.isValidFourPartDecimal(end)) return null
  // Nor is `::10.0.0.1` (RFC 4291 §2.5.5.1, deprecated) in any spelling: to some it is IPv4, and ipaddr.js 2 takes this one, and
  // no other, for the mapped `::ffff:10.0.0.1`.
  if (end !== undefined && /^[0:]*$/.test(text.slice(0, text.indexOf(end)))) return null
  return ipaddr.IPv6.isValid(text) ? ipaddr.process(text) : null
}

/**
 * Where a provider may lead this gate: which origins are asked, and never an inner network by a public name (SSRF).
 */

import { GateError } from '../base/errors.ts'
import { inTime } from '../base/maybe-promise.ts'
import { canonicalAddress, isLoopbackHost, isPublicAddress } from '../base/net.ts'
import type { Ports } from '../base/ports.ts'
import { shownAddress } from '../base/shown-address.ts'
import { timeLimit } from '../base/time-limit.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { hintForUnreached } from './connection-errors.ts'
import { discoveryAddress, hasCredentials } from './endpoints.ts'

/** At which addresses a provider may be asked, regardless of its discovery document. */
export interface Ways {
  /** The origins that the file names: the issuer's own among them. */
  readonly origins: ReadonlySet<string>
  /** The address of its discovery document: a provider inside the own network may lead to other hosts inside. */
  readonly home: string
}

/** What is dialled, as whom it is asked, and whose certificate it has to have; null: as the address says. */
export interface SignInWay {
  readonly address: string
  readonly host: string | null
  readonly serverName: string | null
}

type WayPorts = Pick<Ports, 'ask' | 'resolve' | 'proxyFor'>

const MOST_ADDRESSES = 3
/** How long it counts whether an issuer is inside. */
const KNOWN_MS = 10_000

/** What the file says of where a provider may be asked. */
export function waysOf(config: ProviderConfig): Ways {
  const { issuer, metadataUrl, internalUrl, oauth2, backChannelOrigins } = config
  const named = [
    issuer,
    metadataUrl,
    internalUrl,
    ...(oauth2 === null ? [] : [oauth2.tokenEndpoint, oauth2.userEndpoint]),
    ...backChannelOrigins,
  ]
  const origins = named.flatMap(address => (address === null ? null : URL.parse(address))?.origin ?? [])
  return { origins: new Set(origins), home: oauth2 === null ? discoveryAddress(config) : issuer }
}

/** All addresses of a name, those of IPv4 first; none where there are none, or none in time. */
export async function resolveWithin(
  { resolve }: Pick<Ports, 'resolve'>,
  host: string,
  waitMs: number,
): Promise<readonly string[]> {
  try {
    const found = await inTime(resolve(host), waitMs, [])
    return found.toSorted((one, other) => Number(one.includes(':')) - Number(other.includes(':')))
  } catch {
    return []
  }
}

/** The very machine that was looked at, for each of the first addresses of a name: nothing is resolved a second time. */
export function placesAt(address: URL, ips: readonly string[]): readonly SignInWay[] {
  const port = address.port === '' ? '' : `:${address.port}`
  return ips.slice(0, MOST_ADDRESSES).map(ip => ({
    address: `${address.protocol}//${ip.includes(':') ? `[${ip}]` : ip}${port}${address.pathname}${address.search}`,
    host: address.host,
    serverName: address.hostname,
  }))
}

/** An address that needs no check. */
export function asItIs(address: string): SignInWay {
  return { address, host: null, serverName: null }
}

/** Finds where an address that a provider names may be asked. */
export type FindPlaces = (address: string, timeoutMs: number) => Promise<readonly SignInWay[]>

/**
 * A provider names its own endpoints, so that a hostile one could have this machine ask any host inside, for a stranger as well. Where its
 * discovery document comes from the internet, an endpoint at any origin that is not the issuer's or in the file has to be of the internet
 * too, at each question; what was looked at is what is dialled, so that a name that changes meanwhile leads nowhere.
 *
 * A name that goes by an outgoing proxy is not looked at: where that may connect to is for the proxy to say.
 *
 * Throws `provider.discovery` for what leads elsewhere, `provider.down` for a name without an address.
 */
export function findPlacesBy(ways: Ways, ca: string | null, ports: WayPorts): FindPlaces {
  let known: { readonly untilMs: number; readonly isInside: Promise<boolean> } | null = null

  const isByProxy = (address: string) => (ports.proxyFor?.(address) ?? null) !== null

  function isInside(): Promise<boolean> {
    if (known === null || known.untilMs <= performance.now()) {
      known = { untilMs: performance.now() + KNOWN_MS, isInside: isHomeInside(ways.home, ca, ports) }
    }
    return known.isInside
  }

  return async (address, timeoutMs) => {
    const url = new URL(address)
    if (hasCredentials(url)) throw leadsElsewhere(url, 'has a user or a password in it')
    if (ways.origins.has(url.origin)) return [asItIs(address)]
    const fixed = fixedAddress(url.hostname)
    // A name that a proxy is asked for is the proxy's to look up: this machine may know no name outside, or another address for it.
    if (fixed === null && isByProxy(address)) return [asItIs(address)]
    const ips = fixed === null ? await resolveWithin(ports, url.hostname, timeoutMs) : [fixed]
    if (ips.length === 0) throw withoutAddress(address)
    // One that is not is enough: who mixes them means to lead somewhere else.
    if (!ips.every(isPublicAddress) && !(await isInside())) {
      throw leadsElsewhere(url, 'is at a host that is not of the internet, though its issuer is')
    }
    return fixed === null ? placesAt(url, ips) : [asItIs(address)]
  }
}

/** The address that a host is without asking anybody; null for a name. */
function fixedAddress(hostname: string): string | null {
  const literal = canonicalAddress(hostname.replace(/^\[|\]$/g, ''))
  return literal ?? (isLoopbackHost(hostname) ? '127.0.0.1' : null)
}

/**
 * Whether the issuer itself is on this machine or in a private network. That its name leads there says nothing, since the name is its own:
 * a machine there has to have the name's certificate.
 */
async function isHomeInside(home: string, ca: string | null, ports: WayPorts): Promise<boolean> {
  const url = new URL(home)
  const fixed = fixedAddress(url.hostname)
  if (fixed !== null) return !isPublicAddress(fixed)
  if (url.protocol !== 'https:' || (ports.proxyFor?.(home) ?? null) !== null) return false
  const found = await resolveWithin(ports, url.hostname, HOME_MS)
  const inside = found.filter(ip => canonicalAddress(ip) !== null && !isPublicAddress(ip))
  const answers = placesAt(url, inside).map(async ({ address }) => {
    const signal = timeLimit(HOME_MS)
    const tls = { serverName: url.hostname, ...(ca === null ? {} : { ca }) }
    const { drop } = await ports.ask(address, { headers: { host: url.host }, tls, signal, keepalive: false })
    await drop()
  })
  const ended = await Promise.allSettled(answers)
  return ended.some(({ status }) => status === 'fulfilled')
}

const HOME_MS = 2_000

function leadsElsewhere(url: URL, why: string): GateError {
  const shown = shownAddress(url.href, 'program')
  return new GateError('provider.discovery', `${shown}, which the discovery document of a provider names, ${why}`, {
    hint: hasCredentials(url)
      ? 'a provider names its endpoints without any'
      : `if the provider is meant to lead there, write back_channel_origins = ["${url.origin}"] in its table`,
    facts: { address: shown },
  })
}

function withoutAddress(address: string): GateError {
  const shown = shownAddress(address, 'program')
  const cause = Object.assign(new Error('no address'), { code: 'ENOTFOUND' })
  return new GateError('provider.down', `${shown} cannot be reached`, {
    hint: hintForUnreached(address, cause, false),
    facts: { address: shown },
    cause,
    retryAfterS: 5,
  })
}

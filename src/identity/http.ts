/** How providers are asked: over HTTP with bounds in time, size and depth, and no redirects. */

import { GateError } from '../base/errors.ts'
import { type Answered, UnreadError } from '../base/http-client.ts'
import { isDeeper } from '../base/json.ts'
import { hintForProxy, ProxyError } from '../base/outgoing.ts'
import type { Ports } from '../base/ports.ts'
import { shownAddress } from '../base/shown-address.ts'
import { timeLimit } from '../base/time-limit.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { asItIs, findPlacesBy, type SignInWay, type Ways, waysOf } from './allowed-addresses.ts'
import { hintForUnreached, isUnconnected } from './connection-errors.ts'

/** How long and how much we listen to a provider. */
export interface WireLimits {
  /** For one request, head and body together. */
  readonly timeoutMs: number
  /** Of a body. */
  readonly maxBytes: number
}

export const DEFAULT_WIRE_LIMITS: WireLimits = Object.freeze({ timeoutMs: 5_000, maxBytes: 1024 * 1024 })

type ProviderRequest = Omit<BunFetchRequestInit, 'proxy'>

/**
 * A request to a provider whose answer is already complete, so that nothing later can hang or swell. `anew` makes it once more, for where it
 * is sent a second time: an assertion of the client's is good once (RFC 7523 §3, `jti`).
 */
export type ProviderFetch = (
  address: string,
  init?: ProviderRequest,
  anew?: () => Promise<ProviderRequest>,
) => Promise<Response>

/** Of a provider, what says how it is reached. */
export interface Reach extends Pick<ProviderConfig, 'internalUrl' | 'ca'> {
  /** Which addresses are allowed; null where only Sallyport itself chooses the address. */
  readonly ways: Ways | null
}

/** What is asked at an address of our own choice, with the authorities of this machine. */
export const DIRECT: Reach = Object.freeze({ internalUrl: null, ca: null, ways: null })

/** How the file says that a provider is reached. */
export function reachOf(config: ProviderConfig): Reach {
  return { internalUrl: config.internalUrl, ca: config.ca, ways: waysOf(config) }
}

const UNREAD_HINT = 'a provider’s answer is short, flat and uncompressed: is this the provider’s address?'

const BODILESS = new Set([204, 205, 304])

/**
 * A fetch over `Ports.ask`, which has read the whole body within the limits.
 *
 * It trusts only `ca`, where the provider has one. Throws `provider.down` when the provider cannot be reached, does
 * not answer, breaks off, sends too much, compresses the body, or nests it too deeply. Every status that it does send
 * is an answer, not an error.
 */
export function createProviderFetch(
  ports: Pick<Ports, 'ask' | 'resolve' | 'proxyFor'>,
  limits: WireLimits,
  reach: Reach,
): ProviderFetch {
  const trust = reach.ca === null ? {} : { ca: reach.ca }
  const find = reach.ways === null ? null : findPlacesBy(reach.ways, reach.ca, ports)
  return async (address, init = {}) => {
    const signal = timeLimit(limits.timeoutMs)
    try {
      // A new connection: a kept one that the provider has closed meanwhile would lose a code, since Bun never sends
      // it again.
      const own = { keepalive: false, signal, maxBytes: limits.maxBytes }
      const places = find === null ? [asItIs(address)] : await find(address, limits.timeoutMs)
      const response = await askFirst(places, place => {
        const headers = new Headers(init.headers)
        if (place.host !== null) headers.set('host', place.host)
        const name = place.serverName === null ? {} : { serverName: place.serverName }
        return ports.ask(place.address, { ...init, ...own, headers, tls: { ...init.tls, ...trust, ...name } })
      })
      const body = await response.bytes()
      if (isTooDeep(body)) throw new UnreadError('is nested too deeply')
      return new Response(BODILESS.has(response.status) ? null : body, {
        status: response.status,
        headers: response.headers,
      })
    } catch (thrown) {
      if (thrown instanceof GateError) throw thrown
      const isUnread = thrown instanceof UnreadError
      const what = isUnread
        ? `gave an answer that ${thrown.message}`
        : signal.aborted
          ? `did not answer within ${limits.timeoutMs} ms`
          : 'cannot be reached'
      const proxy = ports.proxyFor?.(address) ?? null
      const way = proxy === null ? '' : ` through the proxy ${proxy}`
      const proxyHint = thrown instanceof ProxyError ? hintForProxy(thrown) : null
      const isInternal = reach.internalUrl !== null && URL.parse(address)?.origin === reach.internalUrl
      const where = `${shownAddress(address, 'program')}${isInternal ? ' (internal_url)' : ''}`
      throw new GateError('provider.down', `${where} ${what}${way}`, {
        hint: proxyHint ?? (isUnread ? UNREAD_HINT : hintForUnreached(address, thrown, isInternal)),
        facts: { address: shownAddress(address, 'program') },
        cause: bareError(thrown),
        retryAfterS: 5,
      })
    }
  }
}

/** The first of several addresses of one name that accepts a connection: a request is sent to only one of them. */
async function askFirst(places: readonly SignInWay[], ask: (place: SignInWay) => Promise<Answered>): Promise<Answered> {
  const [place, ...others] = places
  if (place === undefined) throw new TypeError('there is nowhere to ask')
  try {
    return await ask(place)
  } catch (thrown) {
    if (others.length === 0 || !isUnconnected(thrown)) throw thrown
    return askFirst(others, ask)
  }
}

/**
 * A thrown value reduced to its name, code and message.
 *
 * Libraries attach bodies, tokens and claims to their errors, and a JSON parser quotes its input: none of that may
 * reach a log. Sallyport's own errors pass unchanged.
 */
export function bareError(thrown: unknown): Error {
  if (thrown instanceof GateError) return thrown
  if (!(thrown instanceof Error)) return new Error('a value that is not an error was thrown')
  const bare = new Error(thrown instanceof SyntaxError ? 'not JSON' : thrown.message)
  bare.name = thrown.name
  if ('code' in thrown && typeof thrown.code === 'string') Object.assign(bare, { code: thrown.code })
  return bare
}

/** Objects and lists within each other: what a provider says has four or five. */
const DEEPEST = 16

const BLANKS_AND_MARK = new Set([0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf])

/** Whether a body would be read as JSON, and is nested too deeply for that. Another one, such as a page, no parser goes into. */
function isTooDeep(body: Uint8Array): boolean {
  const first = body.find(byte => !BLANKS_AND_MARK.has(byte))
  return (first === 0x5b || first === 0x7b) && isDeeper(body, DEEPEST)
}

/** The same of what a JWT says, in its head or its claims; nothing of it is proven yet. */
export function isTokenTooDeep(token: string): boolean {
  return token.split('.', 2).some(part => isTooDeep(Buffer.from(part, 'base64url')))
}

/** Fetches the documents in which MCP clients describe themselves (Client ID Metadata Documents). */

import { isPublicAddress } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import { asItIs, placesAt, resolveWithin, type SignInWay } from '../../identity/allowed-addresses.ts'
import { createProviderFetch, DIRECT } from '../../identity/http.ts'
import { type Client, parseClient } from './clients.ts'

type FetchPorts = Pick<Ports, 'ask' | 'resolve' | 'proxyFor' | 'now'>

/** Clients by the documents that they publish at their ids. */
export interface Publications {
  /**
   * The client whose id this address is, or what is wrong with it. `who` is for whom it is asked: of one person only some documents are
   * fetched at a time. `beforeFetch` is called before anything is asked of the network, and may throw to forbid it.
   */
  find(id: string, who: string, beforeFetch: () => void): Promise<Client | string>
}

/** A document that is good, and until when it is. */
interface Published {
  readonly client: Client
  readonly untilMs: number
}

const MAX_BYTES = 5 * 1024
/** For name and answer together. */
const WAIT_MS = 5_000
/** For a name that a proxy looks up: this machine may have no resolver for it. */
const OWN_NAME_MS = 1_000
const LONGEST_ID = 400

/** How long a document is good whose answer does not say, and at most. */
const USUAL_MS = 5 * 60_000
const LONGEST_MS = 24 * 60 * 60_000

/**
 * How many documents are remembered, and how many may be fetched at a time: users who sign in choose the addresses,
 * and a slow host holds a fetch until its timeout. One user has few at a time, so a user delays only their own.
 */
const MOST_KNOWN = 256
const MOST_UNDER_WAY = 64
const MOST_OF_ONE = 2

/**
 * Fetches clients' documents, one at a time per address, and remembers good ones for as long as their answers say.
 * Source: draft-ietf-oauth-client-id-metadata-document §4 to §6.
 */
export function createPublications(ports: FetchPorts, waitMs = WAIT_MS): Publications {
  const known = new Map<string, Published>()
  const underWay = new Map<string, Promise<Published | string>>()
  /** How many of these are under way for whom. */
  const counts = new Map<string, number>()

  function keep(id: string, found: Published): void {
    known.delete(id)
    if (found.untilMs <= ports.now()) return
    for (const oldest of known.keys()) {
      if (known.size < MOST_KNOWN) break
      known.delete(oldest)
    }
    known.set(id, found)
  }

  function ask(id: string, address: URL, who: string): Promise<Published | string> {
    const asked = fetchDocument(ports, id, address, waitMs).finally(() => {
      underWay.delete(id)
      const left = (counts.get(who) ?? 1) - 1
      if (left === 0) counts.delete(who)
      else counts.set(who, left)
    })
    underWay.set(id, asked)
    counts.set(who, (counts.get(who) ?? 0) + 1)
    return asked
  }

  return Object.freeze({
    async find(id: string, who: string, beforeFetch: () => void) {
      const address = publicationAt(id)
      if (address === null) return 'is no address at which a client may be published'
      const before = known.get(id)
      if (before !== undefined && before.untilMs > ports.now()) return before.client
      beforeFetch()
      const waiting = underWay.get(id)
      if (waiting === undefined && (counts.get(who) ?? 0) >= MOST_OF_ONE) {
        return 'cannot be fetched while others are fetched for the same person'
      }
      if (waiting === undefined && underWay.size >= MOST_UNDER_WAY) return 'cannot be fetched beside so many others'
      const found = await (waiting ?? ask(id, address, who))
      if (typeof found === 'string') return found
      keep(id, found)
      return found.client
    },
  })
}

/**
 * The address that an id is, where a client may publish itself there: HTTPS at its own port, a name with a dot, a path, and nothing else,
 * written as it will be asked. Null for any other id.
 */
export function publicationAt(id: string): URL | null {
  const address = id.length > LONGEST_ID ? null : URL.parse(id)
  // What differs is written so that others may read it otherwise: dot segments, `:443`, other letters, somebody in front of the host.
  if (address === null || address.href !== id || address.protocol !== 'https:') return null
  if (address.port !== '' || address.username !== '' || address.password !== '') return null
  if (/[?#]/.test(id) || address.pathname === '/') return null
  // Its last label is no number, so that it is no address of IPv4 (WHATWG URL).
  return /^(?:[a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{0,62}$/.test(address.hostname) ? address : null
}

/** The document at an address, or what is wrong with it. Never throws: details of errors could reveal inner hosts. */
async function fetchDocument(ports: FetchPorts, id: string, address: URL, waitMs: number): Promise<Published | string> {
  const untilMs = performance.now() + waitMs
  // By an outgoing proxy, what is outside is the proxy's to look up; what this machine knows to be inside is not asked for there either.
  const isByProxy = (ports.proxyFor?.(address.href) ?? null) !== null
  const addresses = await resolveWithin(ports, address.hostname, isByProxy ? Math.min(waitMs, OWN_NAME_MS) : waitMs)
  if (addresses.length === 0 && !isByProxy) return 'is at a host that has no address'
  // One that is not is enough: who mixes them means to lead somewhere else.
  if (!addresses.every(isPublicAddress)) return 'is at a host that is not of the internet'
  for (const place of isByProxy ? [asItIs(address.href)] : placesAt(address, addresses)) {
    const leftMs = Math.floor(untilMs - performance.now())
    if (leftMs <= 0) break
    const answer = await fetchAt(ports, place, leftMs)
    if (answer !== null) return readDocument(answer, id, ports.now())
  }
  return 'cannot be fetched in time, within 5 KB, uncompressed, from a trusted host'
}

/** The answer of that very machine, or by the proxy's way, with the certificate held against the name. Null where there is none. */
async function fetchAt(
  ports: FetchPorts,
  { address, host, serverName }: SignInWay,
  timeoutMs: number,
): Promise<Response | null> {
  const fetch = createProviderFetch(ports, { timeoutMs, maxBytes: MAX_BYTES }, DIRECT)
  const init = {
    headers: { ...(host === null ? {} : { host }), accept: 'application/json' },
    ...(serverName === null ? {} : { tls: { serverName } }),
  }
  return await fetch(address, init).catch(() => null)
}

async function readDocument(answer: Response, id: string, nowMs: number): Promise<Published | string> {
  const { status, headers } = answer
  if (status !== 200) return 'answers with another status than 200'
  if (!/^application\/(?:[\w.-]+\+)?json *(?:;|$)/i.test(headers.get('content-type') ?? '')) return 'leads to no JSON'
  const raw: unknown = await answer.json().catch(() => null)
  if (typeof raw !== 'object' || raw === null) return 'has no document'
  if (Reflect.get(raw, 'client_id') !== id) return 'is not the client_id of the document there'
  // A secret in public is none, and what a client says that it proves itself by is not asked for here.
  const method: unknown = Reflect.get(raw, 'token_endpoint_auth_method') ?? 'none'
  if (method !== 'none' || 'client_secret' in raw || 'client_secret_expires_at' in raw) {
    return 'is of a client that proves itself by more than PKCE'
  }
  const client = parseClient(raw)
  if (typeof client === 'string') return `has a document that is refused: ${client}`
  return { client, untilMs: nowMs + lifetimeOf(headers) }
}

/** How long an answer may be kept, in milliseconds (RFC 9111 §5.2.2). */
function lifetimeOf(headers: Headers): number {
  const control = headers.get('cache-control') ?? ''
  if (/(?:^|[\s,])no-(?:store|cache)/i.test(control)) return 0
  const seconds = /(?:^|[\s,])max-age="?(\d{1,10})/i.exec(control)?.[1]
  return seconds === undefined ? USUAL_MS : Math.min(Number(seconds) * 1000, LONGEST_MS)
}

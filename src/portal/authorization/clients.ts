/** Clients of MCP (OAuth): dynamic registration (RFC 7591), and clients described by a document at their id. */

import { isJsonObject } from '../../base/json.ts'
import { isLoopbackHost } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import type { Sealer } from '../../session/seal.ts'
import { openAnswer } from '../answer.ts'
import { type FormTools, readBody } from '../form.ts'
import type { PortalRequest } from '../portal-request.ts'

/** A client as it says it is: nothing of this is known to be true but where it is sent back to. */
export interface Client {
  readonly name: string
  readonly redirects: readonly string[]
}

const MOST_REDIRECTS = 5
const LONGEST_REDIRECT = 400
const LONGEST_NAME = 80

/** A registration is sealed into the client's id, so that nothing is kept of the many that are never used; and no id is good for ever. */
const REGISTERED_MS = 400 * 24 * 60 * 60 * 1000

/** Longer ids are no registration: `MOST_REDIRECTS` of `LONGEST_REDIRECT` fit. */
const LONGEST_ID = 4000

/** An id by which a client is known at this portal from now on (RFC 7591 §3.2.1). */
export function registerClient(ctx: PortalRequest, seal: Sealer, client: Client, nowMs: number): Promise<string> {
  return seal.seal(client, purposeOf(ctx), nowMs + REGISTERED_MS)
}

/** The client of an id; null for one that was not given here, or not to this portal, or long ago. */
export async function findClient(ctx: PortalRequest, seal: Sealer, id: string): Promise<Client | null> {
  if (id.length > LONGEST_ID) return null
  return readClient(await seal.open(id, purposeOf(ctx)))
}

/** A client from its stored description; null where the value is not a client. */
function readClient(value: unknown): Client | null {
  if (typeof value !== 'object' || value === null || !('name' in value) || !('redirects' in value)) return null
  const { name, redirects } = value
  if (typeof name !== 'string' || !Array.isArray(redirects)) return null
  return { name, redirects: redirects.filter(one => typeof one === 'string') }
}

/**
 * The client that registers with this metadata, or the error in it (RFC 7591 §2, §3.2.2).
 *
 * Absent on purpose: secrets and keys of clients, since any client may register and a secret would prove nothing;
 * logos and pages, since Sallyport cannot verify them.
 */
export function parseClient(raw: unknown): Client | 'invalid_redirect_uri' | 'invalid_client_metadata' {
  if (!isJsonObject(raw)) return 'invalid_client_metadata'
  const redirects: unknown = Reflect.get(raw, 'redirect_uris')
  if (!Array.isArray(redirects) || redirects.length === 0 || redirects.length > MOST_REDIRECTS) {
    return 'invalid_redirect_uri'
  }
  if (!redirects.every(isRedirect)) return 'invalid_redirect_uri'
  return { name: parseName(Reflect.get(raw, 'client_name')), redirects }
}

/** The client's own name, without characters that could be misread; empty where it gives none. */
function parseName(raw: unknown): string {
  if (typeof raw !== 'string') return ''
  return raw.replace(/\p{C}/gu, '').trim().slice(0, LONGEST_NAME)
}

/** Whether a browser may be sent to an address with a code: HTTPS, or a program on the person's own machine (RFC 8252 §7.3). */
function isRedirect(raw: unknown): raw is string {
  if (typeof raw !== 'string' || raw.length > LONGEST_REDIRECT || !/^[!-~]+$/.test(raw)) return false
  const address = URL.parse(raw)
  if (address === null || raw.includes('#') || address.username !== '' || address.password !== '') return false
  // As a browser will read it: what is registered is shown to people, and compared to the letter.
  if (address.href !== raw && `${address.origin}${address.search}` !== raw) return false
  return address.protocol === 'https:' || (address.protocol === 'http:' && isLoopback(address))
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || (isLoopbackHost(hostname) && !hostname.endsWith('.localhost'))
}

/**
 * Whether a client may be sent back to this address: one that it has registered, to the letter, but for the port of a program on the
 * person's own machine, which is another each time (RFC 8252 §7.3, RFC 9700 §2.1).
 */
export function mayReturnTo({ redirects }: Client, wanted: string): boolean {
  if (redirects.includes(wanted)) return true
  if (!isRedirect(wanted)) return false
  const address = new URL(wanted)
  return isLoopback(address) && address.protocol === 'http:' && redirects.some(one => isSameButPort(one, address))
}

function isSameButPort(registered: string, wanted: URL): boolean {
  const own = URL.parse(registered)
  if (own === null) return false
  const { protocol, hostname, pathname, search } = own
  return (
    protocol === wanted.protocol &&
    hostname === wanted.hostname &&
    pathname === wanted.pathname &&
    search === wanted.search
  )
}

function purposeOf({ portal }: PortalRequest): string {
  return `client of ${portal.name}`
}

interface RegisterTools extends FormTools {
  readonly ports: Pick<Ports, 'now'>
  noteStart(clientAddress: string): void
}

const MAX_BYTES = 16 * 1024

/**
 * Dynamic registration (RFC 7591 §3), open to all: what a client may do, a person decides each time. Nothing is kept of it.
 * Throws `limit.rate`, `target.stalled`.
 */
export async function register(ctx: PortalRequest, tools: RegisterTools): Promise<Response> {
  const { request } = ctx
  tools.noteStart(ctx.clientAddress)
  if (!/^application\/json *(?:;|$)/i.test(request.headers.get('content-type') ?? '')) {
    return openAnswer({ error: 'invalid_client_metadata' }, 400)
  }
  const client = parseClient(parseJson(await readBody(request, MAX_BYTES, tools.formWaitMs)))
  if (typeof client === 'string') return openAnswer({ error: client }, 400)
  const nowMs = tools.ports.now()
  return openAnswer(
    {
      client_id: await registerClient(ctx, tools.seal, client, nowMs),
      client_id_issued_at: Math.floor(nowMs / 1000),
      ...(client.name === '' ? {} : { client_name: client.name }),
      redirect_uris: client.redirects,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    201,
  )
}

function parseJson(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text)
  } catch {
    return null
  }
}

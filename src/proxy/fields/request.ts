/** Writes the fields of a request for its upstream, in one pass. */

import { FORWARDED_FOR } from '../../base/client-address.ts'
import { GateError } from '../../base/errors.ts'
import type { Target } from '../../route/target.ts'
import { type KeptCookies, stripOwnCookies } from '../../session/cookie.ts'
import type { Fields } from './identity.ts'
import type { FieldFate } from './names.ts'

/** The fields of a request as Bun's `Headers.toJSON` gives them: lower-case names, repeated fields joined. */
export type SentFields = Readonly<Record<string, string>>

/** What a request's fields are made from, apart from the request itself. */
export interface FieldContext {
  readonly target: Target
  readonly fateOf: (name: string) => FieldFate
  readonly identityFields: Fields
  /** The address of the connection's other end, and the client's as decided from it; null where that is not known. */
  readonly peer: string
  readonly client: string | null
  /** Whether the peer is a trusted proxy, whose `trusted_fields` go on. */
  readonly isPeerTrusted: boolean
  /**
   * The field with the client's address. If that is X-Forwarded-For, it is continued; otherwise X-Forwarded-For is
   * made here from the addresses of the client and the peer.
   */
  readonly clientField: string
  readonly scheme: 'http' | 'https'
  /** The port by which the client reaches this host. */
  readonly port: string
  /** What the path that the client knows begins with, and the upstream does not see; empty for nothing. */
  readonly prefix: string
  readonly requestId: string
  /** This process's own name in Via. */
  readonly pseudonym: string
  /** What is kept of the Cookie field of this browser; null: nothing is. */
  readonly cookies: KeptCookies | null
  /** The route checks methods: fields that override the method are dropped. */
  readonly checksMethod: boolean
}

/** A field name or a Connection option (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i

/**
 * Makes the fields that a client sent into those that go upstream: less hop-by-hop fields, forged identities and our own
 * cookies, plus ours.
 *
 * Shape: `headers` are changed in place, which costs less than writing a new list; `sent` has the same fields to read. Host is
 * as matched. Throws `target.header` when Connection names something that is not a token or Content-Length is repeated,
 * `upstream.loop` when the request passed here before.
 * Absent on purpose: Accept-Encoding stays, since bodies pass through undecoded.
 * Source: RFC 9110 §7.6.1 (Connection), §7.6.3 (Via), RFC 7239 (Forwarded).
 */
export function changeRequestFields(headers: Headers, sent: SentFields, context: FieldContext): void {
  const { target, fateOf, client } = context
  const { via, te, cookie, connection } = sent
  if (via?.includes(context.pseudonym) === true) {
    throw new GateError('upstream.loop', 'the request came back here', {
      hint: 'an upstream address in routes.toml leads back to Sallyport itself',
    })
  }
  // Bun takes a length that is said twice alike, and joins the two; fetch then fails as if the upstream had.
  if (sent['content-length']?.includes(',') === true) {
    throw new GateError('target.header', 'Content-Length is said more than once')
  }
  for (const name in sent) {
    const fate = fateOf(name)
    if (fate !== 'keep' && fate !== 'rewrite' && fate !== 'judged' && !passes(fate, context)) headers.delete(name)
  }
  if (cookie?.includes('sallyport') === true) {
    const rest = context.cookies === null ? stripOwnCookies(cookie) : context.cookies.withoutOwn(cookie)
    if (rest === null) headers.delete('cookie')
    else headers.set('cookie', rest)
  }
  if (connection !== undefined) dropConnectionOptions(headers, connection, fateOf)
  if (te !== undefined && /(?:^|[ ,\t])trailers(?:$|[ ,;\t])/i.test(te)) headers.set('te', 'trailers')
  // fetch would announce itself where the client did not.
  if (sent['user-agent'] === undefined) headers.set('user-agent', '')
  if (sent.host !== target.authority) headers.set('host', target.authority)
  headers.set('via', via === undefined ? `1.1 ${context.pseudonym}` : `${via}, 1.1 ${context.pseudonym}`)
  headers.set('x-forwarded-for', hopsOf(sent, context))
  if (client !== null) headers.set('x-real-ip', client)
  headers.set('x-forwarded-host', target.authority)
  headers.set('x-forwarded-proto', context.scheme)
  headers.set('x-forwarded-port', context.port)
  if (context.prefix !== '') headers.set('x-forwarded-prefix', context.prefix)
  headers.set('x-request-id', context.requestId)
  // RFC 7239 §6.2: the proxy's own address would be taken for its client's.
  const by = client === null ? 'unknown' : client.includes(':') ? `"[${client}]"` : client
  headers.set('forwarded', `for=${by};host="${target.authority}";proto=${context.scheme}`)
  for (const field of context.identityFields) headers.set(field[0], field[1])
}

/** The addresses on the way, of the client's first: what a proxy hands on in a field that it is not believed in may be a stranger's word. */
function hopsOf(sent: SentFields, { peer, client, isPeerTrusted, clientField }: FieldContext): string {
  if (!isPeerTrusted) return peer
  if (clientField !== FORWARDED_FOR) return client === null ? peer : `${client}, ${peer}`
  const before = sent[FORWARDED_FOR]
  return before === undefined ? peer : `${before}, ${peer}`
}

function passes(fate: FieldFate, { isPeerTrusted, checksMethod }: FieldContext): boolean {
  return (fate === 'trusted' && isPeerTrusted) || (fate === 'method-override' && !checksMethod)
}

/**
 * A client may not name a field in Connection that influenced the decision (RFC 9110 §7.6.1): the request would be another
 * one without it.
 */
function dropConnectionOptions(headers: Headers, connection: string, fateOf: FieldContext['fateOf']): void {
  const lower = connection.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return
  for (const part of lower.split(',')) {
    const option = part.trim()
    if (option === '') continue
    if (!TOKEN.test(option)) throw new GateError('target.header', 'Connection names something that is not a field name')
    if (option === 'host' || fateOf(option) === 'judged') continue
    if (option === 'user-agent') headers.set(option, '')
    else headers.delete(option)
  }
}

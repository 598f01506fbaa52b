import { GateError } from '../base/errors.ts'
import type { Target } from '../route/target.ts'
import { stripOwnCookies } from '../session/cookie.ts'
import type { FieldFate } from './field-names.ts'
import type { Fields } from './identity-fields.ts'

/** The fields of a request as Bun's `Headers.toJSON` gives them: lower-case names, repeated fields joined. */
export type SentFields = Readonly<Record<string, string>>

/** What a request's fields are made from besides the request itself. */
export interface FieldContext {
  readonly target: Target
  readonly fateOf: (name: string) => FieldFate
  readonly identityFields: Fields
  /** The address of the connection's other end, and the client's as decided from it. */
  readonly peer: string
  readonly client: string
  /** Whether the peer is a trusted proxy, whose X-Forwarded-For is continued. */
  readonly isPeerTrusted: boolean
  readonly scheme: 'http' | 'https'
  readonly requestId: string
  /** This process's own name in Via. */
  readonly pseudonym: string
  /** The route checks methods: fields that override the method are dropped. */
  readonly checksMethod: boolean
}

/** A field name or a Connection option (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i

/**
 * The fields that go upstream: what the client sent, less hop-by-hop fields, forged identities and our own cookies, plus
 * ours.
 *
 * Shape: the sent fields in (untouched), a new record out; names lower-case, Host as matched.
 * Throws `target.header` when Connection names something that is not a token or Content-Length is repeated, `upstream.loop` when the request passed here before.
 * Absent on purpose: Accept-Encoding stays, since bodies pass through undecoded.
 * Source: RFC 9110 §7.6.1 (Connection), §7.6.3 (Via), RFC 7239 (Forwarded).
 */
export function requestFields(sent: SentFields, context: FieldContext): Record<string, string> {
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
  // fetch would announce itself where the client did not.
  const fields: Record<string, string> = { host: target.authority, 'user-agent': '' }
  for (const name in sent) {
    const fate = fateOf(name)
    if (fate === 'keep' || (fate === 'method-override' && !context.checksMethod)) fields[name] = sent[name] ?? ''
  }
  if (connection !== undefined) dropConnectionOptions(fields, connection)
  if (cookie !== undefined) {
    const rest = cookie.includes('sallyport') ? stripOwnCookies(cookie) : cookie
    if (rest !== null) fields.cookie = rest
  }
  if (te !== undefined && /(?:^|[ ,\t])trailers(?:$|[ ,;\t])/i.test(te)) fields.te = 'trailers'
  const forwardedFor = context.isPeerTrusted ? sent['x-forwarded-for'] : undefined
  fields.via = via === undefined ? `1.1 ${context.pseudonym}` : `${via}, 1.1 ${context.pseudonym}`
  fields['x-forwarded-for'] = forwardedFor === undefined ? context.peer : `${forwardedFor}, ${context.peer}`
  fields['x-forwarded-host'] = target.authority
  fields['x-forwarded-proto'] = context.scheme
  fields['x-request-id'] = context.requestId
  fields.forwarded = `for=${client.includes(':') ? `"[${client}]"` : client};host="${target.authority}";proto=${context.scheme}`
  for (const [name, value] of context.identityFields) fields[name] = value
  return fields
}

/** The fields without those by which some backends act on another method than the request's own. */
export function withoutOverrides(sent: SentFields, fateOf: FieldContext['fateOf']): SentFields {
  return Object.fromEntries(Object.entries(sent).filter(([name]) => fateOf(name) !== 'method-override'))
}

function dropConnectionOptions(fields: Record<string, string>, connection: string): void {
  const lower = connection.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return
  for (const part of lower.split(',')) {
    const option = part.trim()
    if (option === '') continue
    if (!TOKEN.test(option)) throw new GateError('target.header', 'Connection names something that is not a field name')
    if (option === 'user-agent') fields[option] = ''
    else if (option !== 'host') delete fields[option]
  }
}

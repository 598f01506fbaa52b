import { GateError } from '../base/errors.ts'
import type { Target } from '../route/target.ts'
import { stripOwnCookies } from '../session/cookie.ts'
import type { FieldFate } from './field-names.ts'
import type { Fields } from './identity-fields.ts'

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
 * Shape: Headers in (untouched), a new record out; names lower-case, Host as matched.
 * Throws `target.header` when Connection names something that is not a token, `upstream.loop` when the request passed here before.
 * Absent on purpose: Accept-Encoding stays, since bodies pass through undecoded.
 * Source: RFC 9110 §7.6.1 (Connection), §7.6.3 (Via), RFC 7239 (Forwarded).
 */
export function requestFields(headers: Headers, context: FieldContext): Record<string, string> {
  const { target, fateOf, client } = context
  const fields = headers.toJSON() as Record<string, string>
  const connection = fields.connection
  const via = fields.via
  const forwardedFor = fields['x-forwarded-for']
  const te = fields.te
  if (connection !== undefined) dropConnectionOptions(fields, connection)
  if (via?.includes(context.pseudonym) === true) {
    throw new GateError('upstream.loop', 'the request came back here', {
      hint: 'an upstream address in routes.toml leads back to Sallyport itself',
    })
  }
  for (const name in fields) {
    const fate = fateOf(name)
    if (fate === 'drop' || (fate === 'method-override' && context.checksMethod)) delete fields[name]
  }
  const cookie = fields.cookie
  if (cookie?.includes('sallyport') === true) {
    const rest = stripOwnCookies(cookie)
    if (rest === null) delete fields.cookie
    else fields.cookie = rest
  }
  // fetch would announce itself where the client did not.
  fields['user-agent'] ??= ''
  if (te !== undefined && /(?:^|[ ,\t])trailers(?:$|[ ,;\t])/i.test(te)) fields.te = 'trailers'
  fields.host = target.authority
  fields.via = via === undefined ? `1.1 ${context.pseudonym}` : `${via}, 1.1 ${context.pseudonym}`
  fields['x-forwarded-for'] =
    context.isPeerTrusted && forwardedFor !== undefined ? `${forwardedFor}, ${context.peer}` : context.peer
  fields['x-forwarded-host'] = target.authority
  fields['x-forwarded-proto'] = context.scheme
  fields['x-real-ip'] = client
  fields['x-request-id'] = context.requestId
  fields.forwarded = `for=${client.includes(':') ? `"[${client}]"` : client};host="${target.authority}";proto=${context.scheme}`
  for (const [name, value] of context.identityFields) fields[name] = value
  return fields
}

function dropConnectionOptions(fields: Record<string, string>, connection: string): void {
  const lower = connection.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return
  for (const part of lower.split(',')) {
    const option = part.trim()
    if (option === '') continue
    if (!TOKEN.test(option)) throw new GateError('target.header', 'Connection names something that is not a field name')
    delete fields[option]
  }
}

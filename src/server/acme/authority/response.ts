/** Answers of an authority, and its refusals (problem documents, RFC 8555 §6.7). */

import { GateError } from '../../../base/errors.ts'
import { hintForProxy, ProxyError } from '../../../base/outgoing.ts'

/** What an authority answered, read to its end. */
export interface AuthorityResponse {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export type JsonObject = Record<string, unknown>

/** The object in an answer. Throws `acme.unreachable` for anything else. */
export function parseObject(address: string, { text, status }: AuthorityResponse): JsonObject {
  try {
    return toObject(JSON.parse(text))
  } catch {
    throw unreachable(address, `answers ${status} and no JSON`)
  }
}

/**
 * A copy of what is an object; the elements of a list by their numbers. Throws `acme.unreachable` for anything else.
 */
export function toObject(raw: unknown): JsonObject {
  if (typeof raw !== 'object' || raw === null) throw new GateError('acme.unreachable', 'the authority answers oddly')
  return { ...raw }
}

/** A member that has to be there as text. Throws `acme.unreachable` where it is not. */
export function textIn(raw: JsonObject, name: string): string {
  const value = raw[name]
  if (typeof value === 'string') return value
  throw new GateError('acme.unreachable', `the authority does not say its ${name}`)
}

/** A member as a list; empty where it is none. */
export function listIn(raw: JsonObject, name: string): readonly unknown[] {
  const value = raw[name]
  return Array.isArray(value) ? value : []
}

/** What an authority says of a failure, its type without the prefix that all have. */
export interface Problem {
  readonly type: string
  readonly detail: string
}

/** RFC 8555 §6.7: a problem document, or no more than a status. */
export function refusal(address: string, { status, headers, text }: AuthorityResponse): GateError {
  let problem: Problem
  try {
    problem = problemOf(toObject(JSON.parse(text)))
  } catch {
    problem = { type: 'unknown', detail: `status ${status}` }
  }
  return refused(address, problem, retryAfterMs(headers))
}

function problemOf(raw: JsonObject): Problem {
  const type = String(raw.type ?? 'unknown').replace('urn:ietf:params:acme:error:', '')
  return { type: type.slice(0, 100), detail: String(raw.detail ?? '').slice(0, 500) }
}

/** Why an authorization or an order failed: of the order itself, or of the challenge that did. */
export function errorIn(found: JsonObject): Problem {
  const failed = [found, ...listIn(found, 'challenges').map(toObject)].find(
    one => typeof one.error === 'object' && one.error !== null,
  )
  return failed === undefined ? { type: 'unknown', detail: 'no reason is given' } : problemOf(toObject(failed.error))
}

/** `acme.refused`, in the authority’s own words with what helps; `waitMs`: not before then again. */
export function refused(address: string, { type, detail }: Problem, waitMs: number | null = null): GateError {
  return new GateError('acme.refused', `the authority says: ${detail} (${type})`, {
    hint: HINTS.get(type) ?? 'it is tried again, ever more slowly',
    facts: { address, type },
    ...(waitMs === null ? {} : { retryAfterS: Math.ceil(waitMs / 1000) }),
  })
}

const REACH =
  'without [tls.acme.dns], the name and its port 80 have to lead to [server] listen; with it, the DNS record has to be public'

const HINTS: ReadonlyMap<string, string> = new Map([
  ['connection', REACH],
  ['dns', REACH],
  ['unauthorized', REACH],
  ['incorrectResponse', REACH],
  ['caa', "the name's CAA record in DNS does not allow this authority"],
  ['rejectedIdentifier', 'this authority gives no certificate for such a name'],
  ['rateLimited', 'it is tried again when the authority allows; its staging directory has higher limits'],
  [
    'externalAccountRequired',
    'name your account there in external_account of [tls.acme]; the authority gives id and key',
  ],
])

/** `acme.unreachable`: the address, and what is wrong with its answer as the end of the sentence. */
export function unreachable(address: string, what: string, cause?: unknown): GateError {
  const proxyHint = cause instanceof ProxyError ? hintForProxy(cause) : null
  const way = cause instanceof ProxyError ? ` through the proxy ${cause.proxy}` : ''
  return new GateError('acme.unreachable', `${address} ${what}${way}`, {
    hint:
      proxyHint ?? 'check directory in [tls.acme], and that this machine reaches it; ca names an authority of your own',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Authorities set their limits by the week: one that says more, by mistake, does not keep names without certificates. */
const LONGEST_RETRY_MS = 8 * 24 * 60 * 60 * 1000

/** RFC 9110 §10.2.3: seconds, or a date. Eight days at most. */
export function retryAfterMs(headers: Headers): number | null {
  const text = headers.get('retry-after')
  if (text === null) return null
  if (/^\d{1,7}$/.test(text)) return Math.min(Number(text) * 1000, LONGEST_RETRY_MS)
  const atMs = Date.parse(text)
  const sentMs = Date.parse(headers.get('date') ?? '')
  if (Number.isNaN(atMs) || Number.isNaN(sentMs)) return null
  return Math.min(Math.max(0, atMs - sentMs), LONGEST_RETRY_MS)
}

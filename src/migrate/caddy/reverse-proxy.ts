/** `reverse_proxy` of Caddy as the upstream of a route. */

import type { Json } from '../../config/text/raw.ts'
import type { Entry } from '../draft.ts'
import { replaceParameters, STAND_IN_HOST } from '../variables-to-set.ts'
import { type Context, isDynamic, spell } from './context.ts'
import {
  type FieldChanges,
  fieldLines,
  type HeaderChanges,
  isGuarding,
  readFields,
  readHeaderUp,
  UNCHANGED,
  type UpFields,
} from './fields.ts'
import { isTable, type Table, tableOf, tablesOf, textOf, valueAt } from './json.ts'

/** The backend, as entries of a route; `headers` are the identity fields that its directive sets. */
export interface RouteAnswer {
  readonly entries: readonly Entry[]
  readonly headers: Readonly<Record<string, string>>
  readonly requestHeaders: HeaderChanges
  /** What `header_down` changes. */
  readonly fields: FieldChanges
  /** Expressions of paths that no client gets. */
  readonly hidden: readonly string[]
  /** Whether it keeps everyone out. */
  readonly isRefusal: boolean
}

const BALANCE: Readonly<Record<string, string>> = {
  round_robin: 'round-robin',
  least_conn: 'least-connections',
  ip_hash: 'hash',
  client_ip_hash: 'hash',
}

/** Keys of a `reverse_proxy` about how it asks an application, and not about what passes. */
const ASKING = [
  'dynamic_upstreams',
  'flush_interval',
  'handler',
  'headers',
  'health_checks',
  'load_balancing',
  'request_buffers',
  'response_buffers',
  'stream_buffer_size',
  'stream_close_delay',
  'stream_timeout',
  'transport',
  'trusted_proxies',
  'upstreams',
  'verbose_logs',
]

/** Keys of a transport that set only timeouts, speed and versions of HTTP. */
const QUICK = ['protocol', 'tls', 'versions']

/** A `reverse_proxy`, which is an application; null where it does more than to ask one. */
export function readReverseProxy(context: Context, handler: Table, where: string): RouteAnswer | null {
  const said = (outcome: 'decide' | 'left' | 'changed' | 'kept', what: string, say: string) =>
    context.notes.add(outcome, what === '' ? where : `${what} in ${where}`, null, say)
  const transport = tableOf(handler.transport)
  const up = fieldLines(valueAt(handler, 'headers', 'request'))
  const other =
    Object.keys(handler).find(key => !ASKING.includes(key)) ??
    (handler.transport !== undefined && transport.protocol !== 'http' ? 'transport' : undefined) ??
    up.find(isGuarding)?.[0]
  if (other !== undefined) {
    const say =
      'this application stays closed, because this option is not carried over and may guard something: write it into the route by hand'
    context.notes.add('closed', `${other} in ${where}`, null, say)
    return null
  }
  const extra: Record<string, Json> = {}
  const none: UpFields = { ...UNCHANGED, headers: {}, entries: [] }
  const { headers, entries, ...requestHeaders } = up.reduce((to, line) => readHeaderUp(context, line, where, to), none)
  const fields = readFields(context, where, valueAt(handler, 'headers', 'response'))
  const tls = isTable(transport.tls) ? transport.tls : null
  if (tls?.insecure_skip_verify === true) {
    extra.tls = { insecure_skip_verify: true }
    const say = 'name the CA, tls = { ca = "FILE" }, in place of tls = { insecure_skip_verify = true }'
    said('decide', 'insecure_skip_verify', say)
  }
  const isH2c = Array.isArray(transport.versions) && transport.versions.includes('h2c')
  if (isH2c) said('decide', 'h2c', OF_H2C)
  const unread = [
    ...Object.keys(transport).filter(key => !QUICK.includes(key)),
    ...Object.keys(tls ?? {}).filter(key => key !== 'insecure_skip_verify'),
  ]
  for (const key of unread)
    said('left', key, 'write it as one of the keys of [upstreams.NAME] or [upstreams.NAME.tls] (sallyport help keys)')
  const policy = textOf(valueAt(handler, 'load_balancing', 'selection_policy', 'policy')) ?? ''
  const balance = Object.hasOwn(BALANCE, policy) ? BALANCE[policy] : undefined
  if (balance !== undefined) extra.balance = balance
  else if (handler.load_balancing !== undefined && policy !== 'first') said('left', 'load_balancing', OF_UPSTREAM)
  const health = textOf(valueAt(handler, 'health_checks', 'active', 'uri'))
  if (health !== null) {
    const meaning = (name: string) => `the parameter ${name} of health_uri in ${where}`
    const blank = (name: string) => context.blanks.add(`HEALTH_${name}`, meaning(name), 'fill-in')
    extra.health = { path: replaceParameters(spell(context, health), blank) }
  }
  if (health === null && handler.health_checks !== undefined) said('left', 'health_checks', OF_UPSTREAM)
  if (handler.flush_interval !== undefined)
    said('kept', 'flush_interval', 'nothing to write: every answer is streamed as it comes')
  if (handler.trusted_proxies !== undefined)
    said('decide', 'trusted_proxies', 'write trusted_proxies into [server]: there it is for everything')
  said('kept', '', 'upstream of a route')
  const dials = tablesOf(handler.upstreams).map(({ dial }) => textOf(dial))
  // An upstream address that a request fills in is not supported here.
  const all = dials.filter((dial): dial is string => dial !== null && !isDynamic(dial))
  const known = policy === 'first' ? all.slice(0, 1) : all
  if (known.length < all.length)
    said('changed', 'load_balancing', `${all[0]} alone: the others were there for when it fails`)
  const to = known.map(dial => upstreamAddress(context, dial, tls !== null))
  const upstream: Json =
    to.length === 0 || all.length < dials.length
      ? context.blanks.add('UPSTREAM', `the application of ${where}`, `http://${STAND_IN_HOST}`)
      : to.length === 1
        ? (to[0] ?? '')
        : to
  return {
    entries: [
      { key: 'upstream', value: Object.keys(extra).length === 0 ? upstream : { to: upstream, ...extra } },
      ...entries,
    ],
    headers,
    requestHeaders,
    fields,
    hidden: [],
    isRefusal: false,
  }
}

const OF_H2C =
  'it is asked by HTTP/1.1 here: see that it answers; where it is called by gRPC, which does not pass, leave it to a proxy that asks here (sallyport help behind-a-proxy)'
const OF_UPSTREAM = 'write it as one of the keys of [upstreams.NAME] (sallyport help keys)'

/** `app:3000`, `:3000` and `unix//run/app.sock`. */
function upstreamAddress(context: Context, dial: string, isTls: boolean): string {
  if (dial.startsWith('unix/')) return `unix:${dial.slice('unix/'.length)}`
  const spelt = spell(context, dial)
  return `${isTls ? 'https' : 'http'}://${spelt.startsWith(':') ? `127.0.0.1${spelt}` : spelt}`
}

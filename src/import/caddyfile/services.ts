import type { Json } from '../../config/text/raw.ts'
import { STAND_IN_HOST } from '../blanks.ts'
import type { Entry } from '../draft.ts'
import { type Context, spell } from './context.ts'
import { type FieldChanges, joinChanges, NO_CHANGES, readFields } from './fields.ts'
import { isGuarding, readHeaderUp } from './header-up.ts'
import type { Directive } from './parse.ts'

/** What answers, as entries of a route; `headers` is what its directive itself says of who is there. */
export interface Answer {
  readonly entries: readonly Entry[]
  readonly headers: Readonly<Record<string, string>>
  readonly requestHeaders: HeaderChanges
  /** What `header_down` changes. */
  readonly fields: FieldChanges
  /** Whether it keeps everyone out. */
  readonly isRefusal: boolean
}

/** Fields of a request that are written, and those that are taken out. */
export interface HeaderChanges {
  readonly set: Readonly<Record<string, string>>
  /** Values beside those that are there. */
  readonly append: Readonly<Record<string, string>>
  readonly remove: readonly string[]
}

/** What a request has where nothing is said of its fields. */
export const UNCHANGED: HeaderChanges = { set: {}, append: {}, remove: [] }

const BALANCE: Readonly<Record<string, string>> = {
  round_robin: 'round-robin',
  least_conn: 'least-connections',
  ip_hash: 'hash',
  client_ip_hash: 'hash',
}

/** Lines of a `reverse_proxy` about how it asks an application, and not about what passes. */
const ASKING =
  /^(?:to|dynamic|lb_.*|health_.*|fail_duration|max_fails|unhealthy_.*|flush_interval|(?:request|response)_buffers|stream_.*|trusted_proxies|header_up|header_down|transport|verbose_logs)$/

/** `reverse_proxy TO… { … }`, its matcher taken off; null where it does more than to ask an application. */
export function readReverseProxy(context: Context, { args, line, block }: Directive): Answer | null {
  const other = (block ?? []).find(
    ({ name, args: words }) =>
      !ASKING.test(name) ||
      (name === 'transport' && words[0] !== 'http') ||
      (name === 'header_up' && isGuarding(words)),
  )
  if (other !== undefined) {
    const shown = `reverse_proxy ${other.name}`
    context.notes.add(
      'closed',
      shown,
      other.line,
      'nobody gets this application, as it may guard something and is not carried over: write it into the route by hand',
    )
    return null
  }
  const said = (outcome: 'decide' | 'left' | 'changed' | 'kept', option: string, at: number, say: string) =>
    context.notes.add(outcome, option, at, say)
  const lines = block ?? []
  const transport = lines.find(({ name }) => name === 'transport')?.block ?? []
  const isTls = transport.some(({ name }) => name.startsWith('tls'))
  const addresses = [...args, ...lines.filter(({ name }) => name === 'to').flatMap(({ args: more }) => more)]
  const to = addresses.map(address => upstreamAddress(context, address, isTls))
  if (addresses.some(address => address.startsWith('h2c://'))) {
    said(
      'decide',
      'h2c://',
      line,
      'it is asked by HTTP/1.1 here: see that it answers; where it is called by gRPC, which does not pass, leave it to a proxy that asks here (sallyport help behind-a-proxy)',
    )
  }
  const extra: Record<string, Json> = {}
  const entries: Entry[] = []
  const headers: Record<string, string> = {}
  const set: Record<string, string> = {}
  const append: Record<string, string> = {}
  let fields = NO_CHANGES
  const removed: string[] = []
  for (const { name, args: words, line: at } of lines) {
    const [first = '', ...rest] = words
    if (name === 'to') continue
    if (name === 'lb_policy' && BALANCE[first] !== undefined) extra.balance = BALANCE[first]
    else if (name === 'health_uri') extra.health = { path: spell(context, first) }
    else if (name === 'header_up') readHeaderUp(context, first, rest, at, { headers, set, append, removed, entries })
    else if (name === 'header_down')
      fields = joinChanges(fields, readFields(context, { name, args: words, line: at, block: null }))
    else if (name === 'transport') {
      const isTrusting = transport.some(one => one.name === 'tls_insecure_skip_verify')
      if (isTrusting) extra.tls = { insecure_skip_verify: true }
      const other = transport.filter(one => one.name !== 'tls' && one.name !== 'tls_insecure_skip_verify')
      if (isTrusting)
        said(
          'decide',
          'tls_insecure_skip_verify',
          at,
          'name the CA, tls = { ca = "FILE" }, in place of tls = { insecure_skip_verify = true }',
        )
      for (const one of other)
        said(
          'left',
          `transport ${one.name}`,
          one.line,
          'write it as one of the keys of [upstreams.NAME] or [upstreams.NAME.tls] (sallyport help keys)',
        )
      continue
    } else if (name === 'flush_interval')
      said('kept', name, at, 'nothing to write: every answer is streamed as it comes')
    else if (name === 'trusted_proxies')
      said('decide', name, at, 'write trusted_proxies into [server]: there it is for everything')
    else {
      said('left', name, at, 'write it as one of the keys of [upstreams.NAME] (sallyport help keys)')
      continue
    }
    if (name === 'lb_policy' || name === 'health_uri') said('kept', name, at, 'in the upstream')
  }
  said('kept', 'reverse_proxy', line, 'upstream of a route')
  const upstream: Json =
    to.length === 0
      ? context.blanks.add('UPSTREAM', `the application of reverse_proxy in line ${line}`, `http://${STAND_IN_HOST}`)
      : to.length === 1
        ? (to[0] ?? '')
        : to
  return {
    entries: [
      { key: 'upstream', value: Object.keys(extra).length === 0 ? upstream : { to: upstream, ...extra } },
      ...entries,
    ],
    headers,
    requestHeaders: { set, append, remove: removed },
    fields,
    isRefusal: false,
  }
}

/** `app:3000`, `:3000`, `https://app` and `unix//run/app.sock`. */
function upstreamAddress(context: Context, address: string, isTls: boolean): string {
  if (address.startsWith('unix/')) return `unix:${address.slice('unix/'.length)}`
  const spelt = spell(context, address.replace(/^h2c:\/\//, 'http://'))
  if (/^[a-z0-9]+:\/\//i.test(spelt)) return spelt
  const place = spelt.startsWith(':') ? `127.0.0.1${spelt}` : spelt
  return `${isTls || /:443$/.test(place) ? 'https' : 'http'}://${place}`
}

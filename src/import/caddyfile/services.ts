import { dirname, resolve } from 'node:path'
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

const UNCHANGED: HeaderChanges = { set: {}, append: {}, remove: [] }

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

/** `respond [BODY] [STATUS]`; null for what cannot be said. */
export function readRespond(context: Context, { args, line, block }: Directive): Answer | null {
  const [first = '', second] = args
  const isStatus = second === undefined && /^[2-5]\d\d$/.test(first)
  const body = isStatus ? '' : first
  const status = Number(isStatus ? first : (second ?? 200))
  // A variable that stands alone may be a status.
  const isUnclear = second === undefined && first.startsWith('{$')
  // Braces around anything but a name are braces.
  const isFilled = /\{(?!\$)[\w.|:-]+\}/.test(body)
  if (block !== null || isUnclear || !(status >= 200 && status < 600) || isFilled) {
    context.notes.add('decide', 'respond', line, 'write it as respond = { status = …, body = "…" }')
    return null
  }
  context.notes.add('kept', 'respond', line, 'respond of a route')
  return {
    entries: [{ key: 'respond', value: { status, ...(body === '' ? {} : { body: spell(context, body) }) } }],
    headers: {},
    requestHeaders: UNCHANGED,
    fields: NO_CHANGES,
    isRefusal: status >= 400,
  }
}

const REDIRECTS: Readonly<Record<string, number>> = {
  permanent: 301,
  temporary: 302,
  '301': 301,
  '302': 302,
  '303': 303,
  '307': 307,
  '308': 308,
}

/** `redir TO [CODE]`; null for what cannot be said. */
export function readRedir(context: Context, { args, line }: Directive): Answer | null {
  const [to = '', code = '302'] = args
  const spelt = spell(context, to).replaceAll('{uri}', '{path}{query}')
  const status = REDIRECTS[code]
  if (status === undefined || /(?<!\$)\{(?!(?:host|path|query)\})/.test(spelt)) {
    context.notes.add('decide', 'redir', line, 'write it as redirect = "…", with {host}, {path} and {query}')
    return null
  }
  context.notes.add('kept', 'redir', line, 'redirect of a route')
  return {
    entries: [
      { key: 'redirect', value: spelt },
      { key: 'status', value: status === 302 ? null : status },
    ],
    headers: {},
    requestHeaders: UNCHANGED,
    fields: NO_CHANGES,
    isRefusal: false,
  }
}

/** What directives before a `file_server` say of it. */
interface FilesInForce {
  readonly root: string | null
  /** The file of `try_files`; null for none. */
  readonly page: string | null
}

/** Lines of a `file_server` that hide nothing. */
const FILES = ['root', 'browse', 'index', 'precompressed', 'etag_file_extensions', 'disable_canonical_uris']

/** `file_server`, with the `root` and `try_files` that are in force; null without a root. */
export function readFileServer(
  context: Context,
  { args, line, block }: Directive,
  { root: inForce, page }: FilesInForce,
): Answer | null {
  const lines = block ?? []
  const other = lines.find(({ name }) => !FILES.includes(name))
  if (other !== undefined) {
    context.notes.add(
      'closed',
      `file_server ${other.name}`,
      other.line,
      'nobody gets this folder, as one is served as a whole: put what may be seen into a folder of its own',
    )
    return null
  }
  const unread = args.find(word => word !== 'browse')
  if (unread !== undefined) {
    const say = `nobody gets this folder: write files = "…", as what ${unread} stands for cannot be told`
    context.notes.add('closed', 'file_server', line, say)
    return null
  }
  const root = lines.find(({ name }) => name === 'root')?.args[0] ?? inForce
  if (root === null) {
    context.notes.add('decide', 'file_server', line, 'write files = "…": no root directive here says which folder')
    return null
  }
  // Caddy serves none of its own files.
  const place = resolve(dirname(context.oldFiles[0] ?? '/'), root)
  const isOver = context.oldFiles.some(path => `${path}/`.startsWith(place === '/' ? '/' : `${place}/`))
  if (isOver) {
    const say = 'the Caddyfile is in this folder, and was hidden: nobody gets the folder; serve one without it'
    context.notes.add('closed', 'file_server', line, say)
    return null
  }
  const folder = spell(context, root, '/')
  const isBrowsed = args.includes('browse')
  context.notes.add(
    isBrowsed ? 'changed' : 'kept',
    'file_server',
    line,
    'files of a route: for GET and HEAD alone, with ranges and index.html, without listings',
  )
  return {
    entries: [{ key: 'files', value: page === null ? folder : { folder, try_files: page } }],
    headers: {},
    requestHeaders: UNCHANGED,
    fields: NO_CHANGES,
    isRefusal: false,
  }
}

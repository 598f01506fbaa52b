/** What each of Caddy's handlers does to a request, as far as a route of Sallyport can do it. */

import type { Context } from './context.ts'
import { fieldLines, joinChanges, readFields, readHeaderUp } from './fields.ts'
import { listOf, type Table, tableOf, tablesOf, textOf, unknownKey, valueAt } from './json.ts'
import { aroundOf, close, type End, type Followed, holds, type Way } from './outcomes.ts'
import { bypassTest, joinTests, quote } from './patterns.ts'
import { type RouteAnswer, readReverseProxy } from './reverse-proxy.ts'
import { boundaryOf, isBelow } from './route-place.ts'
import { ALWAYS, anyOf, type Test } from './rules.ts'
import { readFileServer, readStaticResponse } from './static-answers.ts'
import { withMap, withVars } from './variables.ts'

/** What handlers are read with. */
export interface HandlerTools {
  readonly context: Context
  /** The paths that policies let by, by the policy's name. */
  readonly bypassed: ReadonlyMap<string, readonly Test[]>
  /** What answers, by its handler: each is read once. */
  readonly answers: Map<unknown, RouteAnswer | null>
}

/** A handler: the end of a request that meets it, or null where that goes on. `at` says for the report which hosts and paths it is for. */
type Step = (tools: HandlerTools, handler: Table, request: Followed, where: string, at: string) => End | null

/** Handlers that guard nothing: without them no user sees more. */
export const HARMLESS: Readonly<Record<string, string>> = {
  encode: 'answers keep the coding that the application gives them; files go out compressed by themselves',
  log_append: 'one log for all, JSON on standard output',
  map: 'what its names stand for is written where they are asked for',
  push: 'nothing is pushed',
  request_body: 'write max_body = "…" in the routes',
  trace: 'nothing to write',
  tracing: 'for the whole gate: write [telemetry], with the address of a receiver of OTLP over HTTP',
}

const PASSWORDS =
  'write its names and hashes (bcrypt) as NAME:HASH lines into a file, name it as htpasswd in a separate portal without providers, and set that portal, passwords = true and allow = [{ provider = "htpasswd" }] in the route; a host has one portal'

/** What to write in place of a handler that closes the places it is for. */
export const INSTEAD: Readonly<Record<string, string>> = {
  acme_server: 'let a separate Caddy make certificates for others',
  authentication: 'leave one of its providers, the authorizer of caddy-security: no other is carried over',
  forward_auth: 'write who may into allow: a route asks no other program',
  headers: 'write request_headers = { set = { … }, remove = [ … ] } in the route',
  http_basic: PASSWORDS,
  intercept: 'let the application answer so: no route replaces answers',
  metrics: 'write admin = "127.0.0.1:9464" into [server]: Sallyport’s metrics are there',
  rewrite: 'write strip_prefix or add_prefix into the route',
  templates: 'have an application render them: files are served as they are',
}

/** Closes a way for good, says what did it, and lets it go on. */
export function closing({ notes }: Context, where: string, instead: string, way: Way): null {
  const say =
    INSTEAD[instead] ??
    'not known here, so it may guard something; write what it did into the routes, or remove it and import again'
  notes.add('closed', where, null, `its routes stay closed: ${say}`)
  close(way, where)
  return null
}

function keep({ notes }: Context, where: string, say: string): void {
  notes.add('kept', where, null, say)
}

/** The handlers that are followed, beside those that lead to other routes. Any other closes what comes after it, but for those that are harmless. */
export const STEPS: Readonly<Record<string, Step>> = {
  authenticator: ({ context }, _, __, where) => {
    keep(context, where, PLACED)
    return { kind: 'portal' }
  },
  authentication: authenticate,
  error: ({ context }, _, __, where) => refuse(context, where),
  static_response: (tools, handler, { way }, where) =>
    handler.abort === true ? refuse(tools.context, where) : answer(tools, handler, way, where),
  file_server: (tools, handler, { way }, where) => answer(tools, handler, way, where),
  reverse_proxy: (tools, handler, { way }, where, at) => {
    // Requests that it allows continue.
    if (isVerifier(handler)) return closing(tools.context, `forward_auth at ${at}`, 'forward_auth', way)
    if (way.tried !== null) close(way, way.tried)
    return answer(tools, handler, way, where)
  },
  metrics: answersForAll,
  acme_server: answersForAll,
  map: ({ context }, handler, { way }, where) => {
    context.notes.add('left', where, null, HARMLESS.map ?? '')
    way.names = withMap(way.names, handler)
    return null
  },
  vars: ({ context }, handler, { way }, where) => {
    const { root, fs = 'default' } = handler
    // Files are those of a disk.
    if (fs !== 'default') return closing(context, `fs in ${where}`, 'vars', way)
    way.names = withVars(way.names, handler, ALWAYS)
    if (root !== undefined) way.root = textOf(root)
    return null
  },
  headers: ({ context }, handler, { way }, where) => changeFields(context, handler, way, where),
  rewrite: ({ context }, handler, request, where) => rewrite(context, handler, request, where),
}

function refuse(context: Context, where: string): End {
  keep(context, where, 'no user passes allow, and nothing else answers there')
  return { kind: 'refused', isKept: true, what: where }
}

function answersForAll({ context }: HandlerTools, { handler }: Table, { way }: Followed, where: string): End {
  closing(context, where, String(handler), way)
  return nothing(way)
}

function answerOf({ context, answers }: HandlerTools, handler: Table, where: string, way: Way): RouteAnswer | null {
  if (handler.handler === 'file_server') return readFileServer(context, handler, where, way)
  const known = answers.get(handler)
  if (known !== undefined) return known
  const read = handler.handler === 'reverse_proxy' ? readReverseProxy : readStaticResponse
  const made = read(context, handler, where)
  answers.set(handler, made)
  return made
}

function answer(tools: HandlerTools, handler: Table, way: Way, where: string): End {
  const own = answerOf(tools, handler, where, way)
  const made = own === null ? null : withFirst(tools.context, own, way)
  if (made === null) return { kind: 'refused', isKept: false, what: where }
  return { kind: 'answer', answer: made, name: String(handler.handler), where }
}

/** An application with the files before it; any other answer has no files before it. */
function withFirst({ notes }: Context, own: RouteAnswer, way: Way): RouteAnswer | null {
  if (way.first === null) return own
  const { answer: files, where, around } = way.first
  if (!own.entries.some(({ key }) => key === 'upstream')) {
    notes.add('changed', where, null, 'served where an application, or nothing else, answers otherwise')
    return own
  }
  if (around === aroundOf(way)) return { ...own, entries: [...own.entries, ...files.entries], hidden: files.hidden }
  const say = 'what comes after it is guarded in another way: give the files a path of their own'
  notes.add('closed', where, null, `its routes stay closed: ${say}`)
  return null
}

/** An authorizer lets by whomever its policy does; anything else that may keep people out closes what comes after it. */
function authenticate({ context, bypassed }: HandlerTools, handler: Table, request: Followed, where: string): null {
  const { way } = request
  const [[name, provider] = ['', {}], ...others] = Object.entries(tableOf(handler.providers))
  if (name === 'http_basic' && others.length === 0) return closing(context, `basic_auth (${where})`, name, way)
  const policy = name === 'authorizer' ? textOf(valueAt(provider, 'gatekeeper_name')) : null
  const isPlain =
    others.length === 0 &&
    [undefined, '*'].includes(textOf(valueAt(provider, 'route_matcher')) ?? undefined) &&
    unknownKey(tableOf(provider), ['gatekeeper_name', 'route_matcher']) === null &&
    unknownKey(handler, ['handler', 'providers']) === null
  if (policy === null || !isPlain) return closing(context, where, 'authentication', way)
  if (way.hidden !== null) {
    const say = 'it changes the request before this rule sees it: its routes stay closed'
    context.notes.add('closed', way.hidden, null, say)
    close(way, way.hidden)
    return null
  }
  keep(context, where, 'portal, allow and headers of the routes')
  const isLetBy = (test: Test) =>
    holds(test, request, () => {
      context.notes.add('decide', where, null, 'its bypass holds for nothing here: the path is another one by then')
      return false
    })
  if (bypassed.get(policy)?.some(isLetBy) === true) return null
  const isMoved = way.isRewritten || way.replaced !== null || way.stripPrefix !== null || way.addPrefix !== null
  way.guards = [...way.guards, { policy, where, isMoved }]
  return null
}

/** `headers`: what a route can change too. */
export function changeFields(context: Context, handler: Table, way: Way, where: string): null {
  const odd = unknownKey(handler, ['handler', 'request', 'response'])
  if (odd !== null) return closing(context, `${odd} in ${where}`, 'headers', way)
  if (handler.response !== undefined) way.fields = joinChanges(way.fields, readFields(context, where, handler.response))
  for (const line of fieldLines(handler.request)) {
    const field = (line[0] ?? '').replace(/^[-+]/, '')
    const shown = `${field} in ${where}`
    if (field.includes('*') || /^host$/i.test(field)) closing(context, shown, 'headers', way)
    // What a policy asks for may be in these.
    else if (/^(?:cookie|authorization|x-api-key|x-auth-realm)$/i.test(field)) way.hidden ??= shown
    if (field.includes('*')) continue
    const before = { ...way.requestHeaders, headers: way.identity, entries: [] }
    const { headers, entries: _, ...changes } = readHeaderUp(context, line, where, before)
    way.identity = headers
    way.requestHeaders = changes
  }
  return null
}

/** `rewrite`: a prefix that is taken off or put before; the path is another one after anything else. */
function rewrite(context: Context, handler: Table, request: Followed, where: string): null {
  const { way } = request
  const keys = Object.keys(handler).filter(one => one !== 'handler')
  const [key = ''] = keys.length === 1 ? keys : []
  const value = textOf(handler[key])
  if (key === 'strip_path_prefix' && value !== null) return strip(context, value, request, where)
  const prefix = key === 'uri' ? PREFIXED.exec(value ?? '')?.[1] : undefined
  if (prefix !== undefined && way.addPrefix === null && !way.isRewritten) {
    keep(context, where, 'add_prefix of a route')
    way.addPrefix = prefix
    way.names = new Map()
    return null
  }
  if (prefix !== undefined && way.cut !== null && !prefix.includes('$')) {
    keep(context, where, 'rewrite of a route')
    way.replaced = { find: `^(?i:${quote(way.cut.path)})`, put: prefix, isFirst: false }
    way.cut = null
    return null
  }
  const texts = key === 'uri_substring' ? tablesOf(handler[key]).map(({ find }) => textOf(find) ?? '') : []
  const folder = replacing(handler, way)
  const isFirst =
    folder !== null &&
    isBelow(way.place.path, folder.find.slice(0, -1).toLowerCase()) &&
    holds(bypassTest('prefix', folder.find), request)
  const isText = texts.length > 0 && texts.every(text => /^[\w/.~-]+$/.test(text))
  const asked = anyOf(joinTests(texts.map(text => bypassTest('partial', text))))
  if (!isFirst && isText && !holds(asked, request)) return null
  if (folder === null) return another(context, where, way)
  keep(context, where, 'rewrite of a route')
  way.replaced = { ...folder, isFirst }
  way.names = new Map()
  return null
}

/** Its path cannot be told any more. */
function another(context: Context, where: string, way: Way): null {
  way.isRewritten = true
  return closing(context, where, 'rewrite', way)
}

function strip(context: Context, stated: string, request: Followed, where: string): null {
  const { way } = request
  const path = stated.replace(/\/+$/, '')
  if (path === '') return null
  const isPlain = /^\/[^*?[{%]*$/.test(path) && boundaryOf(path) === path
  if (way.isRewritten || way.stripPrefix !== null || way.addPrefix !== null || !isPlain)
    return another(context, where, way)
  if (isBelow(way.place.path, path.toLowerCase())) {
    keep(context, where, 'strip_prefix of a route')
    way.stripPrefix = path
    way.names = new Map()
    return null
  }
  // It takes as much off /apix as off /api/x: what is left begins with no slash until something is put before it.
  if (!holds({ kind: 'path', patterns: [`${path}*`] }, request)) return null
  if (way.replaced !== null) return another(context, where, way)
  way.cut = { path, where }
  way.isRewritten = true
  return null
}

/** A folder's name replaced by another everywhere in a path. Null for any other replacement of a text in it. */
function replacing({ uri_substring: list }: Table, way: Way): { readonly find: string; readonly put: string } | null {
  const [one, ...others] = tablesOf(list)
  const [find, put] = [textOf(one?.find) ?? '', textOf(one?.replace) ?? '']
  const isFirst = way.replaced === null && !way.isRewritten && way.stripPrefix === null && way.addPrefix === null
  if (one === undefined || others.length > 0 || one.limit !== undefined || !isFirst) return null
  return [find, put].every(text => /^\/[\w~-]+\/$/.test(text)) ? { find, put } : null
}

const PLACED = 'nothing to route: a portal’s paths are reserved on its host, below /.sallyport/ and at callback_path'

/** `/prefix` before the requested path. */
const PREFIXED = /^(\/[^{}?]*[^{}?/])\{http\.request\.uri(?:\.path)?\}$/

/** What a request meets that no handler answers: the files before, where there are some. */
export function nothing(way: Way): End {
  const { first } = way
  if (first === null || first.around !== aroundOf(way)) return { kind: 'nothing' }
  return { kind: 'answer', answer: first.answer, name: 'file_server', where: first.where }
}

/**
 * Whether it asks another server for a verdict, which `forward_auth` consists of, and allows a request that gets a
 * 2xx.
 */
function isVerifier(handler: Table): boolean {
  return tablesOf(handler.handle_response).some(one => {
    const codes = listOf(valueAt(one, 'match', 'status_code'))
    return codes.length === 0 || codes.some(code => code === 2 || (Number(code) >= 200 && Number(code) < 300))
  })
}

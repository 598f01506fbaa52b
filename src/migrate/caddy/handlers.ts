/** Follows the handlers of a server as Caddy does, for the requests to one place. */

import type { Context } from './context.ts'
import { fieldLines, joinChanges, readFields, readHeaderUp } from './fields.ts'
import { isTable, listOf, type Table, tableOf, tablesOf, textOf, textsOf, unknownKey, valueAt } from './json.ts'
import { type Peers, readMatch, sayMatch } from './matchers.ts'
import {
  aroundOf,
  close,
  type End,
  type Followed,
  holds,
  judgeOn,
  type Outcome,
  outcomesOf,
  type Way,
} from './outcomes.ts'
import { bypassTest, joinTests, quote } from './patterns.ts'
import { type RouteAnswer, readReverseProxy } from './reverse-proxy.ts'
import { boundaryOf, isBelow, type RoutePlace } from './route-place.ts'
import { ALWAYS, anyOf, sayRequests, type Test } from './rules.ts'
import { MAX_DEPTH } from './servers.ts'
import { readFileServer, readStaticResponse } from './static-answers.ts'
import { withMap, withVars } from './variables.ts'

/** The fates of the requests for a place at a server, as its handlers meet them; `closed`: why nobody gets anything there. */
export type ServerWalk = (place: RoutePlace, closed: string | null) => readonly Outcome[]

export interface Served {
  readonly routes: unknown
  readonly named: Table
  readonly peers: Peers
  /** The paths that policies let by, by the policy's name. */
  readonly bypassed: ReadonlyMap<string, readonly Test[]>
  /** Handlers that some request came to. */
  readonly met: Set<unknown>
}

/** Where a handler stands: hosts and paths, for the report, and how deep. */
interface Spot {
  readonly at: string
  readonly depth: number
}

type Step = (handler: Table, request: Followed, where: string, spot: Spot) => End | null

/** Walks beyond these are not followed for a place; once they are too many for one place of a host, a few are tried for its others. */
const [MAX_WALKS, MANY_WALKS] = [96, 16]
/** Handlers that guard nothing: without them no user sees more. */
const HARMLESS: Readonly<Record<string, string>> = {
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

/** Reads a server's routes once, for any number of places. */
export function openServer(context: Context, { routes, named, peers, bypassed, met }: Served): ServerWalk {
  const answers = new Map<unknown, RouteAnswer | null>()
  const tests = new Map<unknown, Test>()
  const tooMany = new Set<string>()
  const { notes } = context
  const keep = (where: string, say: string) => notes.add('kept', where, null, say)

  /** Closes a way for good, says what did it, and lets it go on. */
  function closing(where: string, instead: string, way: Way): null {
    const say =
      INSTEAD[instead] ??
      'not known here, so it may guard something; write what it did into the routes, or remove it and import again'
    notes.add('closed', where, null, `its routes stay closed: ${say}`)
    close(way, where)
    return null
  }

  function walkRoutes(list: unknown, request: Followed, spot: Spot): End | null {
    if (!Array.isArray(list ?? [])) return closing(`routes at ${spot.at}`, 'route', request.way)
    for (const route of listOf(list)) {
      const end = isTable(route)
        ? walkRoute(route, request, spot)
        : closing(`a route at ${spot.at}`, 'route', request.way)
      if (end !== null) return end
    }
    return null
  }

  function walkRoute(route: Table, request: Followed, { at, depth }: Spot): End | null {
    const { group, match, handle, terminal } = route
    const { way } = request
    const isSite = depth === 0
    if (typeof group === 'string' && way.groups.includes(group)) return null
    const odd = unknownKey(route, ['group', 'match', 'handle', 'terminal'])
    const said = sayMatch(match)
    const spot = { at: said === '' ? at : at === '' || isSite ? said : `${at} ${said}`, depth: depth + 1 }
    if (odd !== null) return closing(`${odd} at ${spot.at}`, 'route', way)
    const enter = () => {
      if (typeof group === 'string') way.groups = [...way.groups, group]
    }
    const handlers = tablesOf(handle)
    const test = tests.get(route) ?? readMatch(match, peers, isSite)
    tests.set(route, test)
    const names = handlers.map(({ handler }) => String(handler))
    if (terminal !== true) {
      const tried = triesFiles(route, handlers)
      if (tried !== null) {
        tries(way, tried, spot)
        // Whether it was the one of its group that is met, only the files say.
        if (typeof group === 'string' && request.answers.next()) enter()
        return null
      }
      const first = filesFirst(route, handlers)
      if (first !== null && way.first === null) return servesFirst(way, first, spot)
      // A handler that guards nothing separates no requests.
      if (handlers.length > 0 && handlers.every(isPassing) && group === undefined)
        return passing(handlers, test, request, spot)
    }
    if (isPastHttps(handlers, test, spot)) return null
    const isFor = holds(test, request, some => {
      const say = `which requests${some === null ? '' : ` among ${sayRequests(some)}`} this is for only Caddy can tell: they are held to the strictest of what may become of them; where it guards nothing, take it out and import again`
      notes.add('changed', `${names.join(', ')} at ${spot.at}`, null, say)
      return null
    })
    if (!isFor) return null
    enter()
    if (handle !== undefined && (!Array.isArray(handle) || handlers.length < handle.length))
      closing(`a handler at ${spot.at}`, 'route', way)
    for (const handler of handlers) {
      const end = step(handler, request, spot)
      if (end !== null) return end
    }
    return terminal === true ? nothing(way) : null
  }

  function step(handler: Table, request: Followed, spot: Spot): End | null {
    met.add(handler)
    const name = textOf(handler.handler) ?? ''
    const where = `${name === '' ? 'a handler' : name} at ${spot.at}`
    const known = Object.hasOwn(STEPS, name) ? STEPS[name] : undefined
    if (known !== undefined) return known(handler, request, where, spot)
    const say = Object.hasOwn(HARMLESS, name) ? HARMLESS[name] : undefined
    if (say === undefined) return closing(where, name, request.way)
    notes.add('left', where, null, say)
    return null
  }

  /** The handlers that are followed. Any other closes what comes after it, but for those that are harmless. */
  const STEPS: Readonly<Record<string, Step>> = {
    subroute: (handler, request, where, spot) =>
      unknownKey(handler, ['handler', 'routes', 'errors']) !== null || spot.depth > MAX_DEPTH
        ? closing(where, 'subroute', request.way)
        : walkRoutes(handler.routes, request, spot),
    invoke: (handler, request, where, spot) => {
      const route = valueAt(named, textOf(handler.name) ?? '')
      return !isTable(route) || spot.depth > MAX_DEPTH
        ? closing(where, 'invoke', request.way)
        : walkRoute(route, request, { ...spot, depth: spot.depth + 1 })
    },
    authenticator: (_, __, where) => {
      keep(where, PLACED)
      return { kind: 'portal' }
    },
    authentication: authenticate,
    error: (_, __, where) => refuse(where),
    static_response: (handler, { way }, where) =>
      handler.abort === true ? refuse(where) : answer(handler, way, where),
    file_server: (handler, { way }, where) => answer(handler, way, where),
    reverse_proxy: (handler, { way }, where, { at }) => {
      // Requests that it allows continue.
      if (isVerifier(handler)) return closing(`forward_auth at ${at}`, 'forward_auth', way)
      if (way.tried !== null) close(way, way.tried)
      return answer(handler, way, where)
    },
    metrics: answersForAll,
    acme_server: answersForAll,
    map: (handler, { way }, where) => {
      notes.add('left', where, null, HARMLESS.map ?? '')
      way.names = withMap(way.names, handler)
      return null
    },
    vars: (handler, { way }, where) => {
      const { root, fs = 'default' } = handler
      // Files are those of a disk.
      if (fs !== 'default') return closing(`fs in ${where}`, 'vars', way)
      way.names = withVars(way.names, handler, ALWAYS)
      if (root !== undefined) way.root = textOf(root)
      return null
    },
    headers: (handler, { way }, where) => changeFields(handler, way, where),
    rewrite,
  }

  function refuse(where: string): End {
    keep(where, 'no user passes allow, and nothing else answers there')
    return { kind: 'refused', isKept: true, what: where }
  }

  function answersForAll({ handler }: Table, { way }: Followed, where: string): End {
    closing(where, String(handler), way)
    return nothing(way)
  }

  function answerOf(handler: Table, where: string, way: Way): RouteAnswer | null {
    if (handler.handler === 'file_server') return readFileServer(context, handler, where, way)
    const known = answers.get(handler)
    if (known !== undefined) return known
    const read = handler.handler === 'reverse_proxy' ? readReverseProxy : readStaticResponse
    const made = read(context, handler, where)
    answers.set(handler, made)
    return made
  }

  function answer(handler: Table, way: Way, where: string): End {
    const own = answerOf(handler, where, way)
    const made = own === null ? null : withFirst(own, way)
    if (made === null) return { kind: 'refused', isKept: false, what: where }
    return { kind: 'answer', answer: made, name: String(handler.handler), where }
  }

  function servesFirst(way: Way, { server, endings }: FilesFirst, spot: Spot): null {
    met.add(server)
    const where = `file_server at ${spot.at}`
    const read = readFileServer(context, server, where, way)
    const [entry] = read?.entries ?? []
    if (read === null || entry === undefined) return closing(where, 'file', way)
    const value = endings.length === 0 ? entry.value : { folder: entry.value, endings }
    way.first = { answer: { ...read, entries: [{ key: 'files', value }] }, where, around: aroundOf(way) }
    return null
  }

  /** An application with the files before it; any other answer has no files before it. */
  function withFirst(own: RouteAnswer, way: Way): RouteAnswer | null {
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
  function authenticate(handler: Table, request: Followed, where: string): null {
    const { way } = request
    const [[name, provider] = ['', {}], ...others] = Object.entries(tableOf(handler.providers))
    if (name === 'http_basic' && others.length === 0) return closing(`basic_auth (${where})`, name, way)
    const policy = name === 'authorizer' ? textOf(valueAt(provider, 'gatekeeper_name')) : null
    const isPlain =
      others.length === 0 &&
      [undefined, '*'].includes(textOf(valueAt(provider, 'route_matcher')) ?? undefined) &&
      unknownKey(tableOf(provider), ['gatekeeper_name', 'route_matcher']) === null &&
      unknownKey(handler, ['handler', 'providers']) === null
    if (policy === null || !isPlain) return closing(where, 'authentication', way)
    if (way.hidden !== null) {
      const say = 'it changes the request before this rule sees it: its routes stay closed'
      notes.add('closed', way.hidden, null, say)
      close(way, way.hidden)
      return null
    }
    keep(where, 'portal, allow and headers of the routes')
    const isLetBy = (test: Test) =>
      holds(test, request, () => {
        notes.add('decide', where, null, 'its bypass holds for nothing here: the path is another one by then')
        return false
      })
    if (bypassed.get(policy)?.some(isLetBy) === true) return null
    const isMoved = way.isRewritten || way.replaced !== null || way.stripPrefix !== null || way.addPrefix !== null
    way.guards = [...way.guards, { policy, where, isMoved }]
    return null
  }

  /** `headers`: what a route can change too. */
  function changeFields(handler: Table, way: Way, where: string): null {
    const odd = unknownKey(handler, ['handler', 'request', 'response'])
    if (odd !== null) return closing(`${odd} in ${where}`, 'headers', way)
    if (handler.response !== undefined)
      way.fields = joinChanges(way.fields, readFields(context, where, handler.response))
    for (const line of fieldLines(handler.request)) {
      const field = (line[0] ?? '').replace(/^[-+]/, '')
      const shown = `${field} in ${where}`
      if (field.includes('*') || /^host$/i.test(field)) closing(shown, 'headers', way)
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
  function rewrite(handler: Table, request: Followed, where: string): null {
    const { way } = request
    const keys = Object.keys(handler).filter(one => one !== 'handler')
    const [key = ''] = keys.length === 1 ? keys : []
    const value = textOf(handler[key])
    if (key === 'strip_path_prefix' && value !== null) return strip(value, request, where)
    const prefix = key === 'uri' ? PREFIXED.exec(value ?? '')?.[1] : undefined
    if (prefix !== undefined && way.addPrefix === null && !way.isRewritten) {
      keep(where, 'add_prefix of a route')
      way.addPrefix = prefix
      way.names = new Map()
      return null
    }
    if (prefix !== undefined && way.cut !== null && !prefix.includes('$')) {
      keep(where, 'rewrite of a route')
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
    if (folder === null) return another(where, way)
    keep(where, 'rewrite of a route')
    way.replaced = { ...folder, isFirst }
    way.names = new Map()
    return null
  }

  /** Its path cannot be told any more. */
  function another(where: string, way: Way): null {
    way.isRewritten = true
    return closing(where, 'rewrite', way)
  }

  function strip(stated: string, request: Followed, where: string): null {
    const { way } = request
    const path = stated.replace(/\/+$/, '')
    if (path === '') return null
    const isPlain = /^\/[^*?[{%]*$/.test(path) && boundaryOf(path) === path
    if (way.isRewritten || way.stripPrefix !== null || way.addPrefix !== null || !isPlain) return another(where, way)
    if (isBelow(way.place.path, path.toLowerCase())) {
      keep(where, 'strip_prefix of a route')
      way.stripPrefix = path
      way.names = new Map()
      return null
    }
    // It takes as much off /apix as off /api/x: what is left begins with no slash until something is put before it.
    if (!holds({ kind: 'path', patterns: [`${path}*`] }, request)) return null
    if (way.replaced !== null) return another(where, way)
    way.cut = { path, where }
    way.isRewritten = true
    return null
  }

  /** What handlers change that guard nothing. */
  function passing(handlers: readonly Table[], test: Test, request: Followed, spot: Spot): null {
    const { way } = request
    const { kind } = judgeOn(test, request)
    for (const handler of handlers) {
      met.add(handler)
      const name = String(handler.handler)
      const where = `${name} at ${spot.at}`
      if (name === 'vars') way.names = withVars(way.names, handler, test)
      else if (name !== 'headers') {
        notes.add('left', where, null, HARMLESS[name] ?? '')
        if (name === 'map') way.names = withMap(way.names, handler)
      } else if (kind === 'yes') changeFields(handler, way, where)
      else if (kind !== 'no') {
        const say = 'for only some of the requests of a route: write response_headers into it where all may have it'
        notes.add('left', where, null, say)
      }
    }
    return null
  }

  /** Plain HTTP is sent to https by a proxy in front, or by `[tls]`: whether this did it by the word of such a proxy. */
  function isPastHttps([handler, ...others]: readonly Table[], test: Test, spot: Spot): boolean {
    const to = textsOf(valueAt(handler, 'headers', 'Location'))[0] ?? ''
    const isSaidPlain = test.kind === 'unknown' && test.by === 'x-forwarded-proto'
    if (!isSaidPlain || others.length > 0 || handler?.handler !== 'static_response' || !TO_HTTPS.test(to)) return false
    const say = 'let the TLS proxy in front send plain HTTP to https, or write [tls], which does: no route does it'
    notes.add('decide', `static_response at ${spot.at}`, null, say)
    met.add(handler)
    return true
  }

  function tries(way: Way, files: readonly string[], spot: Spot): void {
    way.page = pageOf(files)
    way.tried = `try_files at ${spot.at}`
    way.isRewritten = true
    if (way.page === null) notes.add('left', way.tried, null, OTHER_FILES)
    else notes.add('changed', way.tried, null, PAGE)
  }

  return (place, closed) => {
    const most = tooMany.has(place.host) ? MANY_WALKS : MAX_WALKS
    const { outcomes, isWhole } = outcomesOf(place, most, request => {
      if (closed !== null) close(request.way, closed)
      const end = walkRoutes(routes, request, { at: '', depth: 0 }) ?? nothing(request.way)
      if (request.way.cut !== null) closing(request.way.cut.where, 'rewrite', request.way)
      return end
    })
    if (isWhole) return outcomes
    tooMany.add(place.host)
    const what = `the routes at ${place.host}`
    notes.add('closed', what, null, 'write them by hand: their matchers part requests in too many ways')
    return outcomes.map(outcome => ({ ...outcome, closed: closed === null ? [what] : [closed, what] }))
  }
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
const PAGE =
  'try_files of the files of a route, for what browsers load as a page: a script or a picture that is missing is 404'
const OTHER_FILES =
  'write try_files = "/index.html" into files, for one page where there is no file; no others are tried'

/** `/prefix` before the requested path. */
const PREFIXED = /^(\/[^{}?]*[^{}?/])\{http\.request\.uri(?:\.path)?\}$/

/** Redirects to the same page by https. */
const TO_HTTPS = /^https:\/\/[^/]+\{http\.request\.uri\}$/

function nothing(way: Way): End {
  const { first } = way
  if (first === null || first.around !== aroundOf(way)) return { kind: 'nothing' }
  return { kind: 'answer', answer: first.answer, name: 'file_server', where: first.where }
}

interface FilesFirst {
  readonly server: Table
  readonly endings: readonly string[]
}

/** A route that serves existing files and does nothing else; null for any other. */
function filesFirst({ match }: Table, handlers: readonly Table[]): FilesFirst | null {
  const [set, ...others] = tablesOf(match)
  if (set === undefined || others.length > 0 || Object.keys(set).join() !== 'file') return null
  const flat = (all: readonly Table[]): readonly Table[] =>
    all.flatMap(handler => {
      const isPlain = handler.handler === 'subroute' && unknownKey(handler, ['handler', 'routes']) === null
      const routes = isPlain ? tablesOf(handler.routes) : []
      return isPlain && routes.every(route => unknownKey(route, ['group', 'handle']) === null)
        ? routes.flatMap(({ handle }) => flat(tablesOf(handle)))
        : [handler]
    })
  const steps = flat(handlers)
  const server = steps.at(-1)
  const rewrites = steps.slice(0, -1)
  const isRewrite = ({ handler, uri }: Table) => handler === 'rewrite' && uri === '{http.matchers.file.relative}'
  const [path, ...named] = textsOf(valueAt(set.file, 'try_files'))
  const endings = named.map(text => /^\{http\.request\.uri\.path\}(\.[\w-]+(?:\.[\w-]+)*)$/.exec(text)?.[1] ?? null)
  const known = endings.filter(ending => ending !== null)
  const isKnown = path === '{http.request.uri.path}' && known.length === endings.length
  if (server?.handler !== 'file_server' || !isKnown || unknownKey(tableOf(set.file), ['try_files']) !== null)
    return null
  const isFound = rewrites.length === 1 ? rewrites.every(isRewrite) : rewrites.length === 0 && known.length === 0
  return isFound ? { server, endings: known } : null
}

/** Whether a handler separates no requests: it changes fields of answers, or nothing at all. */
function isPassing(handler: Table): boolean {
  const name = textOf(handler.handler) ?? ''
  if (name === 'headers') return handler.request === undefined
  if (name === 'vars') return !Object.hasOwn(handler, 'root') && !Object.hasOwn(handler, 'fs')
  return Object.hasOwn(HARMLESS, name)
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

/** The files that a route of `try_files` tries; null for any other route. */
function triesFiles(route: Table, handlers: readonly Table[]): readonly string[] | null {
  const [handler, ...others] = handlers
  const uri = textOf(handler?.uri) ?? ''
  if (others.length > 0 || handler?.handler !== 'rewrite' || !/^\{http\.matchers\.file\.relative\}/.test(uri))
    return null
  const [set, ...more] = tablesOf(route.match)
  if (set === undefined || more.length > 0 || Object.keys(set).join() !== 'file') return null
  return textsOf(valueAt(set.file, 'try_files'))
}

/** The last of the files to try, where the others are the path itself; null for any other. */
function pageOf(files: readonly string[]): string | null {
  const page = files.at(-1) ?? ''
  const [first, ...others] = files.slice(0, -1)
  const path = '{http.request.uri.path}'
  const isPlain = first === path && others.every(word => word === `${path}/` || word === `${path}/index.html`)
  return isPlain && /^\/[\w/.-]*[\w-]$/.test(page) && !/\/\./.test(page) ? page : null
}

import { readFileServer, readStaticResponse } from './answers.ts'
import type { Context } from './context.ts'
import { fieldLines, joinChanges, readFields } from './fields.ts'
import { readHeaderUp } from './header-up.ts'
import { isTable, listOf, type Table, tableOf, tablesOf, textOf, textsOf, unknownKey, valueAt } from './json.ts'
import { type Peers, readMatch, sayMatch } from './matchers.ts'
import { withMap, withVars } from './named.ts'
import { boundaryOf, isBelow, type RoutePlace } from './place.ts'
import { sayRequests } from './requests.ts'
import { ALWAYS, type Test } from './rules.ts'
import { MAX_DEPTH } from './servers.ts'
import { type RouteAnswer, readReverseProxy } from './services.ts'
import { aroundOf, close, type End, type First, judgeOn, type Outcome, part, type Way } from './way.ts'

/** The results of some routes: requests that were answered, and requests that continue to the next routes. */
interface Walked {
  readonly ended: readonly Outcome[]
  readonly going: readonly Way[]
}

/**
 * The fates of the requests for a place at a server, as its handlers meet them. An undetermined test continues both
 * ways.
 */
export type ServerWalk = (place: RoutePlace, start: Way) => readonly Outcome[]

/** What a walk knows of the server. */
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
  readonly place: RoutePlace
}

/** Ways through a server beyond these cannot be followed any more. */
const MAX_WAYS = 96
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
  'write its names and hashes (bcrypt) as NAME:HASH lines into a file, name that as htpasswd in a portal of its own without providers, and in the route say that portal, passwords = true and allow = [{ provider = "htpasswd" }]; a host has one portal'

/** What to write in place of a handler that closes the places it is for. */
export const INSTEAD: Readonly<Record<string, string>> = {
  acme_server: 'have a Caddy of its own make certificates for others',
  authentication: 'leave one of its providers, the authorizer of caddy-security: no other is carried over',
  forward_auth: 'write who may into allow: a route asks nobody else',
  headers: 'write request_headers = { set = { … }, remove = [ … ] } in the route',
  http_basic: PASSWORDS,
  intercept: 'have the application answer so by itself: no route replaces answers',
  metrics: 'write admin = "127.0.0.1:9464" into [server], which has metrics of its own',
  rewrite: 'write strip_prefix or add_prefix into the route',
  templates: 'have an application render them: files are served as they are',
}

/** Reads a server's routes once, for any number of places. */
export function openServer(context: Context, { routes, named, peers, bypassed, met }: Served): ServerWalk {
  const answers = new Map<unknown, RouteAnswer | null>()
  const tests = new Map<unknown, Test>()

  function testOf(route: Table, isSite: boolean): Test {
    const known = tests.get(route)
    if (known !== undefined) return known
    const test = readMatch(route.match, peers, isSite)
    tests.set(route, test)
    return test
  }

  function walkRoutes(list: unknown, start: readonly Way[], spot: Spot): Walked {
    const ended: Outcome[] = []
    let going = start
    if (!Array.isArray(list) && list !== undefined && list !== null) {
      return { ended: going.map(way => closedEnd(way, `routes at ${spot.at}`)), going: [] }
    }
    for (const route of listOf(list)) {
      const next: Way[] = []
      for (const way of going) {
        const through = isTable(route)
          ? walkRoute(route, way, spot)
          : { ended: [], going: [closing(`a route at ${spot.at}`, 'route', way)] }
        ended.push(...through.ended)
        next.push(...through.going)
      }
      going = distinct(next)
      if (going.length + ended.length > MAX_WAYS) {
        const what = `the routes at ${spot.at}`
        const say = 'write them by hand: their matchers part requests in too many ways'
        context.notes.add('closed', what, null, say)
        return { ended: [...ended, ...start.map(way => closedEnd(way, what))], going: [] }
      }
    }
    return { ended, going }
  }

  function walkRoute(route: Table, way: Way, spot: Spot): Walked {
    const { group, handle, terminal } = route
    const isSite = spot.depth === 0
    if (typeof group === 'string' && way.groups.includes(group)) return { ended: [], going: [way] }
    const odd = unknownKey(route, ['group', 'match', 'handle', 'terminal'])
    const said = sayMatch(route.match)
    const inner: Spot = {
      ...spot,
      at: said === '' ? spot.at : spot.at === '' || isSite ? said : `${spot.at} ${said}`,
      depth: spot.depth + 1,
    }
    if (odd !== null) return { ended: [], going: [closing(`${odd} at ${inner.at}`, 'route', way)] }
    const handlers = tablesOf(handle)
    const test = testOf(route, isSite)
    const tried = triesFiles(route, handlers)
    if (tried !== null && terminal !== true) {
      // Whether it was the one of its group that is met, only the files say.
      const next = tries(way, tried, inner)
      const groups = typeof group === 'string' ? [{ ...next, groups: [...next.groups, group] }] : []
      return { ended: [], going: [next, ...groups] }
    }
    const first = filesFirst(route, handlers)
    if (first !== null && terminal !== true && way.first === null)
      return { ended: [], going: [servesFirst(way, first, inner)] }
    // A handler that guards nothing separates no requests.
    if (handlers.length > 0 && handlers.every(isPassing) && group === undefined && terminal !== true)
      return { ended: [], going: [passing(handlers, test, way, inner)] }
    const { held, missed, untold } = pastHttps(handlers, test, way, inner) ?? part(test, way, spot.place)
    if (untold !== null && held !== null) {
      const some = untold === 'all' ? '' : ` among ${sayRequests(untold)}`
      const say = `which requests${some} this is for only Caddy can tell: they are held to the strictest of what may become of them; where it guards nothing, take it out and import again`
      context.notes.add(
        'changed',
        `${handlers.map(({ handler }) => String(handler)).join(', ')} at ${inner.at}`,
        null,
        say,
      )
    }
    const others = missed === null ? [] : [missed]
    if (held === null) return { ended: [], going: others }
    const entered = typeof group === 'string' ? { ...held, groups: [...held.groups, group] } : held
    const ended: Outcome[] = []
    let going: readonly Way[] = [entered]
    if (handle !== undefined && (!Array.isArray(handle) || handlers.length < handle.length)) {
      going = going.map(one => closing(`a handler at ${inner.at}`, 'route', one))
    }
    for (const handler of handlers) {
      const walked = going.map(one => step(handler, one, inner))
      ended.push(...walked.flatMap(one => one.ended))
      going = distinct(walked.flatMap(one => one.going))
    }
    if (terminal === true) return { ended: [...ended, ...going.map(nothing)], going: others }
    return { ended, going: [...going, ...others] }
  }

  /** Closes the way for good, and says what did it. */
  function closing(where: string, instead: string, way: Way): Way {
    const say =
      INSTEAD[instead] ??
      'not known here, so it may guard something; write what it did into them, or take it out and import again'
    context.notes.add('closed', where, null, `the routes that it is for let nobody in: ${say}`)
    return close(way, where)
  }

  function closedEnd(way: Way, what: string): Outcome {
    return nothing(close(way, what))
  }

  function answerOf(handler: Table, where: string, way: Way): RouteAnswer | null {
    if (handler.handler === 'file_server') return readFileServer(context, handler, where, way)
    const known = answers.get(handler)
    if (known !== undefined) return known
    const read =
      handler.handler === 'reverse_proxy'
        ? readReverseProxy(context, handler, where)
        : readStaticResponse(context, handler, where)
    answers.set(handler, read)
    return read
  }

  /** What a handler does to a request. */
  function step(handler: Table, way: Way, spot: Spot): Walked {
    met.add(handler)
    const name = textOf(handler.handler) ?? ''
    const where = `${name === '' ? 'a handler' : name} at ${spot.at}`
    const goesOn = (next: Way): Walked => ({ ended: [], going: [next] })
    const ends = (end: End): Walked => ({ ended: [{ ...way, end }], going: [] })
    const kept = (say: string) => context.notes.add('kept', where, null, say)
    switch (name) {
      case 'subroute': {
        if (unknownKey(handler, ['handler', 'routes', 'errors']) !== null || spot.depth > MAX_DEPTH)
          return goesOn(closing(where, name, way))
        return walkRoutes(handler.routes, [way], spot)
      }
      case 'invoke': {
        const route = valueAt(named, textOf(handler.name) ?? '')
        if (!isTable(route) || spot.depth > MAX_DEPTH) return goesOn(closing(where, name, way))
        return walkRoute(route, way, { ...spot, depth: spot.depth + 1 })
      }
      case 'authenticator':
        kept(PLACED)
        return ends({ kind: 'portal' })
      case 'authentication':
        return authenticate(handler, way, where, spot.place)
      case 'error':
        kept('nobody passes in allow, and nothing else answers there')
        return ends({ kind: 'refused', isKept: true, what: where })
      case 'static_response':
        if (handler.abort === true) {
          kept('nobody passes in allow, and nothing else answers there')
          return ends({ kind: 'refused', isKept: true, what: where })
        }
        return answers_(handler, way, where)
      case 'file_server':
        return answers_(handler, way, where)
      case 'reverse_proxy': {
        // Requests that it allows continue.
        if (isVerifier(handler)) return goesOn(closing(`forward_auth at ${spot.at}`, 'forward_auth', way))
        return answers_(handler, way.tried === null ? way : close(way, way.tried), where)
      }
      case 'metrics':
      case 'acme_server':
        return { ended: [closedEnd(closing(where, name, way), where)], going: [] }
      case 'vars': {
        const { root, fs = 'default' } = handler
        // Files are those of a disk.
        if (fs !== 'default') return goesOn(closing(`fs in ${where}`, name, way))
        const named = { ...way, names: withVars(way.names, handler, ALWAYS) }
        return goesOn(root === undefined ? named : { ...named, root: textOf(root) })
      }
      case 'headers':
        return goesOn(changeFields(handler, way, where))
      case 'rewrite':
        return { ended: [], going: rewrite(handler, way, where, spot.place) }
      default:
        if (Object.hasOwn(HARMLESS, name)) {
          context.notes.add('left', where, null, HARMLESS[name] ?? '')
          return goesOn(name === 'map' ? { ...way, names: withMap(way.names, handler) } : way)
        }
        return goesOn(closing(where, name, way))
    }
  }

  function answers_(handler: Table, way: Way, where: string): Walked {
    const own = answerOf(handler, where, way)
    const answer = own === null || way.first === null ? own : withFirst(own, way, way.first)
    const end: End =
      answer === null
        ? { kind: 'refused', isKept: false, what: where }
        : { kind: 'answer', answer, name: String(handler.handler), where }
    return { ended: [{ ...way, end }], going: [] }
  }

  /** Files that are served before the next handlers. */
  function servesFirst(way: Way, { server, endings }: FilesFirst, spot: Spot): Way {
    met.add(server)
    const where = `file_server at ${spot.at}`
    const read = readFileServer(context, server, where, way)
    const [entry] = read?.entries ?? []
    if (read === null || entry === undefined) return closing(where, 'file', way)
    const value = endings.length === 0 ? entry.value : { folder: entry.value, endings }
    return { ...way, first: { answer: { ...read, entries: [{ key: 'files', value }] }, where, around: aroundOf(way) } }
  }

  /** An application with the files before it; any other answer has no files before it. */
  function withFirst(answer: RouteAnswer, way: Way, { answer: files, where, around }: First): RouteAnswer | null {
    if (!answer.entries.some(({ key }) => key === 'upstream')) {
      context.notes.add('changed', where, null, 'served where an application, or nothing else, answers otherwise')
      return answer
    }
    if (around === aroundOf(way))
      return { ...answer, entries: [...answer.entries, ...files.entries], hidden: files.hidden }
    const say = 'what comes after it is guarded in another way: give the files a path of their own'
    context.notes.add('closed', where, null, `the routes that it is for let nobody in: ${say}`)
    return null
  }

  /** An authorizer lets by whomever its policy does; anything else that may keep people out closes what comes after it. */
  function authenticate(handler: Table, way: Way, where: string, place: RoutePlace): Walked {
    const providers = Object.entries(tableOf(handler.providers))
    const [[name, provider] = ['', {}], ...others] = providers
    const goesOn = (next: Way): Walked => ({ ended: [], going: [next] })
    const policy = textOf(valueAt(provider, 'gatekeeper_name'))
    const isPlain = unknownKey(tableOf(provider), ['gatekeeper_name', 'route_matcher']) === null
    const isEverywhere = [undefined, '*'].includes(textOf(valueAt(provider, 'route_matcher')) ?? undefined)
    if (name === 'http_basic' && others.length === 0) return goesOn(closing(`basic_auth (${where})`, name, way))
    const isAuthorizer = name === 'authorizer' && others.length === 0
    if (
      !isAuthorizer ||
      policy === null ||
      !isPlain ||
      !isEverywhere ||
      unknownKey(handler, ['handler', 'providers']) !== null
    )
      return goesOn(closing(where, 'authentication', way))
    if (way.hidden !== null) {
      const say = 'it changes what this asks for before it is asked: the routes that it is for let nobody in'
      context.notes.add('closed', way.hidden, null, say)
      return goesOn(close(way, way.hidden))
    }
    context.notes.add('kept', where, null, 'portal, allow and headers of the routes')
    const isMoved = way.isRewritten || way.replaced !== null || way.stripPrefix !== null || way.addPrefix !== null
    const guards = [...way.guards, { policy, where, isMoved }]
    let asked: Way | null = way
    const by: Way[] = []
    for (const test of bypassed.get(policy) ?? []) {
      if (asked === null) break
      const { held, missed, untold } = part(test, asked, place)
      if (untold !== null) {
        const say = 'its bypass holds for nothing here: the path is another one by then'
        context.notes.add('decide', where, null, say)
        continue
      }
      if (held !== null) by.push(held)
      asked = missed
    }
    return { ended: [], going: asked === null ? by : [...by, { ...asked, guards }] }
  }

  /** `headers`: what a route can change too. */
  function changeFields(handler: Table, way: Way, where: string): Way {
    const odd = unknownKey(handler, ['handler', 'request', 'response'])
    if (odd !== null) return closing(`${odd} in ${where}`, 'headers', way)
    const fields =
      handler.response === undefined
        ? way.fields
        : joinChanges(way.fields, readFields(context, where, handler.response))
    const lines = fieldLines(handler.request)
    if (lines.length === 0) return { ...way, fields }
    const { requestHeaders: changes } = way
    const to = {
      headers: { ...way.identity },
      set: { ...changes.set },
      append: { ...changes.append },
      removed: [...changes.remove],
      entries: [],
    }
    let changed: Way = way
    for (const [name = '', ...values] of lines) {
      const field = name.replace(/^[-+]/, '')
      const shown = `${field} in ${where}`
      if (field.includes('*') || /^host$/i.test(field)) changed = closing(shown, 'headers', changed)
      // What a policy asks for may be in these.
      else if (/^(?:cookie|authorization|x-api-key|x-auth-realm)$/i.test(field))
        changed = { ...changed, hidden: changed.hidden ?? shown }
      if (!field.includes('*')) readHeaderUp(context, name, values, where, to)
    }
    const { headers: identity, set, append, removed } = to
    return { ...changed, fields, identity, requestHeaders: { set, append, remove: [...new Set(removed)] } }
  }

  /** `rewrite`: a prefix that is taken off or put before; the path is another one after anything else. */
  function rewrite(handler: Table, way: Way, where: string, place: RoutePlace): readonly Way[] {
    const [key, ...others] = Object.keys(handler).filter(one => one !== 'handler')
    const value = textOf(handler[key ?? ''])
    if (key === 'strip_path_prefix' && others.length === 0 && value !== null) return strip(value, way, where, place)
    const prefix = key === 'uri' && others.length === 0 ? PREFIXED.exec(value ?? '')?.[1] : undefined
    if (prefix !== undefined && way.addPrefix === null && !way.isRewritten) {
      context.notes.add('kept', where, null, 'add_prefix of a route')
      return [{ ...way, addPrefix: prefix, names: new Map() }]
    }
    const found =
      key === 'uri_substring' && others.length === 0 ? tablesOf(handler[key]).map(({ find }) => textOf(find)) : []
    const texts = found.filter(text => text !== null && /^[\w/.~-]+$/.test(text))
    const isText = texts.length > 0 && texts.length === found.length
    const { held, missed } = isText
      ? part({ kind: 'path', patterns: texts.map(text => `*${text}*`) }, way, place)
      : { held: way, missed: null }
    const replaced = replacing(handler, way, place)
    if (replaced !== null && held !== null) {
      context.notes.add('kept', where, null, 'rewrite of a route')
      const next = { ...held, replaced, names: new Map() }
      return missed === null ? [next] : [next, missed]
    }
    const changed = held === null ? [] : [{ ...closing(where, 'rewrite', held), isRewritten: true }]
    return missed === null ? changed : [...changed, missed]
  }

  function strip(stated: string, way: Way, where: string, place: RoutePlace): readonly Way[] {
    const path = stated.replace(/\/+$/, '')
    if (path === '') return [way]
    const isPlain = /^\/[^*?[\\{%]*$/.test(path) && boundaryOf(path) === path
    if (way.isRewritten || way.stripPrefix !== null || way.addPrefix !== null || !isPlain)
      return [{ ...closing(where, 'rewrite', way), isRewritten: true }]
    if (isBelow(place.path, path.toLowerCase())) {
      context.notes.add('kept', where, null, 'strip_prefix of a route')
      return [{ ...way, stripPrefix: path, names: new Map() }]
    }
    // It takes as much off /apix as off /api/x.
    const { held, missed } = part({ kind: 'path', patterns: [`${path}*`] }, way, place)
    const cut = held === null ? [] : [{ ...closing(where, 'rewrite', held), isRewritten: true }]
    return missed === null ? cut : [...cut, missed]
  }

  /** A way past handlers that guard nothing, with what they change. */
  function passing(handlers: readonly Table[], test: Test, way: Way, spot: Spot): Way {
    const { kind } = judgeOn(test, way, spot.place)
    let changed = way
    for (const handler of handlers) {
      met.add(handler)
      const where = `${String(handler.handler)} at ${spot.at}`
      if (handler.handler === 'headers') {
        if (kind === 'yes') changed = changeFields(handler, changed, where)
        else if (kind !== 'no') {
          const say = 'for only some of the requests of a route: write response_headers into it where all may have it'
          context.notes.add('left', where, null, say)
        }
      } else if (handler.handler === 'vars') changed = { ...changed, names: withVars(changed.names, handler, test) }
      else {
        context.notes.add('left', where, null, HARMLESS[String(handler.handler)] ?? '')
        if (handler.handler === 'map') changed = { ...changed, names: withMap(changed.names, handler) }
      }
    }
    return changed
  }

  /** Plain HTTP is sent to https by a proxy in front, or by `[tls]`: a way past what did it by the word of such a proxy. */
  function pastHttps(handlers: readonly Table[], test: Test, way: Way, spot: Spot) {
    const [handler, ...others] = handlers
    const to = textsOf(valueAt(handler, 'headers', 'Location'))[0] ?? ''
    if (others.length > 0 || handler?.handler !== 'static_response' || !TO_HTTPS.test(to) || !isSaidPlain(test))
      return null
    const say = 'let the TLS proxy in front send plain HTTP to https, or write [tls], which does: no route does it'
    context.notes.add('decide', `static_response at ${spot.at}`, null, say)
    met.add(handler)
    return { held: null, missed: way, untold: null }
  }

  function tries(way: Way, files: readonly string[], spot: Spot): Way {
    const page = pageOf(files)
    const where = `try_files at ${spot.at}`
    context.notes.add(page === null ? 'left' : 'changed', where, null, page === null ? OTHER_FILES : PAGE)
    return { ...way, tried: where, page, isRewritten: true }
  }

  return (place, start) => {
    const { ended, going } = walkRoutes(routes, [start], { at: '', depth: 0, place })
    return [...ended, ...going.map(nothing)]
  }
}

/**
 * A folder's name replaced by another everywhere below the first name of a path. Null for any other replacement of a
 * text in it, and where the name is the first one. The result begins like the path.
 */
function replacing(
  { uri_substring: list }: Table,
  { replaced, isRewritten, stripPrefix, addPrefix }: Way,
  place: RoutePlace,
) {
  const [one, ...others] = tablesOf(list)
  const [find, put] = [textOf(one?.find) ?? '', textOf(one?.replace) ?? '']
  const isFirst = replaced === null && !isRewritten && stripPrefix === null && addPrefix === null
  if (one === undefined || others.length > 0 || one.limit !== undefined || !isFirst) return null
  if (![find, put].every(text => /^\/[\w~-]+\/$/.test(text)) || isBelow(place.path, find.slice(0, -1).toLowerCase()))
    return null
  return { find, put }
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

function nothing(way: Way): Outcome {
  const { first } = way
  const isKept = first !== null && first.around === aroundOf(way)
  const end: End = isKept
    ? { kind: 'answer', answer: first.answer, name: 'file_server', where: first.where }
    : { kind: 'nothing' }
  return { ...way, end }
}

/** Files that come first, and what may be left out of their names. */
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

/** Each way once. */
function distinct(ways: readonly Way[]): readonly Way[] {
  if (ways.length < 2) return ways
  const keyOf = (way: Way) => JSON.stringify({ ...way, literals: [...way.literals], names: [...way.names] })
  return [...new Map(ways.map(way => [keyOf(way), way])).values()]
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

/** Whether a test asks for plain HTTP by the word of a proxy in front, and nothing else. */
function isSaidPlain(test: Test): boolean {
  return test.kind === 'unknown' && test.by === 'x-forwarded-proto'
}

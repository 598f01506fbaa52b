/** Follows the routes of a server as Caddy does, for the requests to one place. */

import type { Context } from './context.ts'
import { changeFields, closing, HARMLESS, type HandlerTools, nothing, STEPS } from './handlers.ts'
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
import type { RoutePlace } from './route-place.ts'
import { sayRequests, type Test } from './rules.ts'
import { MAX_DEPTH } from './servers.ts'
import { readFileServer } from './static-answers.ts'
import { withMap, withVars } from './variables.ts'

/** The fates of the requests for a place at a server, as its handlers meet them; `closed`: why nobody gets anything there. */
export type ServerWalk = (place: RoutePlace, closed: string | null) => readonly Outcome[]

interface Walked extends Omit<HandlerTools, 'answers'> {
  readonly routes: unknown
  readonly named: Table
  readonly peers: Peers
  /** Handlers that some request came to. */
  readonly met: Set<unknown>
}

/** A server while its routes are followed. */
interface Reading extends Walked, HandlerTools {
  /** The matchers of its routes, each read once. */
  readonly tests: Map<unknown, Test>
}

/** Where a route stands: hosts and paths, for the report, and how deep. */
interface Spot {
  readonly at: string
  readonly depth: number
}

/** Walks beyond these are not followed for a place; once they are too many for one place of a host, a few are tried for its others. */
const [MAX_WALKS, MANY_WALKS] = [96, 16]

/** Reads a server's routes once, for any number of places. */
export function openServer(walked: Walked): ServerWalk {
  const reading: Reading = { ...walked, answers: new Map(), tests: new Map() }
  const { context, routes } = walked
  const tooMany = new Set<string>()
  return (place, closed) => {
    const most = tooMany.has(place.host) ? MANY_WALKS : MAX_WALKS
    const { outcomes, isWhole } = outcomesOf(place, most, request => {
      if (closed !== null) close(request.way, closed)
      const end = walkRoutes(reading, routes, request, { at: '', depth: 0 }) ?? nothing(request.way)
      if (request.way.cut !== null) closing(context, request.way.cut.where, 'rewrite', request.way)
      return end
    })
    if (isWhole) return outcomes
    tooMany.add(place.host)
    const what = `the routes at ${place.host}`
    context.notes.add('closed', what, null, 'write them by hand: their matchers part requests in too many ways')
    return outcomes.map(outcome => ({ ...outcome, closed: closed === null ? [what] : [closed, what] }))
  }
}

function walkRoutes(reading: Reading, list: unknown, request: Followed, spot: Spot): End | null {
  if (!Array.isArray(list ?? [])) return closing(reading.context, `routes at ${spot.at}`, 'route', request.way)
  for (const route of listOf(list)) {
    const end = isTable(route)
      ? walkRoute(reading, route, request, spot)
      : closing(reading.context, `a route at ${spot.at}`, 'route', request.way)
    if (end !== null) return end
  }
  return null
}

function walkRoute(reading: Reading, route: Table, request: Followed, { at, depth }: Spot): End | null {
  const { group, match, handle, terminal } = route
  const { context, peers, tests } = reading
  const { way } = request
  const isSite = depth === 0
  if (typeof group === 'string' && way.groups.includes(group)) return null
  const odd = unknownKey(route, ['group', 'match', 'handle', 'terminal'])
  const said = sayMatch(match)
  const spot = { at: said === '' ? at : at === '' || isSite ? said : `${at} ${said}`, depth: depth + 1 }
  if (odd !== null) return closing(context, `${odd} at ${spot.at}`, 'route', way)
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
      tries(context, way, tried, spot)
      // Whether it was the one of its group that is met, only the files say.
      if (typeof group === 'string' && request.answers.next()) enter()
      return null
    }
    const first = filesFirst(route, handlers)
    if (first !== null && way.first === null) return servesFirst(reading, way, first, spot)
    // A handler that guards nothing separates no requests.
    if (handlers.length > 0 && handlers.every(isPassing) && group === undefined)
      return passing(reading, handlers, test, request, spot)
  }
  if (isPastHttps(reading, handlers, test, spot)) return null
  const isFor = holds(test, request, some => {
    const say = `which requests${some === null ? '' : ` among ${sayRequests(some)}`} this is for only Caddy can tell: they are held to the strictest of what may become of them; where it guards nothing, take it out and import again`
    context.notes.add('changed', `${names.join(', ')} at ${spot.at}`, null, say)
    return null
  })
  if (!isFor) return null
  enter()
  if (handle !== undefined && (!Array.isArray(handle) || handlers.length < handle.length))
    closing(context, `a handler at ${spot.at}`, 'route', way)
  for (const handler of handlers) {
    const end = step(reading, handler, request, spot)
    if (end !== null) return end
  }
  return terminal === true ? nothing(way) : null
}

/** One handler, as part of a route; `subroute` and `invoke` lead to other routes. */
function step(reading: Reading, handler: Table, request: Followed, spot: Spot): End | null {
  const { context, named, met } = reading
  met.add(handler)
  const name = textOf(handler.handler) ?? ''
  const where = `${name === '' ? 'a handler' : name} at ${spot.at}`
  if (name === 'subroute') {
    return unknownKey(handler, ['handler', 'routes', 'errors']) !== null || spot.depth > MAX_DEPTH
      ? closing(context, where, name, request.way)
      : walkRoutes(reading, handler.routes, request, spot)
  }
  if (name === 'invoke') {
    const route = valueAt(named, textOf(handler.name) ?? '')
    return !isTable(route) || spot.depth > MAX_DEPTH
      ? closing(context, where, name, request.way)
      : walkRoute(reading, route, request, { ...spot, depth: spot.depth + 1 })
  }
  const known = Object.hasOwn(STEPS, name) ? STEPS[name] : undefined
  if (known !== undefined) return known(reading, handler, request, where, spot.at)
  const say = Object.hasOwn(HARMLESS, name) ? HARMLESS[name] : undefined
  if (say === undefined) return closing(context, where, name, request.way)
  context.notes.add('left', where, null, say)
  return null
}

function servesFirst({ context, met }: Reading, way: Way, { server, endings }: FilesFirst, spot: Spot): null {
  met.add(server)
  const where = `file_server at ${spot.at}`
  const read = readFileServer(context, server, where, way)
  const [entry] = read?.entries ?? []
  if (read === null || entry === undefined) return closing(context, where, 'file', way)
  const value = endings.length === 0 ? entry.value : { folder: entry.value, endings }
  way.first = { answer: { ...read, entries: [{ key: 'files', value }] }, where, around: aroundOf(way) }
  return null
}

/** What handlers change that guard nothing. */
function passing(
  { context, met }: Reading,
  handlers: readonly Table[],
  test: Test,
  request: Followed,
  spot: Spot,
): null {
  const { way } = request
  const { kind } = judgeOn(test, request)
  for (const handler of handlers) {
    met.add(handler)
    const name = String(handler.handler)
    const where = `${name} at ${spot.at}`
    if (name === 'vars') way.names = withVars(way.names, handler, test)
    else if (name !== 'headers') {
      context.notes.add('left', where, null, HARMLESS[name] ?? '')
      if (name === 'map') way.names = withMap(way.names, handler)
    } else if (kind === 'yes') changeFields(context, handler, way, where)
    else if (kind !== 'no') {
      const say = 'for only some of the requests of a route: write response_headers into it where all may have it'
      context.notes.add('left', where, null, say)
    }
  }
  return null
}

/** Plain HTTP is sent to https by a proxy in front, or by `[tls]`: whether this did it by the word of such a proxy. */
function isPastHttps(
  { context, met }: Reading,
  [handler, ...others]: readonly Table[],
  test: Test,
  spot: Spot,
): boolean {
  const to = textsOf(valueAt(handler, 'headers', 'Location'))[0] ?? ''
  const isSaidPlain = test.kind === 'unknown' && test.by === 'x-forwarded-proto'
  if (!isSaidPlain || others.length > 0 || handler?.handler !== 'static_response' || !TO_HTTPS.test(to)) return false
  const say = 'let the TLS proxy in front send plain HTTP to https, or write [tls], which does: no route does it'
  context.notes.add('decide', `static_response at ${spot.at}`, null, say)
  met.add(handler)
  return true
}

/** Redirects to the same page by https. */
const TO_HTTPS = /^https:\/\/[^/]+\{http\.request\.uri\}$/

function tries({ notes }: Context, way: Way, files: readonly string[], spot: Spot): void {
  way.page = pageOf(files)
  way.tried = `try_files at ${spot.at}`
  way.isRewritten = true
  if (way.page === null) notes.add('left', way.tried, null, OTHER_FILES)
  else notes.add('changed', way.tried, null, PAGE)
}

const PAGE =
  'try_files of the files of a route, for what browsers load as a page: a script or a picture that is missing is 404'
const OTHER_FILES =
  'write try_files = "/index.html" into files, for one page where there is no file; no others are tried'

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

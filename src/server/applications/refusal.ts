/** Finds out whether an application refuses Host, Origin or forwarded addresses, and which key helps. */

import type { Ports } from '../../base/ports.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import type { RefusalView } from '../../portal/admin/overview.ts'
import { createOrigin, mayRefuse, type Origin } from '../../proxy/upstream/origin.ts'
import { compileRewrite, upstreamPath } from '../config/snapshot.ts'
import { askCall, askPage, askSocket, type Told } from './ask.ts'

/**
 * Where WebSockets are: what an application does at any other path says little. socket.io, Jupyter, Cockpit, Home Assistant and
 * Node-RED, and what is usual.
 */
const SOCKET_PATHS = [
  '/',
  '/ws',
  '/websocket',
  '/socket.io/?EIO=4&transport=websocket',
  '/api/websocket',
  '/api/events/subscribe',
  '/cockpit/socket',
  '/comms',
]

/** For applications that serve the page but refuse its own requests: Transmission. */
const BEHIND_PATHS = ['/transmission/rpc']

/**
 * Where the page does not show that scripts and forms are refused by their Origin: Django ("CSRF verification failed") where a page gives
 * the token that it asks for as well, and MLflow ("Cross-origin request blocked").
 */
const GUARDED_PATHS = ['/admin/login/', '/ajax-api/2.0/mlflow/experiments/search']

/** Of the methods that change something, the one that the fewest applications know; it is sent without a body, and without a session. */
const UNSAFE_METHOD = 'PATCH'

/** What an application refuses that trusts no proxy: Home Assistant. */
export const FORWARDED_FOR = 'X-Forwarded-For'

const OWN_HOST = 'host_header = "upstream"'
const OWN_ORIGIN = 'origin = "upstream"'

const MOST_REDIRECTS = 3

/** What was found: nothing is refused, nothing answers, or a refusal. */
export type Found = { readonly kind: 'taken' } | { readonly kind: 'silent' } | RefusalView

const TAKEN: Found = { kind: 'taken' }
const SILENT: Found = { kind: 'silent' }

/**
 * Requests a page and a WebSocket from the application of a route like the gate, with Host and Origin of the route.
 *
 * It repeats what was refused as if `host_header` and `origin` were "upstream", which shows whether these help. A
 * WebSocket that is refused both ways is not offered there, and means nothing. It sends no session and no identity.
 *
 * `isUnsafe`: also with a method that may change something, since many applications check Origin only there; only when
 * an operator asks for it.
 */
export async function findRefusal(
  route: RouteConfig,
  config: Config,
  ports: Pick<Ports, 'ask' | 'random'>,
  { isUnsafe = false }: { readonly isUnsafe?: boolean } = {},
): Promise<Found> {
  const [address] = route.upstream?.addresses ?? []
  if (route.upstream === null || address === undefined) return SILENT
  const origin = createOrigin(address, route.upstream)
  const place = publicPlace(route, config)
  const asked = { route, origin, place }
  const isOwnAlready = route.hostHeader.kind === 'upstream'
  const page = await askThrough(asked, false, ports)
  if (page === null) return SILENT
  if (mayRefuse(page.told.status)) {
    const { status, words } = page.told
    const own = isOwnAlready ? null : await askThrough(asked, true, ports)
    if (own !== null && !mayRefuse(own.told.status)) {
      const also = isUnsafe && !route.hasOwnOrigin ? await askUnsafe(asked, own.path, true, ports) : null
      return {
        kind: 'page',
        status,
        words,
        sent: `Host ${page.host}`,
        keys: also === null ? [OWN_HOST] : [OWN_HOST, OWN_ORIGIN],
      }
    }
    const direct = await askThrough(asked, false, ports, [FORWARDED_FOR])
    const sent = direct !== null && !mayRefuse(direct.told.status) ? FORWARDED_FOR : `Host ${page.host}`
    return { kind: 'page', status, words, sent, keys: [] }
  }
  if (isOwnAlready && route.hasOwnOrigin) return TAKEN
  const unsafe = isUnsafe ? await askUnsafe(asked, page.path, isOwnAlready, ports) : null
  if (unsafe !== null) return unsafe
  const refused = await Promise.all([
    ...(isOwnAlready ? [] : BEHIND_PATHS.map(path => askBehind(asked, path, ports))),
    ...(route.websockets ? SOCKET_PATHS.map(path => askForSocket(asked, path, ports)) : []),
  ])
  return refused.find(one => one !== null) ?? TAKEN
}

/** Whether the application of a route answers calls of gRPC, which do not pass. It is sent one. */
export async function speaksGrpc({ upstream }: RouteConfig, ports: Pick<Ports, 'ask' | 'random'>): Promise<boolean> {
  const [address] = upstream?.addresses ?? []
  return upstream !== null && address !== undefined && askCall(createOrigin(address, upstream), ports)
}

interface Asked {
  readonly route: RouteConfig
  readonly origin: Origin
  readonly place: PublicPlace
}

interface PublicPlace {
  readonly scheme: 'http' | 'https'
  readonly authority: string
}

/** How people come to a route, as far as the file says. */
function publicPlace({ host: pattern, portal: name }: RouteConfig, { portals, tls }: Config): PublicPlace {
  const host = pattern.replace(/^\*\./, 'doctor.')
  const portal = name === null ? undefined : portals.get(name)
  if (portal?.url != null) {
    return { scheme: portal.url.scheme, authority: host + portal.url.authority.slice(portal.url.host.length) }
  }
  if (portal !== undefined) return { scheme: portal.insecureCookies ? 'http' : 'https', authority: host }
  return { scheme: tls === null ? 'http' : 'https', authority: host }
}

/** The route's page, and the pages to which the application redirects, as long as these are its own. */
async function askThrough(
  asked: Asked,
  isOwn: boolean,
  ports: Pick<Ports, 'ask' | 'random'>,
  without: readonly string[] = [],
): Promise<{ readonly told: Told; readonly host: string; readonly path: string } | null> {
  const { route, origin } = asked
  let path = pathAt(origin, upstreamPath({ config: route, rewrite: compileRewrite(route) }, route.path))
  const { host, ...others } = fieldsOf(asked, isOwn)
  for (const name of without) delete others[name.toLowerCase()]
  const fields = { ...others, host }
  for (let left = MOST_REDIRECTS; ; left--) {
    const told = await askPage({ origin, path, fields }, ports)
    if (told === null) return null
    const next = left === 0 || told.location === '' ? null : nextPath(told.location, path, asked)
    if (next === null || next === path) return { told, host, path }
    path = next
  }
}

/** Where a redirect leads within the application; null for anywhere else. */
function nextPath(location: string, path: string, { origin, place, route }: Asked): string | null {
  const here = 'http://here.invalid'
  const url = URL.parse(location, here + path)
  const names = ['here.invalid', place.authority, origin.authority]
  if (route.hostHeader.kind === 'name') names.push(route.hostHeader.name)
  return url !== null && names.includes(url.host) ? url.pathname + url.search : null
}

/** A refusal of a page's own requests at a path of the application, where its own Host passes; null otherwise. */
async function askBehind(
  asked: Asked,
  path: string,
  ports: Pick<Ports, 'ask' | 'random'>,
): Promise<RefusalView | null> {
  const { route, origin } = asked
  const ask = (isOwn: boolean) =>
    askPage({ origin, path: pathAt(origin, (route.addPrefix ?? '') + path), fields: fieldsOf(asked, isOwn) }, ports)
  const told = await ask(false)
  if (told === null || !mayRefuse(told.status)) return null
  const own = await ask(true)
  if (own === null || mayRefuse(own.status)) return null
  const { status, words } = told
  return { kind: 'page', status, words, sent: `Host ${hostOf(asked, false)}`, keys: [OWN_HOST] }
}

/** A refusal of a WebSocket at a path of the application, where it opens to its own pages; null for anything else. */
async function askForSocket(
  asked: Asked,
  path: string,
  ports: Pick<Ports, 'ask' | 'random'>,
): Promise<RefusalView | null> {
  const { route, origin } = asked
  const ask = (isOwn: boolean) => {
    const question = { origin, path: pathAt(origin, (route.addPrefix ?? '') + path) }
    return askSocket({ ...question, fields: { ...fieldsOf(asked, isOwn), origin: pageOrigin(asked, isOwn) } }, ports)
  }
  const told = await ask(false)
  if (told === null || !mayRefuse(told.status) || (await ask(true))?.status !== 101) return null
  const { status, words } = told
  const keys = route.hostHeader.kind === 'upstream' ? [OWN_ORIGIN] : [OWN_HOST, OWN_ORIGIN]
  return { kind: 'websocket', status, words, sent: `Origin ${pageOrigin(asked, false)}`, keys }
}

/**
 * A refusal of what scripts and forms send from the application's pages, where it takes the same from its own address; null for anything else.
 * `hasOwnHost`: its own Host is sent to it either way.
 */
async function askUnsafe(
  asked: Asked,
  page: string,
  hasOwnHost: boolean,
  ports: Pick<Ports, 'ask' | 'random'>,
): Promise<RefusalView | null> {
  const { origin, route } = asked
  const paths = [page, ...GUARDED_PATHS.map(path => pathAt(origin, (route.addPrefix ?? '') + path))]
  const refused = await Promise.all(
    paths.map(async (path): Promise<RefusalView | null> => {
      const from = pageOrigin(asked, false)
      const told = await askFrom(asked, path, hasOwnHost, from, ports)
      if (told === null || !mayRefuse(told.status)) return null
      const own = await askFrom(asked, path, true, pageOrigin(asked, true), ports)
      if (own === null || mayRefuse(own.status)) return null
      const { status, words } = told
      const keys = hasOwnHost ? [OWN_ORIGIN] : [OWN_HOST, OWN_ORIGIN]
      return { kind: 'page', status, words, sent: `${UNSAFE_METHOD} requests with Origin ${from}`, keys }
    }),
  )
  return refused.find(one => one !== null) ?? null
}

/** Asks as a script of a page there does: with the cookies that the page sets, and its token against forged requests. */
async function askFrom(
  asked: Asked,
  path: string,
  isOwn: boolean,
  from: string,
  ports: Pick<Ports, 'ask' | 'random'>,
): Promise<Told | null> {
  const question = { origin: asked.origin, path }
  const fields = fieldsOf(asked, isOwn)
  const page = await askPage({ ...question, fields }, ports)
  if (page === null) return null
  const named = page.cookie.split('; ').find(pair => /csrf/i.test(pair.split('=', 1)[0] ?? ''))
  const token = named?.slice(named.indexOf('=') + 1)
  return askPage(
    {
      ...question,
      method: UNSAFE_METHOD,
      fields: {
        ...fields,
        origin: from,
        referer: from + path,
        ...(page.cookie === '' ? {} : { cookie: page.cookie }),
        ...(token === undefined ? {} : { 'x-csrftoken': token }),
      },
    },
    ports,
  )
}

function pathAt({ address }: Origin, path: string): string {
  return (address.kind === 'unix' ? '' : address.basePath) + path
}

/** The Host that the route sends, or the application's own in its place. */
function hostOf({ route: { hostHeader }, origin, place }: Asked, isOwn: boolean): string {
  if (isOwn || hostHeader.kind === 'upstream') return origin.authority
  return hostHeader.kind === 'name' ? hostHeader.name : place.authority
}

/** The same of Origin, for a page of the public host. */
function pageOrigin(asked: Asked, isOwn: boolean): string {
  const { route, origin, place } = asked
  if (!isOwn && !route.hasOwnOrigin) return `${place.scheme}://${place.authority}`
  return `${origin.address.kind === 'unix' ? 'http' : origin.address.scheme}://${hostOf(asked, isOwn)}`
}

/** What the gate sends in addition. */
function fieldsOf(asked: Asked, isOwn: boolean): Record<string, string> & { readonly host: string } {
  const { route, place } = asked
  const { upstream, stripPrefix } = route
  return {
    host: hostOf(asked, isOwn),
    accept: 'text/html,*/*',
    'accept-encoding': 'identity',
    'user-agent': 'sallyport-doctor',
    'x-forwarded-for': '127.0.0.1',
    'x-real-ip': '127.0.0.1',
    'x-forwarded-host': place.authority,
    'x-forwarded-proto': place.scheme,
    ...(stripPrefix === null ? {} : { 'x-forwarded-prefix': stripPrefix }),
    ...(upstream?.authorization == null ? {} : { authorization: upstream.authorization }),
  }
}

import { GateError } from '../base/errors.ts'
import { isCallback, ownPath } from '../portal/place.ts'
import { type Fields, identityFieldNames } from '../proxy/identity-fields.ts'
import { parseReturnTo } from '../route/return-to.ts'
import { parseTarget } from '../route/target.ts'
import { stripOwnCookies } from '../session/cookie.ts'
import { liveFieldNames } from './live-fields.ts'
import { type Answer, hostField, originOf, type Passage, schemeOf } from './passage.ts'
import type { GateRoute, Prepared } from './snapshot.ts'
import { checkOrigin } from './sockets.ts'

/** What the pipeline does with the request that is asked about, once its route is known. */
export interface VerifySteps {
  /** Counts the request for its client. Throws `limit.rate`. */
  limit(): void
  /** Session, decision, and what it comes to. Throws what a request there would. */
  follow(route: GateRoute, also: readonly GateRoute[]): Answer
  /** The answer for what was thrown. */
  fail(thrown: unknown): Response
}

/** Where Caddy and Traefik ask, whose clients get our answer as it is. */
const RELAYED = ownPath('verify')
/** Where nginx asks, which looks at the status alone. */
const STATUS_ONLY = `${RELAYED}/nginx`

/** Whether this path of ours is one where a proxy in front asks. */
export function asksForVerdict(path: string): boolean {
  return path === RELAYED || path === STATUS_ONLY
}

/**
 * Answers a proxy in front that asks whether a request may pass: 204 with the identity fields where it may, else what the
 * client is to see.
 *
 * Which fields state the request is the address's to say, never the request's: a proxy overwrites its own dialect, and what a
 * client writes in the other one is not read. Only routes with `verify` have an answer: what everybody may see here says nothing about
 * what a proxy in front has under the same name. From then on the passage is that request's, so that the decision, the pages and
 * the access record are the ones it would have had here. Throws `route.none` for any other address than those where proxies ask;
 * where Caddy and Traefik ask, also `access.proxy`, `target.malformed` and what `steps` throw.
 */
export function verify(passage: Passage, steps: VerifySteps): Answer {
  const asked = passage.target?.path
  if (asked === undefined || !asksForVerdict(asked)) {
    throw new GateError('route.none', 'proxies in front ask here for verdicts, and nothing else is served', {
      hint: `let the proxy in front hand ${ownPath('')} and the portal's host on to a public listener`,
    })
  }
  if (asked !== STATUS_ONLY) return decide(passage, steps)
  const conclude = (answer: Response | undefined) => statusOnly(passage, answer)
  const fail = (thrown: unknown) => conclude(steps.fail(thrown))
  try {
    const answer = decide(passage, steps)
    return answer instanceof Promise ? answer.then(conclude, fail) : conclude(answer)
  } catch (thrown) {
    return fail(thrown)
  }
}

function decide(passage: Passage, steps: VerifySteps): Answer {
  if (!passage.isPeerTrusted) {
    throw new GateError('access.proxy', `${passage.peer} is no trusted proxy, and asked for a verdict`, {
      facts: { peer: passage.peer },
      hint: 'if that is your proxy, name its address in trusted_proxies of [server]',
    })
  }
  steps.limit()
  const stated = passage.target?.path === STATUS_ONLY ? readOriginal(passage) : readForwarded(passage)
  const { snapshot } = passage
  const target = parseTarget(stated.method, `http://host${stated.path}`, stated.host)
  if (stated.path.startsWith('//')) throw new GateError('target.ambiguous', 'the path begins with several slashes')
  passage.target = target
  passage.portal = snapshot.portals.lookup(target.host) ?? null
  passage.request = new Request(`http://host${stated.path}`, {
    method: stated.method,
    headers: passage.request.headers,
  })
  passage.sent = { ...passage.sent, 'x-forwarded-proto': stated.scheme }
  passage.isQuestion = true
  const { portal } = passage
  if (target.isReserved || (portal !== null && isCallback({ portal: portal.config, target }))) {
    throw new GateError('route.none', 'a verdict was asked for about a page of our own', {
      hint: `let the proxy in front hand ${ownPath('')} (and callback_path) on to Sallyport, without asking`,
    })
  }
  const match = snapshot.table.match(target)
  if (match === null) throw new GateError('route.none', `no route serves ${target.host}${target.path}`)
  passage.route = match.value
  if (!isAsked(match.value)) {
    throw new GateError(
      'route.none',
      `"${match.value.config.id}" has an answer here, and no proxy in front its application`,
      {
        hint: 'where the proxy in front has the application, the route says verify = true',
      },
    )
  }
  if (!match.also.every(isAsked)) {
    throw new GateError(
      'target.ambiguous',
      'the path can be read as one of which no proxy in front has the application',
    )
  }
  return steps.follow(match.value, match.also)
}

/** Whether the application of a route is behind a proxy in front: what others may do is no word about anything there. */
function isAsked({ config }: GateRoute): boolean {
  return config.answer?.kind === 'verify'
}

/**
 * That the request may pass: the fields that say who is there, and what is left of Cookie and Authorization without our own.
 *
 * Each is there whatever is known, if only empty: a proxy that copies them writes over what its client sent, and Caddy 2.6 writes
 * the name of its own placeholder for one that is missing.
 *
 * Throws `access.origin` for a WebSocket that a page of another site opens where not everybody may pass, or for someone who is signed in.
 */
export function approve(passage: Passage, route: GateRoute, prepared: Prepared): Answer {
  const { sent, target } = passage
  // No hop drops this field of a handshake, as several do with Upgrade.
  const isHandshake = sent['sec-websocket-key'] !== undefined
  const isSomeones = route.config.allow.kind !== 'public' || passage.session !== null
  if (isHandshake && target !== null && isSomeones) {
    checkOrigin(sent.origin ?? null, { route, origin: originOf(passage, target) })
  }
  const live = prepared.live === null ? [] : prepared.live()
  return live instanceof Promise
    ? live.then(fields => approval(passage, route, prepared, fields))
    : approval(passage, route, prepared, live)
}

function approval({ sent }: Passage, { config }: GateRoute, prepared: Prepared, live: Fields): Response {
  const authorization = prepared.authorization === undefined ? sent.authorization : prepared.authorization
  const headers = new Headers({ 'cache-control': 'no-store', authorization: authorization ?? '' })
  headers.set('cookie', (sent.cookie === undefined ? null : stripOwnCookies(sent.cookie)) ?? '')
  for (const name of [...identityFieldNames(config.headers), ...liveFieldNames(config)]) headers.set(name, '')
  for (const [name, value] of [...prepared.fields, ...live]) headers.set(name, value)
  return new Response(null, { status: 204, headers })
}

interface Stated {
  readonly method: string
  readonly host: string | null
  /** With the query; printable ASCII. */
  readonly path: string
  readonly scheme: 'http' | 'https'
}

const METHOD = /^[A-Z-]+$/
const PATH = /^\/[\x21-\x7e]*$/
const URL_PARTS = /^(https?|wss?):\/\/([^/?#\s]+)(\/[\x21-\x7e]*)$/i

/** `X-Forwarded-Method`, `-Uri`, `-Host` and `-Proto`: what Caddy's `forward_auth` and Traefik's ForwardAuth write. */
function readForwarded(passage: Passage): Stated {
  const { sent } = passage
  const method = sent['x-forwarded-method']
  const path = sent['x-forwarded-uri']
  if (method === undefined || path === undefined || !METHOD.test(method) || !PATH.test(path)) {
    throw unstated('X-Forwarded-Method and X-Forwarded-Uri', RELAYED)
  }
  const scheme = sent['x-forwarded-proto']
  return { method, path, host: hostField(passage), scheme: isSecure(scheme) ? 'https' : 'http' }
}

/** `X-Original-Method` and `X-Original-URL`: what nginx is told to write, and the nginx ingress of Kubernetes writes by itself. */
function readOriginal({ sent }: Passage): Stated {
  const method = sent['x-original-method']
  const [, scheme, host, path] = URL_PARTS.exec(sent['x-original-url'] ?? '') ?? []
  if (method === undefined || host === undefined || path === undefined || !METHOD.test(method)) {
    throw unstated('X-Original-Method and X-Original-URL', STATUS_ONLY)
  }
  return { method, host, path, scheme: isSecure(scheme) ? 'https' : 'http' }
}

function isSecure(scheme: string | undefined): boolean {
  return scheme !== undefined && /^(?:https|wss)$/i.test(scheme)
}

function unstated(fields: string, address: string): GateError {
  return new GateError('target.malformed', `${fields} do not state one request`, {
    hint: `at ${address} the proxy in front has to set both, to the method and address that its client asked for`,
  })
}

/**
 * An answer as `auth_request` takes it: 2xx, 401 or 403, since nginx makes a failure of its own of all else. Where the client is
 * to sign in and loads a page, `X-Sallyport-Sign-In` says where.
 */
function statusOnly(passage: Passage, answer: Response | undefined): Response {
  const status = answer?.status ?? 500
  if (answer !== undefined && (status === 204 || status >= 500)) return answer
  const headers = new Headers({ 'cache-control': 'no-store' })
  const location = answer?.headers.get('location')
  if (location) headers.set('x-sallyport-sign-in', signInAddress(passage, location))
  return new Response(null, { status: location || status === 401 ? 401 : 403, headers })
}

/** Our sign-in page on the very host, which can set the cookies that nginx would not relay; it asks for what the redirect asked. */
function signInAddress(passage: Passage, location: string): string {
  const { target } = passage
  if (target === null) throw new TypeError('nobody is sent to sign in before the target is known')
  const query = new URLSearchParams(location.slice(location.indexOf('?') + 1))
  query.delete('to')
  query.set('return', parseReturnTo(target.path + target.query))
  return `${schemeOf(passage)}://${target.authority}${ownPath('login')}?${query}`
}

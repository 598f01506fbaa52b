import { GateError } from '../../../base/errors.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { isCallback, ownPath } from '../../../portal/place.ts'
import { FRAMING, foldName, PROVIDER_FIELDS } from '../../../proxy/fields/names.ts'
import { isOvertaken } from '../../../proxy/lifetime/exchanges.ts'
import { parseReturnTo } from '../../../route/return-to.ts'
import type { Match } from '../../../route/table.ts'
import { parseTarget } from '../../../route/target.ts'
import type { GateRoute, ToldFields } from '../../config/snapshot.ts'
import { refuseTwoAddresses } from '../client-address.ts'
import { type MaybeResponse, originOf, type RequestContext } from '../context.ts'
import { limitClient } from '../limit.ts'
import { nothingAt } from '../locate.ts'
import { fail } from '../record.ts'
import type { PipelineTools } from '../tools.ts'
import { isAsked } from './approve.ts'
import { type Dialect, dialectAt, type Stated } from './dialects.ts'

/** The steps of the request that is asked about, once its route is known. Throws what a request there would. */
type GoThrough = (context: RequestContext, tools: PipelineTools, match: Match<GateRoute>) => MaybeResponse

/**
 * Answers a proxy in front that asks whether a request may pass: 204 (200 for Envoy) with the identity fields where it may, else what the
 * client is to see.
 *
 * Which fields state the request is the address's to say, never the request's: a proxy overwrites its own dialect, and what a
 * client writes in the other one is not read. Only routes with `verify` have an answer: what everybody may see here says nothing about
 * what a proxy in front has under the same name. From then on the context is that request's, so that the decision, the pages and
 * the access record are the ones it would have had here. Throws `route.none` for any other address than those where proxies ask
 * (`route.own` for a page of our own); but where the status alone is looked at, also `access.proxy`, `target.malformed`,
 * `target.header` and what the steps throw.
 */
export function verify(context: RequestContext, tools: PipelineTools, goThrough: GoThrough): MaybeResponse {
  const { request, sent } = context
  context.target = parseTarget(request.method, request.url, sent.host ?? null)
  const dialect = dialectAt(context.target.path)
  if (dialect === null) {
    const code = context.target.isReserved ? 'route.own' : 'route.none'
    throw new GateError(code, 'proxies in front ask here for verdicts, and nothing else is served', {
      hint: `let the proxy in front hand ${ownPath('')} and the portal's host on to a public listener`,
    })
  }
  const conclude = (answer: Response | undefined) =>
    dialect.isStatusOnly ? statusOnly(context, answer) : relayed(context, answer)
  const refuse = (thrown: unknown) => {
    // It begins again, with the question.
    if (isOvertaken(thrown)) throw thrown
    return andThen(fail(thrown, context, tools), conclude)
  }
  try {
    const answer = goThrough(context, tools, locateAsked(context, tools, dialect))
    return answer instanceof Promise ? answer.then(conclude, refuse) : conclude(answer)
  } catch (thrown) {
    return refuse(thrown)
  }
}

/** Makes the context that of the request that is asked about, counts it, and finds its route. */
function locateAsked(context: RequestContext, tools: PipelineTools, dialect: Dialect): Match<GateRoute> {
  if (!context.isPeerTrusted) {
    throw new GateError('access.proxy', `${context.peer} is no trusted proxy, and asked for a verdict`, {
      facts: { peer: context.peer },
      hint: 'if that is your proxy, name its address in trusted_proxies of [server]',
    })
  }
  limitClient(context, tools)
  refuseTwoAddresses(context)
  refuseLists(context, dialect)
  const stated = dialect.read(context, dialect.address)
  const { snapshot } = context
  const target = parseTarget(stated.method, `http://host${stated.path}`, stated.host)
  if (stated.path.startsWith('//')) throw new GateError('target.ambiguous', 'the path begins with several slashes')
  context.target = target
  context.portal = snapshot.portals.lookup(target.host) ?? null
  becomeAsked(context, stated)
  if (context.sent['x-forwarded-proto'] !== stated.scheme) {
    context.sent = { ...context.sent, 'x-forwarded-proto': stated.scheme }
  }
  context.question = dialect
  const { portal } = context
  if (target.isReserved || (portal !== null && isCallback({ portal: portal.config, target }))) {
    throw new GateError('route.own', 'a verdict was asked for about a page of our own', {
      hint: `let the proxy in front hand ${ownPath('')} (and callback_path) on to Sallyport, without asking`,
    })
  }
  const match = snapshot.table.match(target)
  if (match === null) throw nothingAt(context, target)
  context.route = match.value
  const { told, config } = match.value
  if (told === null) {
    throw new GateError('route.none', `"${config.id}" has an answer here, and no proxy in front its application`, {
      hint: 'where the proxy in front has the application, the route says verify = true',
    })
  }
  if (!match.also.every(isAsked)) {
    throw new GateError('target.ambiguous', 'the path may be read as one whose application no proxy in front has')
  }
  refuseFields(context, told, stated)
  return match
}

/**
 * Puts the request that is asked about in the place of the one that asks. It is made for whoever looks at it, which a verdict that lets
 * pass does not: 3 µs of some 25.
 */
function becomeAsked(context: RequestContext, { path, method }: Stated): void {
  const { headers } = context.request
  let made: Request | null = null
  Object.defineProperty(context, 'request', {
    configurable: true,
    enumerable: true,
    get: () => {
      made ??= new Request(`http://host${path}`, { method, headers })
      return made
    },
    set(other: Request) {
      made = other
    },
  })
}

/** What presets write for portals with several providers alone: a proxy in front may not know that it is among the fields to write over. */
const PROVIDER_NAMES: ReadonlySet<string | null> = new Set(Object.values(PROVIDER_FIELDS))

/**
 * Refuses a question that says itself who may pass, as oauth2-proxy's could (`?allowed_groups=staff`): a verdict without that would let
 * in more people. Below Envoy's address the query is its client's.
 */
function refuseLists({ target }: RequestContext, { address }: Dialect): void {
  if (target === null || target.query === '' || address.endsWith('/')) return
  for (const name of new URLSearchParams(target.query).keys()) {
    if (!name.startsWith('allowed_')) continue
    throw new GateError(
      'target.malformed',
      `the address that was asked says ${name.slice(0, 100)}, which no verdict heeds`,
      {
        hint: 'write it as a rule of allow into a route, with a path or host of its own, and take it off the address',
      },
    )
  }
}

/**
 * Refuses a field that an application may take for one that says who is there: another spelling of one that we write
 * (`Remote_User`), or what another gate would write; one by which it would act at another path; and another spelling of what says by
 * which way its client came, or where its body ends. The proxy in front writes over ours, and passes all others on. Nobody sends such a
 * field in good faith.
 */
function refuseFields({ sent, snapshot }: RequestContext, { names }: ToldFields, { path }: Stated): void {
  for (const name in sent) {
    const fate = snapshot.fateOf(name)
    if (fate === 'drop') {
      const mistaken = takenFor(name, sent[name] ?? '', path)
      if (mistaken === null) continue
      const what = `the field ${name.slice(0, 100)} may be taken for one that says ${mistaken}`
      const hint = 'no client sends it in good faith; let the proxy in front take it off, if it comes from there'
      throw new GateError('target.header', what, { hint })
    }
    if (fate !== 'path' && (fate !== 'identity' || (names.has(name) && !PROVIDER_NAMES.has(name)))) continue
    const says = fate === 'path' ? 'what else is asked for' : 'who is there'
    const what = `the field ${name.slice(0, 100)} may be taken for one that says ${says}`
    const hint = 'if the proxy in front sets it, and its clients cannot, name it in trusted_fields of [server]'
    throw new GateError('target.header', what, { hint })
  }
}

/** Where some frameworks find the path that was asked for (Symfony, IIS, Zend, Spring), which a proxy in front may say as it is. */
const PATHS_SAID: ReadonlySet<string> = new Set([
  'x-original-url',
  'x-original-uri',
  'x-original-path',
  'x-forwarded-uri',
  'x-forwarded-path',
  'x-envoy-original-path',
])

/**
 * What an application may take a field for that it would not get from this gate: another path than the one that is judged; or, in a spelling
 * that the proxy in front does not know, what it writes or takes off in the usual one. null for any other.
 */
function takenFor(name: string, value: string, path: string): string | null {
  const folded = foldName(name)
  const isOdd = folded !== name
  if (PATHS_SAID.has(folded)) {
    const said = value.replace(/^[a-z]+:\/\/[^/?#]*/i, '')
    const [plain] = path.split('?', 1)
    return !isOdd && (said === '' || said === path || said === plain) ? null : 'what else is asked for'
  }
  if (isOdd && folded.startsWith('x-forwarded-')) return 'by which way its client came'
  return isOdd && FRAMING.includes(folded) ? 'where its body ends' : null
}

/** What the client is to see, as the proxy in front passes it on; Traefik takes an address without a host for one of ours. */
function relayed(context: RequestContext, answer: Response | undefined): Response | undefined {
  const location = answer?.headers.get('location')
  if (answer === undefined || context.target === null || !location?.startsWith('/')) return answer
  answer.headers.set('location', originOf(context, context.target) + location)
  return answer
}

/**
 * An answer as `auth_request` takes it: 2xx, 401 or 403, since nginx makes a failure of its own of all else. Where the client is
 * to sign in and loads a page, `X-Sallyport-Sign-In` says where; nginx hands a 401's WWW-Authenticate on by itself.
 */
function statusOnly(context: RequestContext, answer: Response | undefined): Response {
  const status = answer?.status ?? 500
  if (answer !== undefined && (status === 204 || status >= 500)) return answer
  const headers = new Headers({ 'cache-control': 'no-store' })
  const location = answer?.headers.get('location')
  if (location) headers.set('x-sallyport-sign-in', signInAddress(context, location))
  const challenges = status === 401 ? answer?.headers.get('www-authenticate') : null
  if (challenges) headers.set('www-authenticate', challenges)
  return new Response(null, { status: location || status === 401 ? 401 : 403, headers })
}

/** Our sign-in page on the very host, which can set the cookies that nginx would not relay; it asks for what the redirect asked. */
function signInAddress(context: RequestContext, location: string): string {
  const { target } = context
  if (target === null) throw new TypeError('nobody is sent to sign in before the target is known')
  const query = new URLSearchParams(location.slice(location.indexOf('?') + 1))
  query.delete('to')
  query.set('return', parseReturnTo(target.path + target.query))
  return `${originOf(context, target)}${ownPath('login')}?${query}`
}

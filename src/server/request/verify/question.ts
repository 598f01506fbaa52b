/** Answers a proxy in front that asks whether a request may pass (forward auth). */

import { GateError } from '../../../base/errors.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { foldFieldName } from '../../../config/values/headers.ts'
import { isCallback, ownPath } from '../../../portal/paths.ts'
import { FRAMING, PROVIDER_FIELDS } from '../../../proxy/fields/names.ts'
import { isOvertaken } from '../../../proxy/lifetime/exchanges.ts'
import { parseReturnTo } from '../../../route/return-to.ts'
import { parseTarget } from '../../../route/target.ts'
import type { ToldFields } from '../../config/snapshot.ts'
import { refuseTwoAddresses } from '../client-address.ts'
import { type Located, type MaybeResponse, originOf, type RequestContext } from '../context.ts'
import { fail } from '../errors/fail.ts'
import { limitClient } from '../limit.ts'
import { nothingAt } from '../locate.ts'
import type { PipelineTools } from '../tools.ts'
import { isAsked } from './approve.ts'
import { type Dialect, dialectAt, type Stated } from './dialects.ts'

/** The steps of the request that is asked about, once its route is known. Throws what a request there would. */
type GoThrough = (context: Located, tools: PipelineTools) => MaybeResponse

/**
 * Answers a proxy in front that asks whether a request may pass: 204 (200 for Envoy) with the identity fields where it
 * may, otherwise the answer for the client.
 *
 * The address decides which fields state the request, never the request itself. A proxy overwrites the fields of its
 * dialect, and Sallyport does not read a client's fields of the other dialect. Only routes with `verify` have an
 * answer: a public page here says nothing about the proxy's site of the same name. From then on the context is that of
 * the request in question. So the decision, the pages and the access record are the ones that it would have had here.
 * Throws `route.none` for any other address than those where proxies ask (`route.own` for one of Sallyport's pages).
 * Where the proxy looks only at the status, it also throws `access.proxy`, `target.malformed`, `target.header` and the
 * errors of the steps.
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
    locateAsked(context, tools, dialect)
    const answer = goThrough(context, tools)
    return answer instanceof Promise ? answer.then(conclude, refuse) : conclude(answer)
  } catch (thrown) {
    return refuse(thrown)
  }
}

/** Makes the context that of the request that is asked about, counts it, and finds its route. */
function locateAsked(context: RequestContext, tools: PipelineTools, dialect: Dialect): asserts context is Located {
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
  const { headers } = context.request
  const { method, path } = stated
  context.becomes(() => new Request(`http://host${path}`, { method, headers }))
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
  context.match = match
  context.route = match.value
  const { told, config } = match.value
  if (told === null) {
    throw new GateError('route.none', `"${config.id}" has an answer here, and no proxy in front its application`, {
      hint: 'where the proxy in front has the application, the route says verify = true',
    })
  }
  if (!match.also.every(isAsked)) {
    throw new GateError(
      'target.ambiguous',
      'the path may be read as one of another application, which no proxy in front has',
    )
  }
  refuseFields(context, told, stated)
}

/**
 * Fields that presets write only for portals with several providers: a proxy in front may not know that it has to
 * overwrite them.
 */
const PROVIDER_NAMES: ReadonlySet<string | null> = new Set(Object.values(PROVIDER_FIELDS))

/**
 * Refuses a question that itself says who may pass, as oauth2-proxy's could (`?allowed_groups=staff`). A verdict that
 * ignores the list would let more people in. Below Envoy's address the query is the client's.
 */
function refuseLists({ target }: RequestContext, { address }: Dialect): void {
  if (target === null || target.query === '' || address.endsWith('/')) return
  for (const name of new URLSearchParams(target.query).keys()) {
    if (!name.startsWith('allowed_')) continue
    throw new GateError(
      'target.malformed',
      `the address that was asked says ${name.slice(0, 100)}, which no verdict heeds`,
      {
        hint: 'write it as a rule of allow into a route, with a separate path or host, and remove it from the address',
      },
    )
  }
}

/**
 * Refuses a field that an application may take for identity or routing. It may be another spelling of an identity
 * field that Sallyport writes (`Remote_User`), or a field that another gate would write. It may be a field that makes
 * the application act at another path. It may be another spelling of a field that says by which way the client came,
 * where its body ends, or what a rule looks at. The proxy in front overwrites Sallyport's fields, and passes all others on. No honest client
 * sends such a field.
 */
function refuseFields({ sent, snapshot }: RequestContext, { names }: ToldFields, { path }: Stated): void {
  for (const name in sent) {
    const fate = snapshot.fateOf(name)
    if (fate === 'drop' || fate === 'alias') {
      const mistaken = fate === 'alias' ? 'one that decides here' : takenFor(name, sent[name] ?? '', path)
      if (mistaken === null) continue
      const what = `an application may read the field ${name.slice(0, 100)} as ${mistaken}`
      const hint = 'no client sends it in good faith; let the proxy in front take it off, if it comes from there'
      throw new GateError('target.header', what, { hint })
    }
    if (fate !== 'path' && (fate !== 'identity' || (names.has(name) && !PROVIDER_NAMES.has(name)))) continue
    const says = fate === 'path' ? 'what else is asked for' : 'who is there'
    const what = `an application may read the field ${name.slice(0, 100)} as ${says}`
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

/** A name as `foldFieldName` writes it. */
const FOLDED = /^[a-z0-9-]*$/

/**
 * What an application may read from a field that this gate would not send. It may be another path than the judged one.
 * It may be a field that the proxy in front overwrites or removes, in a spelling that the proxy does not know. null
 * for any other field.
 */
function takenFor(name: string, value: string, path: string): string | null {
  const isOdd = !FOLDED.test(name)
  const folded = isOdd ? foldFieldName(name) : name
  if (PATHS_SAID.has(folded)) {
    if (!isOdd && value === path) return null
    const said = value.replace(/^[a-z]+:\/\/[^/?#]*/i, '')
    const [plain] = path.split('?', 1)
    return !isOdd && (said === '' || said === path || said === plain) ? null : 'what else is asked for'
  }
  if (isOdd && folded.startsWith('x-forwarded-')) return 'by which way its client came'
  return isOdd && FRAMING.includes(folded) ? 'where its body ends' : null
}

/**
 * The answer for the client, in the form that the proxy in front passes on. Traefik takes an address without a host
 * for one of Sallyport's.
 */
function relayed(context: RequestContext, answer: Response | undefined): Response | undefined {
  const location = answer?.headers.get('location')
  if (answer === undefined || context.target === null || !location?.startsWith('/')) return answer
  answer.headers.set('location', originOf(context, context.target) + location)
  return answer
}

/**
 * An answer for `auth_request`: 2xx, 401 or 403, since nginx turns every other status into a failure. Where the client
 * has to sign in and loads a page, `X-Sallyport-Sign-In` gives the address. nginx passes on a 401's WWW-Authenticate
 * without configuration.
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

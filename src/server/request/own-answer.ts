/** What a route answers by itself, and the rules for fields of answers. */

import { GateError } from '../../base/errors.ts'
import { andThen } from '../../base/maybe-promise.ts'
import { isShutOut } from '../../policy/policy.ts'
import { keepFromSharedCaches } from '../../proxy/fields/caching.ts'
import type { Fields } from '../../proxy/fields/identity.ts'
import { type BoundRules, changeHeaders, type RequestValues } from '../../proxy/fields/rules.ts'
import { parseTarget, type Target } from '../../route/target.ts'
import { type GateRoute, upstreamPath } from '../config/snapshot.ts'
import { type Decided, type MaybeResponse, type RequestContext, schemeOf, type Targeted } from './context.ts'
import { tellsOfWebSocket } from './handshake.ts'
import { isOpenTo, presentAt } from './open-to.ts'
import { requestFacts } from './policy-input.ts'

/** What templates can say of a request. Asked for only where a route has templates. */
export function requestValues(context: Targeted): RequestValues {
  const { host, path, query, method } = context.target
  return { host, path, query, method, client: context.client, request_id: context.id, scheme: schemeOf(context) }
}

/**
 * The answer with a route's rules applied, where it has rules. An established WebSocket has no answer to change. An
 * answer with `isPrivate` stays private, despite the rules.
 */
export function changeAnswer(
  answer: MaybeResponse,
  rules: BoundRules | null,
  values: RequestValues,
  isPrivate: boolean,
): MaybeResponse {
  return rules === null ? answer : andThen(answer, change, rules, values, isPrivate)
}

function change(
  response: Response | undefined,
  rules: BoundRules,
  values: RequestValues,
  isPrivate: boolean,
): Response | undefined {
  if (response === undefined) return response
  changeHeaders(response.headers, rules, values)
  if (isPrivate) keepFromSharedCaches(response.headers)
  return response
}

/** The answer with the fields that say who asked, where there are any; but for one that a shared cache may hand to others. */
export function tellAnswer(answer: MaybeResponse, fields: Fields, isPrivate: boolean): MaybeResponse {
  return fields.length === 0 || !isPrivate ? answer : andThen(answer, tell, fields)
}

function tell(response: Response | undefined, fields: Fields): Response | undefined {
  if (response !== undefined) for (const [name, value] of fields) response.headers.set(name, value)
  return response
}

/** A redirect, a fixed response or a file: what a route answers that has no upstream. */
export function answerItself(context: Decided): MaybeResponse {
  const { target, route, grant } = context
  const { answering } = route
  if (answering === null) throw new TypeError(`${route.config.id} leads nowhere`)
  const values = requestValues(context)
  const path = upstreamPath(route, target.path)
  const isClosed = (ending: string) => isClosedWith(ending, context, target, route)
  const answer = answering({ request: context.request, path, query: target.query, values, isClosedWith: isClosed })
  return andThen(answer, response => {
    if (grant.responseRules !== null) changeHeaders(response.headers, grant.responseRules, values)
    if (context.isPrivate) keepFromSharedCaches(response.headers)
    return response
  })
}

/** The file of a route whose folder comes before its upstream; null: no file has this name. */
export async function findFile(context: Decided): Promise<Response | null> {
  try {
    return (await answerItself(context)) ?? null
  } catch (error) {
    if (error instanceof GateError && error.code === 'files.none') return null
    throw error
  }
}

/**
 * Whether the address with this ending is closed to the client: by the `deny` of the route itself, or by another route
 * that has it. One that redirects closes nothing: it sends browsers to the shorter address.
 *
 * Absent on purpose: `allow` of the route itself, which may well name the shorter address alone.
 */
export function isClosedWith(ending: string, context: RequestContext, target: Target, route: GateRoute): boolean {
  const { snapshot, session, found, sent } = context
  const named = parseTarget(target.method, target.path + ending + target.query, target.authority)
  const factsOf = (there: typeof session) => ({ ...requestFacts(context, there), target: named })
  if (isShutOut(route.policy, session?.identity ?? null, factsOf(session))) return true
  const match = snapshot.table.match(named)
  if (match === null) return false
  return [match.value, ...match.also].some(other => {
    if (other === route || other.config.answer?.kind === 'redirect') return false
    const there = presentAt(other, found)
    return !isOpenTo(other, there?.identity ?? null, factsOf(there), () => tellsOfWebSocket(sent))
  })
}

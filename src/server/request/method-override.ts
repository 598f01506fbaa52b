/** Holds a request to the method by which it is judged. */

import { GateError } from '../../base/errors.ts'
import { overridingField, overridingParameter, withoutOverrides } from '../../proxy/fields/method-overrides.ts'
import type { RequestContext } from './context.ts'

/**
 * Holds a request to its judged method: removes fields by which an application would use another one.
 *
 * Throws what `refuseOverrides` does.
 */
export function holdToMethod(context: RequestContext): void {
  refuseOverrides(context)
  if (context.question === null && !context.isMention)
    context.sent = withoutOverrides(context.sent, context.snapshot.fateOf)
}

/**
 * Refuses another method that cannot be removed: in a parameter, since queries pass unchanged; and in any field where
 * a proxy in front asks for a verdict, since that proxy forwards the request, or where another request mentions this
 * one.
 *
 * Throws `access.denied`. Absent on purpose: bodies, which are not read here.
 */
export function refuseOverrides({ question, isMention, sent, snapshot, target }: RequestContext): void {
  const parameter = target === null ? null : overridingParameter(target.query)
  if (parameter !== null) throw refusal(`the parameter ${parameter.slice(0, 100)}`)
  const field = question !== null || isMention ? overridingField(sent, snapshot.fateOf) : null
  if (field !== null) throw refusal(`the field ${field.slice(0, 100)}`)
}

function refusal(what: string): GateError {
  return new GateError('access.denied', `${what} names another method than the one of the request`, {
    hint: 'rules, methods or a token look at the method here: ask with the method itself',
  })
}

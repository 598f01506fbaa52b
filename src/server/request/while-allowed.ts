import type { MaybePromise } from '../../base/maybe-promise.ts'
import { type Exchanges, whileAllowed as hold, overtaken } from '../../proxy/lifetime/exchanges.ts'
import type { RequestContext } from './context.ts'
import { tellsOfWebSocket } from './handshake.ts'
import { provenClient } from './policy-input.ts'

type Rest = readonly [unknown?, unknown?, unknown?, unknown?]

/**
 * Continues with the value: at once if it is here, otherwise when it arrives, unless the request's permission ends
 * meanwhile. It is the only wait between the decision about a request and its upstream (`test/arch/waits.test.ts`).
 *
 * A waiting request is one of the exchanges, by its request context: a sign-out, a reload or a lost role ends it at
 * once. If the snapshot or the session has changed afterwards, the request does not continue even where it is still
 * allowed: its preparation is out of date. Both reject with `overtaken`, and the pipeline begins again. `rest` is
 * passed on, so that no closure is needed.
 */
export function whileAllowed<Found, Tools extends { readonly exchanges: Exchanges }, Given extends Rest, Made>(
  found: MaybePromise<Found>,
  context: RequestContext,
  tools: Tools,
  step: (found: Found, context: RequestContext, tools: Tools, ...rest: Given) => MaybePromise<Made>,
  ...rest: Given
): MaybePromise<Made>
export function whileAllowed(
  found: unknown,
  context: RequestContext,
  tools: { readonly exchanges: Exchanges },
  step: (found: unknown, context: RequestContext, tools: unknown, ...rest: Rest) => unknown,
  one?: unknown,
  two?: unknown,
  three?: unknown,
  four?: unknown,
): unknown {
  if (!(found instanceof Promise)) return step(found, context, tools, one, two, three, four)
  const owner = ownerOf(context)
  return hold(tools.exchanges, owner, found, later => {
    if (hasChanged(context, tools.exchanges)) throw overtaken(owner, 'what it was decided by has changed')
    return step(later, context, tools, one, two, three, four)
  })
}

/** Whether a decision about this request may be another one by now. */
function hasChanged({ moment, found, session }: RequestContext, exchanges: Exchanges): boolean {
  return exchanges.hasChanged(moment, found) || (session !== found && exchanges.hasChanged(moment, session))
}

/** The owner as far as it is known: none until the decision has begun. */
function ownerOf(context: RequestContext): Parameters<typeof hold>[1] {
  const { route, session, elsewhere, target, sent } = context
  if (route === null || target === null) throw new TypeError('a request is decided about only once its route is known')
  return {
    routeId: route.config.id,
    session,
    elsewhere,
    method: target.method,
    client: provenClient(context),
    target,
    sent,
    isWebSocket: tellsOfWebSocket(sent),
  }
}

/** The only wait between a decision and the upstream: it ends when the permission does. */

import type { MaybePromise } from '../../base/maybe-promise.ts'
import { type ExchangeOwner, type Exchanges, whileAllowed as hold, overtaken } from '../../proxy/lifetime/exchanges.ts'
import { type Located, provenClient, tellsOfWebSocket } from './context.ts'

type Rest = readonly [unknown?]

/**
 * Continues with the value: at once if it is here, otherwise when it arrives, unless the request's permission ends
 * meanwhile. It is the only wait between the decision about a request and its upstream (`test/arch/waits.test.ts`).
 *
 * A waiting request is one of the exchanges, by its request context: a sign-out, a reload or a lost role ends it at
 * once. If the snapshot or the session has changed afterwards, the request does not continue even where it is still
 * allowed: its preparation is out of date. Both reject with `overtaken`, and the pipeline begins again. `rest` is
 * passed on, so that no closure is needed.
 */
export function whileAllowed<
  Found,
  Context extends Located,
  Tools extends { readonly exchanges: Exchanges },
  Given extends Rest,
  Made,
>(
  found: MaybePromise<Found>,
  context: Context,
  tools: Tools,
  step: (found: Found, context: Context, tools: Tools, ...rest: Given) => MaybePromise<Made>,
  ...rest: Given
): MaybePromise<Made>
export function whileAllowed(
  found: unknown,
  context: Located,
  tools: { readonly exchanges: Exchanges },
  step: (found: unknown, context: Located, tools: unknown, ...rest: Rest) => unknown,
  one?: unknown,
): unknown {
  return found instanceof Promise ? later(found, context, tools, step, one) : step(found, context, tools, one)
}

function later(
  found: Promise<unknown>,
  context: Located,
  tools: { readonly exchanges: Exchanges },
  step: (found: unknown, context: Located, tools: unknown, ...rest: Rest) => unknown,
  one: unknown,
): Promise<unknown> {
  const owner = waitingOwner(context)
  return hold(tools.exchanges, owner, found, value => {
    if (hasChanged(context, tools.exchanges)) throw overtaken(owner, 'what the decision depended on has changed')
    return step(value, context, tools, one)
  })
}

/** Whether a decision about this request may be another one by now. */
function hasChanged({ moment, found, session }: Located, exchanges: Exchanges): boolean {
  return exchanges.hasChanged(moment, found) || (session !== found && exchanges.hasChanged(moment, session))
}

/** The owner as far as it is known: none until the decision has begun. */
function waitingOwner(context: Located): ExchangeOwner {
  const { route, session, elsewhere, target, sent } = context
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

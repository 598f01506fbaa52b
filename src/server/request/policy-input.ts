/** What rules may look at in a request. */

import type { Facts } from '../../policy/condition.ts'
import type { ExchangeOwner } from '../../proxy/lifetime/exchanges.ts'
import { isSignIn } from '../../session/credentials/credential-sessions.ts'
import type { Session } from '../../session/session.ts'
import { methodOf, type RequestContext } from './context.ts'

/** The client's address where it is beyond doubt, else null. */
export function provenClient({ client, isClientProven }: RequestContext): string | null {
  return isClientProven ? client : null
}

/** What rules may look at in a request. Asked for only where a route's rules look at anything. */
export function requestFacts(context: RequestContext, session: Session | null): Facts {
  return {
    method: methodOf(context),
    client: provenClient(context),
    target: context.target,
    sent: context.sent,
    nowMs: context.decidedMs,
    signedInAtMs: signedInAtMs(session),
  }
}

/** The same for an exchange that is under way already, at the present time. */
export function exchangeFacts({ method, client, target, sent, session }: ExchangeOwner, nowMs: number): Facts {
  return { method, client, target, sent, nowMs, signedInAtMs: signedInAtMs(session) }
}

/** A token is no sign-in, however new it is. */
function signedInAtMs(session: Session | null): number | null {
  return session === null || !isSignIn(session) ? null : session.createdAtMs
}

import { GateError } from '../../base/errors.ts'
import { allowsMethod, type Decision, decideAccess, decidePolicy, looksAtMethod } from '../../policy/policy.ts'
import type { MaybePromise, Session } from '../../session/session.ts'
import type { GateRoute, Prepared } from '../config/snapshot.ts'
import { finishRefusal, isPreflight } from './cors.ts'
import { findMachine, type Machine } from './credentials.ts'
import { findGuest } from './guests.ts'
import { judgeMentions, MAY_BE, mentionsOthers } from './mentions.ts'
import { holdToMethod, refuseOverrides } from './method-override.ts'
import { pass } from './pass.ts'
import { type Answer, type Passage, sessionToken } from './passage.ts'
import { requestFacts } from './policy-input.ts'
import { portalRequest } from './portal-request.ts'
import { prepareSession } from './prepare.ts'
import { passKept } from './replay.ts'
import type { PipelineTools } from './tools.ts'
import { approve } from './verify.ts'

/**
 * The route is known: finds out who asks, decides, and acts on the verdict. `also` are those that another reading of the path would reach.
 *
 * Answers what the request comes to, or `MAY_BE` where another one mentions it. Throws what refuses it without a verdict: `access.*`,
 * `limit.rate`, `route.service_worker`, `target.ambiguous`, and what forwarding does.
 */
export function enterRoute(
  passage: Passage,
  tools: PipelineTools,
  route: GateRoute,
  also: readonly GateRoute[],
): Answer {
  const { target, portal } = passage
  if (target === null) throw new TypeError('a route is entered only by a known target')
  if (!route.config.serviceWorkers && asksForServiceWorker(passage)) {
    throw new GateError('route.service_worker', 'the script of a service worker was asked for', {
      facts: { route: route.config.id },
      hint: `if the application may have one, remove service_workers from "${route.config.id}"`,
    })
  }
  // Who is signed in is looked up only after what does not depend on it.
  if (!passage.isMention) {
    if (mentionsOthers(passage.sent)) passage.asked = { ...passage }
    if (route.rate !== null && route.rate.by !== 'user') tools.rates.take(route.rate, passage.client, null)
  }
  const machine = findMachine(passage, tools, route)
  if (machine !== null) {
    return machine instanceof Promise
      ? machine.then(found => settleMachine(passage, tools, route, found, also))
      : settleMachine(passage, tools, route, machine, also)
  }
  if ((!route.needsSession && also.length === 0) || portal === null) {
    return settle(passage, tools, route, null, also)
  }
  const token = sessionToken(passage)
  if (token === null) return settle(passage, tools, route, null, also)
  const session = tools.sessions.find(token, target.host)
  return session instanceof Promise
    ? session.then(found => settle(passage, tools, route, found, also))
    : settle(passage, tools, route, session, also)
}

/** Another reading of the path must not lead to a route that does not take what was brought, or to another portal with like-named roles. */
function settleMachine(
  passage: Passage,
  tools: PipelineTools,
  route: GateRoute,
  { session, denial, by }: Machine,
  also: readonly GateRoute[],
): Answer {
  if (denial !== null) {
    passage.session = session
    return turnAway(passage, tools, denial)
  }
  const stray =
    session === null ? undefined : also.find(({ config }) => !config[by] || config.portal !== route.config.portal)
  if (stray !== undefined) throw ambiguousPath(route, stray)
  return settle(passage, tools, route, session, also)
}

function ambiguousPath(route: GateRoute, other: GateRoute): GateError {
  return new GateError('target.ambiguous', `the path can be read as one under "${other.config.id}"`, {
    facts: { route: route.config.id, other: other.config.id },
  })
}

/** Session known (or nobody): decide, then act on the verdict. */
function settle(
  passage: Passage,
  tools: PipelineTools,
  route: GateRoute,
  found: Session | null,
  also: readonly GateRoute[],
): Answer {
  const session = found !== null && found.portal === route.config.portal ? found : null
  passage.session = session
  if (route.rate !== null && route.rate.by === 'user' && !passage.isMention)
    tools.rates.take(route.rate, passage.client, session)
  const identity = session?.identity ?? null
  if (!allowsMethod(route.policy, passage.request.method)) {
    const decision = decidePolicy(route.policy, identity, requestFacts(passage, session))
    return turnAway(passage, tools, decision)
  }
  const prepared = session === null ? route.anonymous : prepareSession(route, session, tools)
  const decision = prepared.decision ?? decideAccess(route.policy, identity, requestFacts(passage, session))
  const isExcused = decision.verdict === 'sign-in' && route.config.corsPreflight && isPreflight(passage)
  if (decision.verdict !== 'allow' && !isExcused) {
    if (!route.takesGuests || passage.token !== null) return turnAway(passage, tools, decision)
    const guest = findGuest(passage, tools, route, also)
    return guest instanceof Promise
      ? guest.then(found => settleGuest(passage, tools, route, found, also, decision))
      : settleGuest(passage, tools, route, guest, also, decision)
  }
  // Nobody is asked who they are for OPTIONS alone: nothing may name another method to the application.
  if (isExcused) holdToMethod(passage)
  return proceed(passage, tools, route, prepared, found, also)
}

/** Whoever may not pass as themselves may still have a guest link for this address. */
function settleGuest(
  passage: Passage,
  tools: PipelineTools,
  route: GateRoute,
  guest: Session | null,
  also: readonly GateRoute[],
  refusal: Decision,
): Answer {
  if (guest === null) return turnAway(passage, tools, refusal)
  const prepared = prepareSession(route, guest, tools)
  const decision = prepared.decision ?? decideAccess(route.policy, guest.identity, requestFacts(passage, guest))
  // A guest who comes at the wrong time is told so, instead of being asked for an account.
  if (decision.verdict !== 'allow') return turnAway(passage, tools, refusal.verdict === 'sign-in' ? decision : refusal)
  passage.session = guest
  return proceed(passage, tools, route, prepared, guest, also)
}

/** Allowed here, as whoever was found, and in every other reading of the path: on it goes. */
function proceed(
  passage: Passage,
  tools: PipelineTools,
  route: GateRoute,
  prepared: Prepared,
  found: Session | null,
  also: readonly GateRoute[],
): Answer {
  for (const other of also) {
    // Who somebody is counts there as it would if that route were asked for, whatever this one looks at.
    const there = found !== null && found.portal === other.config.portal ? found : null
    const { verdict } = decidePolicy(other.policy, there?.identity ?? null, requestFacts(passage, there))
    if (verdict !== 'allow') throw ambiguousPath(route, other)
    // The other route was asked about this method, and no field may name another to its application.
    if (looksAtMethod(other.policy)) holdToMethod(passage)
  }
  if (looksAtMethod(route.policy)) refuseOverrides(passage)
  if (passage.isMention) return MAY_BE
  if (passage.asked === null || (route.upstream === null && passage.question === null))
    return goOn(passage, tools, route, prepared)
  return judgeMentions(passage.asked, route, (there, its, also) => enterRoute(there, tools, its, also)).then(
    mentions => {
      passage.mentions = mentions
      return goOn(passage, tools, route, prepared)
    },
  )
}

/** Everything has been decided. */
function goOn(passage: Passage, tools: PipelineTools, route: GateRoute, prepared: Prepared): Answer {
  if (passage.question !== null) return approve(passage, route, prepared)
  return route.config.keepPostsBytes === null
    ? pass(passage, tools, route, prepared)
    : passKept(passage, tools, route, prepared)
}

/** Whether a browser registers a service worker, or looks for a newer one (Service Workers §4.2.1, W3C Fetch Metadata §2.1). */
function asksForServiceWorker({ sent }: Passage): boolean {
  return sent['service-worker'] !== undefined || sent['sec-fetch-dest'] === 'serviceworker'
}

/** Any verdict that is not to allow, and any that nobody knows. */
function turnAway(passage: Passage, tools: PipelineTools, decision: Decision): Answer {
  const context = passage.token === null && !passage.isMention ? portalRequest(passage) : null
  if (decision.verdict === 'sign-in' && context !== null) {
    tools.metrics.signInsAsked++
    return refused(passage, tools.portal.challenge(context))
  }
  if (decision.verdict === 'step-up' && context !== null) {
    tools.metrics.signInsAsked++
    tools.respond.noteDecision(passage, decision)
    return refused(passage, tools.portal.stepUp(context, decision.demand))
  }
  tools.metrics.denied++
  return finishRefusal(passage, tools.respond.denied(passage, context, decision))
}

function refused(passage: Passage, answer: MaybePromise<Response>): MaybePromise<Response> {
  return answer instanceof Promise
    ? answer.then(response => finishRefusal(passage, response))
    : finishRefusal(passage, answer)
}

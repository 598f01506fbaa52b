import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Decision } from '../../policy/policy.ts'
import { tellReason } from '../../policy/reasons.ts'
import type { Match } from '../../route/table.ts'
import type { Session } from '../../session/session.ts'
import type { GateRoute, Prepared } from '../config/snapshot.ts'
import { findByCookie } from './authenticate.ts'
import { isRefusal, type Verdict } from './decide.ts'
import { longestBody } from './limit.ts'
import type { Place } from './locate.ts'
import { type Judged, judgeMessages } from './mcp/judge.ts'
import { pass } from './pass.ts'
import type { Answer, Overtaken, Passage } from './passage.ts'
import { portalRequest } from './portal/portal-request.ts'
import { finishRefusal } from './refusal/cors.ts'
import { grpcRefused, isGrpc } from './refusal/grpc.ts'
import { passKept } from './replay.ts'
import type { PipelineTools } from './tools.ts'
import { approve } from './verify/approve.ts'
import { whileAllowed } from './while-allowed.ts'

/**
 * Last step: acts on the verdict. An allowed request is sent to its upstream, or answered by its route. A proxy in
 * front gets the verdict. Everything else is refused.
 *
 * Reads everything. Writes `isForwarded`; `request` and `sent` where messages were judged. Throws `route.grpc`, what
 * forwarding throws, and what `approve` throws; rejects with what the portal throws where it redirects to the sign-in.
 */
export function act(verdict: Verdict, passage: Passage, tools: PipelineTools, match: Match<GateRoute>): Answer {
  const { value: route } = match
  if (isRefusal(verdict)) return turnAway(verdict, passage, tools)
  if (passage.overtaken !== null) return turnOvertaken(passage.overtaken, passage, tools)
  if (passage.question !== null) return approve(passage, tools, route, verdict)
  if (isGrpc(passage)) throw grpcRefused(route)
  const maxBodyBytes = longestBody(match)
  if (route.opensTool !== null) {
    const judged = judgeMessages(passage, route, maxBodyBytes, tools)
    return whileAllowed(judged, passage, tools, passJudged, route, verdict, maxBodyBytes)
  }
  return route.config.keepPostsBytes === null
    ? pass(passage, tools, route, verdict, maxBodyBytes)
    : passKept(passage, tools, route, verdict, maxBodyBytes)
}

function passJudged(
  judged: Judged,
  passage: Passage,
  tools: PipelineTools,
  route: GateRoute,
  prepared: Prepared,
  maxBodyBytes: number | null,
): Answer {
  return judged.kind === 'passes'
    ? pass(passage, tools, route, prepared, maxBodyBytes)
    : closeTool(judged, passage, tools)
}

/**
 * A call of a tool that is not open, as its client understands it: an error of JSON-RPC, since it may well have another token. A batch is
 * refused as a whole.
 */
function closeTool({ id, tool }: Extract<Judged, { kind: 'closed' }>, passage: Passage, tools: PipelineTools): Answer {
  const decision: Decision = {
    verdict: 'deny',
    reason: 'tool.other',
    roles: [],
    trials: [],
    ...tellReason('tool.other'),
  }
  if (id === null) return turnAway(decision, passage, tools)
  tools.metrics.denied++
  passage.reason = decision.reason
  tools.respond.noteDecision(passage, decision)
  const error = { code: -32602, message: `Tool ${tool} is not open here` }
  const readable = passage.route?.config.mcp == null ? {} : { 'access-control-allow-origin': '*' }
  return Response.json({ jsonrpc: '2.0', id, error }, { headers: { 'cache-control': 'no-store', ...readable } })
}

/**
 * A request whose permission ended under way, and that would be allowed now as anonymous or elsewhere, but cannot be
 * repeated. A user whose session ended has to sign in again; everything else follows the file.
 */
function turnOvertaken({ error, found }: Overtaken, passage: Passage, tools: PipelineTools): Answer {
  if (found === null || passage.found?.id === found.id) throw error
  return turnAway({ verdict: 'sign-in', reason: 'identity.none' }, passage, tools)
}

/** Every decision other than allow, and every unknown one. */
function turnAway(decision: Decision, passage: Passage, tools: PipelineTools): Answer {
  passage.reason = decision.reason
  const context = passage.token === null ? portalRequest(passage) : null
  if (decision.verdict === 'sign-in' && context !== null) {
    tools.metrics.signInsAsked++
    return refused(tools.portal.challenge(context), passage)
  }
  if (decision.verdict === 'step-up' && context !== null) {
    tools.metrics.signInsAsked++
    tools.respond.noteDecision(passage, decision)
    return refused(tools.portal.stepUp(context, decision.demand), passage)
  }
  tools.metrics.denied++
  return finishRefusal(passage, tools.respond.denied(passage, context, decision))
}

function refused(answer: MaybePromise<Response>, passage: Passage): MaybePromise<Response> {
  return andThen(answer, response => finishRefusal(passage, response))
}

/**
 * Last step without a route: the portal answers, with the session if there is one, or the client is redirected to
 * HTTPS.
 *
 * Writes `session`.
 */
export function actElsewhere(place: Exclude<Place, { kind: 'route' }>, passage: Passage, tools: PipelineTools): Answer {
  return place.kind === 'answer'
    ? place.response
    : andThen(findByCookie(passage, tools), answerAtPortal, passage, tools)
}

function answerAtPortal(found: Session | null, passage: Passage, tools: PipelineTools): Answer {
  passage.session = found !== null && found.portal === passage.portal?.config.name ? found : null
  const context = portalRequest(passage)
  if (context === null) throw new TypeError('a portal answers only for its own hosts')
  return tools.portal.handle(context)
}

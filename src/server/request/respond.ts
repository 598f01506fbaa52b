/** Last step of a request: acts on the verdict. */

import { GateError } from '../../base/errors.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Decision } from '../../policy/policy.ts'
import { tellReason } from '../../policy/reasons.ts'
import type { Session } from '../../session/session.ts'
import type { CompiledGrant } from '../config/snapshot.ts'
import { findByCookie } from './authenticate.ts'
import type { Decided, Located, MaybeResponse, Overtaken, RequestContext, Targeted } from './context.ts'
import { isRefusal, type Verdict } from './decide.ts'
import { finishRefusal } from './errors/cors.ts'
import { grpcRefused, isGrpc } from './errors/grpc.ts'
import { longestBody } from './limit.ts'
import { type Judged, judgeMessages } from './mcp/judge.ts'
import { portalRequest } from './portal/portal-request.ts'
import { proxyRequest } from './proxy-request.ts'
import { passKept } from './send-kept-form.ts'
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
export function respond(verdict: Verdict, context: Located, tools: PipelineTools): MaybeResponse {
  if (isRefusal(verdict)) return deny(verdict, context, tools)
  if (context.overtaken !== null) return denyOvertaken(context.overtaken, context, tools)
  allow(context, verdict)
  const { route } = context
  if (context.question !== null) return approve(context, tools)
  if (isGrpc(context)) throw grpcRefused(route)
  if (route.opensTool !== null) {
    const judged = judgeMessages(context, route, longestBody(context.match), tools)
    return whileAllowed(judged, context, tools, passJudged)
  }
  return route.config.keepPostsBytes === null ? proxyRequest(context, tools) : passKept(context, tools)
}

function allow(context: Located, grant: CompiledGrant): asserts context is Decided {
  context.grant = grant
}

function passJudged(judged: Judged, context: Decided, tools: PipelineTools): MaybeResponse {
  return judged.kind === 'passes' ? proxyRequest(context, tools) : closeTool(judged, context, tools)
}

/**
 * A call of a tool that is not open, as its client understands it: an error of JSON-RPC, since it may well have another token. A batch is
 * refused as a whole.
 */
function closeTool(
  { id, tool }: Extract<Judged, { kind: 'closed' }>,
  context: RequestContext,
  tools: PipelineTools,
): MaybeResponse {
  const decision: Decision = {
    verdict: 'deny',
    reason: 'tool.other',
    roles: [],
    trials: [],
    ...tellReason('tool.other'),
  }
  if (id === null) return deny(decision, context, tools)
  tools.metrics.denied++
  context.reason = decision.reason
  tools.respond.noteDecision(context, decision)
  const error = { code: -32602, message: `Tool ${tool} is not open here` }
  const readable = context.route?.config.mcp == null ? {} : { 'access-control-allow-origin': '*' }
  return Response.json({ jsonrpc: '2.0', id, error }, { headers: { 'cache-control': 'no-store', ...readable } })
}

/**
 * A request whose permission ended under way, and that would be allowed now as anonymous or elsewhere, but cannot be
 * repeated. A user whose session ended has to sign in again; everything else follows the file.
 */
function denyOvertaken({ error, found }: Overtaken, context: RequestContext, tools: PipelineTools): MaybeResponse {
  if (found === null || context.found?.id === found.id) throw error
  return deny({ verdict: 'sign-in', reason: 'identity.none' }, context, tools)
}

/** Every decision other than allow, and every unknown one. */
function deny(decision: Decision, context: RequestContext, tools: PipelineTools): MaybeResponse {
  context.reason = decision.reason
  const ctx = context.token === null ? portalRequest(context) : null
  if (decision.verdict === 'sign-in' && ctx !== null) {
    tools.metrics.signInsAsked++
    return refused(tools.portal.challenge(ctx), context)
  }
  if (decision.verdict === 'step-up' && ctx !== null) {
    tools.metrics.signInsAsked++
    tools.respond.noteDecision(context, decision)
    return refused(tools.portal.stepUp(ctx, decision.demand), context)
  }
  tools.metrics.denied++
  return finishRefusal(context, tools.respond.denied(context, ctx, decision))
}

function refused(answer: MaybePromise<Response>, context: RequestContext): MaybePromise<Response> {
  return andThen(answer, response => finishRefusal(context, response))
}

/**
 * Last step without a route: the portal answers, with the session if there is one.
 *
 * Writes `session`.
 */
export function respondWithoutRoute(context: Targeted, tools: PipelineTools): MaybeResponse {
  let found: ReturnType<typeof findByCookie>
  try {
    found = findByCookie(context, tools)
  } catch (error) {
    return answerUnread(error, context, tools)
  }
  if (!(found instanceof Promise)) return answerAtPortal(found, context, tools)
  return found.then(
    session => answerAtPortal(session, context, tools),
    error => answerUnread(error, context, tools),
  )
}

function answerUnread(error: unknown, context: RequestContext, tools: PipelineTools): MaybeResponse {
  const ctx = portalRequest(context, tools.sessions.grants, tools.current)
  if (ctx === null || !(error instanceof GateError) || error.code !== 'session.store') throw error
  return tools.portal.handleUnread(ctx, error)
}

function answerAtPortal(found: Session | null, context: RequestContext, tools: PipelineTools): MaybeResponse {
  context.session = found !== null && found.portal === context.portal?.config.name ? found : null
  const ctx = portalRequest(context, tools.sessions.grants, tools.current)
  if (ctx === null) throw new TypeError('a portal answers only for its own hosts')
  return tools.portal.handle(ctx)
}

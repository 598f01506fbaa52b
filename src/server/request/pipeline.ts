import type { GateError } from '../../base/errors.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { isOvertaken } from '../../proxy/lifetime/exchanges.ts'
import type { Match } from '../../route/table.ts'
import type { GateRoute } from '../config/snapshot.ts'
import { during } from '../observe/tracing/during.ts'
import type { Trace } from '../observe/tracing/tracer.ts'
import { act, actElsewhere } from './act.ts'
import { authenticate } from './authenticate.ts'
import { decide } from './decide.ts'
import { limitClient, limitRoute } from './limit.ts'
import { locate, readTarget } from './locate.ts'
import { type Answer, announcesTrailers, CLIENT_LEFT, type Front, NOBODY, type Passage } from './passage.ts'
import { receive, receiveAgain } from './receive.ts'
import { fail, record } from './record.ts'
import { isGrpc, isToldByGrpc, tellGrpc } from './refusal/grpc.ts'
import type { PipelineTools } from './tools.ts'
import { verify } from './verify/question.ts'
import { whileAllowed } from './while-allowed.ts'

export type Pipeline = (request: Request, front: Front) => MaybePromise<Response | undefined>

/** What becomes of a request by the kind of listener that it came to. */
export interface Pipelines {
  /** What anyone may ask for. */
  readonly requests: Pipeline
  /** What a proxy in front asks: whether a request may pass. Nothing else is answered there. */
  readonly questions: Pipeline
}

/**
 * The path of every request, from top to bottom: a passage is made of it, goes through the steps below, and is recorded.
 *
 * Invariants: the snapshot is read once; nothing is decided for a connection without an address; nothing is authorised by anything but
 * `Target`; whatever throws ends as an error answer and never as a forwarded request. Where nothing has to be waited for, the steps
 * make no promise. Answers undefined only for a request that became a WebSocket.
 */
export function createPipelines(tools: PipelineTools): Pipelines {
  let count = 0
  return {
    requests(request, front) {
      const passage = receivedFrom(request, front)
      const answer = take(passage, answerRequest)
      return isGrpc(passage) ? andThen(answer, inItsTongue, passage) : answer
    },
    questions: (request, front) => take(receivedFrom(request, front), answerQuestion),
  }

  function receivedFrom(request: Request, front: Front): Passage {
    tools.noteRequest()
    return receive(request, front, tools, `${tools.idPrefix}-${(count++).toString(36)}`)
  }

  /** What is asked for on the way of a request that is traced is a part of its trace. */
  function begin(passage: Passage, steps: typeof answerRequest): Answer {
    const { trace } = passage
    return trace?.isSampled === true ? tools.tracer.within(trace, () => steps(passage, tools)) : steps(passage, tools)
  }

  function gone(passage: Passage): Response {
    passage.reason = CLIENT_LEFT
    return tools.respond.gone()
  }

  function take(passage: Passage, steps: typeof answerRequest): ReturnType<Pipeline> {
    try {
      const answer = passage.peer === NOBODY ? gone(passage) : begin(passage, steps)
      return answer instanceof Promise
        ? answer.then(
            response => {
              // Of one that became a WebSocket Bun knows no address any more.
              if (response !== undefined) tools.resets.note(passage)
              return record(response, passage, tools)
            },
            (error: unknown) => {
              if (mayBeginAgain(error, passage)) return take(receiveAgain(passage, tools, error), steps)
              const answer = fail(error, passage, tools)
              tools.resets.note(passage)
              return andThen(answer, record, passage, tools)
            },
          )
        : record(answer, passage, tools)
    } catch (error) {
      const answer = fail(error, passage, tools)
      // Bun 1.4.5 answers trailers with a 400 of its own, which would follow ours where they came in the same read.
      const own = announcesTrailers(passage.sent) ? nextTurn().then(() => answer) : answer
      return andThen(own, record, passage, tools)
    }
  }
}

/** Once what was read with the head has been parsed. */
function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** What has lost on its way what allowed it gets what it would get if it came now. */
function mayBeginAgain(error: unknown, passage: Passage): error is GateError {
  return isOvertaken(error) && error !== passage.overtaken?.error && passage.turn < MOST_TURNS
}

/** Enough for whatever changes while a request waits, and an end for what changes all the time. */
const MOST_TURNS = 20

/** No call goes on to an upstream, so that whatever a call is answered with is a refusal. */
function inItsTongue(response: Response | undefined, passage: Passage): Answer {
  return response !== undefined && isToldByGrpc(passage) ? tellGrpc(response) : response
}

/** The steps of a client's request: where it leads, and on from there. */
function answerRequest(passage: Passage, tools: PipelineTools): Answer {
  readTarget(passage)
  limitClient(passage, tools)
  const place = locate(passage)
  if (place.kind === 'route') return goThrough(passage, tools, place.match)
  if (passage.overtaken !== null) throw passage.overtaken.error
  return actElsewhere(place, passage, tools)
}

/** The steps of a question: the request that a proxy in front asks about goes through those of any other. */
function answerQuestion(passage: Passage, tools: PipelineTools): Answer {
  return verify(passage, tools, goThrough)
}

/** The steps of whatever has a route. */
function goThrough(passage: Passage, tools: PipelineTools, match: Match<GateRoute>): Answer {
  limitRoute(passage, tools, match)
  if (passage.trace?.isSampled === true) return goTraced(passage, passage.trace, tools, match)
  const who = authenticate(passage, tools, match)
  const verdict = andThen(who, decide, passage, tools, match)
  return whileAllowed(verdict, passage, tools, act, match)
}

/** The same, with a span for each step that others may have to be waited for in. */
function goTraced(passage: Passage, trace: Trace, tools: PipelineTools, match: Match<GateRoute>): Answer {
  const who = during(trace, 'session', () => authenticate(passage, tools, match))
  const verdict = andThen(who, found => during(trace, 'policy', () => decide(found, passage, tools, match)))
  return whileAllowed(verdict, passage, tools, act, match)
}

/** Step of a request: reads its fields, and finds the client and the snapshot. */

import { FORWARDED_FOR, findClient } from '../../base/client-address.ts'
import type { GateError } from '../../base/errors.ts'
import type { SentFields } from '../../proxy/fields/request.ts'
import { announcesBody } from '../../proxy/lifetime/client-idle.ts'
import type { Snapshot } from '../config/snapshot.ts'
import { takeToken } from '../credentials/token-field.ts'
import { type BunServer, NOBODY, peerAddress, RequestContext } from './context.ts'
import type { PipelineTools } from './tools.ts'

/**
 * The RequestContext of an incoming request. Its fields are read once, and a Sallyport token is taken out of them. The
 * client follows from the connection and from a trusted proxy's fields. The snapshot is the current one, for the whole
 * request.
 *
 * A connection without an address belongs to `NOBODY`.
 */
export function receive(request: Request, front: BunServer, tools: PipelineTools, id: string): RequestContext {
  const snapshot = tools.current()
  const sent = request.headers.toJSON() as Record<string, string>
  const token = takeToken(sent)
  const peer = peerAddress(front, request) ?? NOBODY
  const isPeerTrusted = isTrusted(peer, snapshot)
  const { clientField } = snapshot
  if (!isPeerTrusted && peer !== NOBODY && sent[clientField] !== undefined) tools.untrusted.note(peer, clientField)
  const { telemetry } = snapshot.config
  const trace =
    telemetry === null ? null : tools.tracer.begin(isPeerTrusted ? sent.traceparent : undefined, telemetry.sample)
  const cameAtMs = tools.meter === null ? 0 : tools.meter.tick()
  const { moment } = tools.exchanges
  const nowMs = tools.ports.now()
  const context = new RequestContext(request, sent, token, front, snapshot, id, peer, nowMs, moment, cameAtMs, trace)
  findWho(context, isPeerTrusted)
  return context
}

/**
 * The same request again, as it came, after the basis of its decision has changed on the way. It runs under the
 * current snapshot, and no limit counts it twice.
 *
 * It is sent, or sent again, only where no upstream can have acted on it. Either it was not sent yet and its body is
 * untouched, or it has a safe method and no body (RFC 9110 §9.2.1). For any other request `overtaken` says why it
 * ended, and the caller wants only the refusal.
 */
export function receiveAgain(
  context: RequestContext,
  tools: Pick<PipelineTools, 'current' | 'exchanges' | 'ports'>,
  ended: GateError,
): RequestContext {
  const { cameRequest, cameSent, connection, isForwarded } = context
  const isWhole = !isForwarded && !cameRequest.bodyUsed && cameRequest.body?.locked !== true
  const isSafe = SAFE.has(connection.method) && !announcesBody(cameSent)
  const again = context.again(tools.current(), tools.exchanges.moment)
  // What was sent has other fields by now.
  again.request = isWhole ? cameRequest : new Request(connection.url, { method: connection.method, headers: cameSent })
  again.isForwarded = isForwarded && !isSafe
  again.decidedMs = tools.ports.now()
  again.overtaken = isWhole || isSafe ? null : { error: ended, found: context.found }
  findWho(again, isTrusted(again.peer, again.snapshot))
  return again
}

function isTrusted(peer: string, { trusted }: Pick<Snapshot, 'trusted'>): boolean {
  return peer !== NOBODY && trusted.has(peer)
}

/** Who the client is, by the connection, and by what a proxy says of it that this snapshot trusts. */
function findWho(context: RequestContext, isPeerTrusted: boolean): void {
  const { peer, sent, snapshot } = context
  const { trusted, trustedFields, clientField } = snapshot
  if (!isPeerTrusted) {
    context.isClientProven = peer !== NOBODY
    if (trustedFields.some(name => sent[name] !== undefined)) context.sent = without(trustedFields, sent)
    return
  }
  const { address, isProven } = findClient(peer, sent[clientField] ?? null, trusted, clientField === FORWARDED_FOR)
  context.isPeerTrusted = true
  context.client = address
  context.isClientProven = isProven
}

/** The fields without those that this client has no say in: no rule may believe them either. */
function without(names: readonly string[], sent: SentFields): SentFields {
  return Object.fromEntries(Object.entries(sent).filter(([name]) => !names.includes(name)))
}

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

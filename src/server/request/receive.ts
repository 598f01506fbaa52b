import { FORWARDED_FOR, findClient } from '../../base/client-address.ts'
import type { GateError } from '../../base/errors.ts'
import { openAccount } from '../../proxy/account.ts'
import { announcesBody } from '../../proxy/lifetime/client-idle.ts'
import type { Snapshot } from '../config/snapshot.ts'
import { takeToken } from '../credentials/token-field.ts'
import { type BunServer, NOBODY, peerAddress, type RequestContext } from './context.ts'
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
  const by = clientBy(peer, sent, snapshot)
  const { isPeerTrusted } = by
  const { clientField } = snapshot
  if (!isPeerTrusted && peer !== NOBODY && sent[clientField] !== undefined) tools.untrusted.note(peer, clientField)
  const { telemetry, server } = snapshot.config
  const trace =
    telemetry === null ? null : tools.tracer.begin(isPeerTrusted ? sent.traceparent : undefined, telemetry.sample)
  const nowMs = tools.ports.now()
  return {
    request,
    sent,
    token,
    cameRequest: request,
    cameSent: sent,
    cameToken: token,
    front,
    connection: request,
    isForwarded: false,
    snapshot,
    startedMs: nowMs,
    decidedMs: nowMs,
    moment: tools.exchanges.moment,
    turn: 0,
    overtaken: null,
    isCounted: false,
    cameAtMs: tools.meter === null ? 0 : tools.meter.tick(),
    id,
    peer,
    ...by,
    ...UNDECIDED,
    isMention: false,
    trace,
    account: server.accessLog || trace?.isSampled === true ? openAccount() : null,
  }
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
  const { cameRequest, cameSent, cameToken, connection, isForwarded, peer } = context
  const snapshot = tools.current()
  const isWhole = !isForwarded && !cameRequest.bodyUsed && cameRequest.body?.locked !== true
  const isSafe = SAFE.has(connection.method) && !announcesBody(cameSent)
  return {
    ...context,
    // What was sent has other fields by now.
    request: isWhole ? cameRequest : new Request(connection.url, { method: connection.method, headers: cameSent }),
    sent: cameSent,
    token: cameToken,
    isForwarded: isForwarded && !isSafe,
    snapshot,
    decidedMs: tools.ports.now(),
    moment: tools.exchanges.moment,
    turn: context.turn + 1,
    overtaken: isWhole || isSafe ? null : { error: ended, found: context.found },
    ...clientBy(peer, cameSent, snapshot),
    ...UNDECIDED,
  }
}

/** Who the client is, by the connection, and by what a proxy says of it that this snapshot trusts. */
function clientBy(
  peer: string,
  sent: Readonly<Record<string, string>>,
  { trusted, clientField }: Snapshot,
): Pick<RequestContext, 'isPeerTrusted' | 'client' | 'isClientProven'> {
  if (peer === NOBODY || !trusted.has(peer))
    return { isPeerTrusted: false, client: peer, isClientProven: peer !== NOBODY }
  const { address, isProven } = findClient(peer, sent[clientField] ?? null, trusted, clientField === FORWARDED_FOR)
  return { isPeerTrusted: true, client: address, isClientProven: isProven }
}

/** What the steps find out, before any of them has. */
const UNDECIDED = {
  question: null,
  asked: null,
  mentions: null,
  target: null,
  portal: null,
  compat: null,
  route: null,
  found: null,
  session: null,
  isPrivate: true,
  elsewhere: null,
  reason: null,
} as const

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

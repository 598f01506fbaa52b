import { FORWARDED_FOR, findClient } from '../../base/client-address.ts'
import type { GateError } from '../../base/errors.ts'
import { openAccount } from '../../proxy/account.ts'
import { announcesBody } from '../../proxy/lifetime/client-idle.ts'
import type { Snapshot } from '../config/snapshot.ts'
import { takeToken } from '../credentials/token-field.ts'
import { type BunServer, NOBODY, peerAddress, type RequestContext } from './context.ts'
import type { PipelineTools } from './tools.ts'

/**
 * What came, as a RequestContext: its fields are read once, a token of ours is taken out of them, and who the client is follows from the
 * connection and from what a trusted proxy says of it. The snapshot is the one in force now, for as long as the request goes on.
 *
 * A connection without an address is `NOBODY`'s.
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
 * The same request once more, as it came, where what it was decided by has changed on its way: under the snapshot in force now, and
 * counted by no limit twice.
 *
 * It is sent, or sent again, only where nobody can have acted on it: it was not sent yet and nothing of its body is gone, or it is of a safe
 * method and has no body (RFC 9110 §9.2.1). Of any other, `overtaken` says why it ended, and only what refuses it is wanted.
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

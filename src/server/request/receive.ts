import { findClient } from '../../base/client-address.ts'
import type { GateError } from '../../base/errors.ts'
import { openAccount } from '../../proxy/account.ts'
import { announcesBody } from '../../proxy/lifetime/client-idle.ts'
import { takeToken } from '../credentials/token-field.ts'
import { type Front, NOBODY, type Passage, peerAddress } from './passage.ts'
import type { PipelineTools } from './tools.ts'

/**
 * What came, as a Passage: its fields are read once, a token of ours is taken out of them, and who the client is follows from the
 * connection and from what a trusted proxy says of it. The snapshot is the one in force now, for as long as the request goes on.
 *
 * A connection without an address is `NOBODY`'s.
 */
export function receive(request: Request, front: Front, tools: PipelineTools, id: string): Passage {
  const snapshot = tools.current()
  const sent = request.headers.toJSON() as Record<string, string>
  const token = takeToken(sent)
  const peer = peerAddress(front, request)
  const isPeerTrusted = peer !== null && snapshot.trusted.has(peer)
  if (!isPeerTrusted && peer !== null && sent['x-forwarded-for'] !== undefined) tools.untrusted.note(peer)
  const { telemetry, server } = snapshot.config
  const trace =
    telemetry === null ? null : tools.tracer.begin(isPeerTrusted ? sent.traceparent : undefined, telemetry.sample)
  const named = isPeerTrusted ? findClient(peer, sent['x-forwarded-for'] ?? null, snapshot.trusted) : null
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
    peer: peer ?? NOBODY,
    isPeerTrusted,
    client: named === null ? (peer ?? NOBODY) : named.address,
    isClientProven: named === null ? peer !== null : named.isProven,
    question: null,
    isMention: false,
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
    trace,
    account: server.accessLog || trace?.isSampled === true ? openAccount() : null,
    reason: null,
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
  passage: Passage,
  tools: Pick<PipelineTools, 'current' | 'exchanges' | 'ports'>,
  ended: GateError,
): Passage {
  const { cameRequest, cameSent, cameToken, connection, isForwarded, peer } = passage
  const snapshot = tools.current()
  const isPeerTrusted = snapshot.trusted.has(peer)
  const named = isPeerTrusted ? findClient(peer, cameSent['x-forwarded-for'] ?? null, snapshot.trusted) : null
  const isWhole = !isForwarded && !cameRequest.bodyUsed && cameRequest.body?.locked !== true
  const isSafe = SAFE.has(connection.method) && !announcesBody(cameSent)
  return {
    ...passage,
    // What was sent has other fields by now.
    request: isWhole ? cameRequest : new Request(connection.url, { method: connection.method, headers: cameSent }),
    sent: cameSent,
    token: cameToken,
    isForwarded: isForwarded && !isSafe,
    snapshot,
    decidedMs: tools.ports.now(),
    moment: tools.exchanges.moment,
    turn: passage.turn + 1,
    overtaken: isWhole || isSafe ? null : { error: ended, found: passage.found },
    isPeerTrusted,
    client: named === null ? peer : named.address,
    isClientProven: named === null || named.isProven,
    question: null,
    asked: null,
    mentions: null,
    target: null,
    portal: null,
    compat: null,
    route: null,
    found: null,
    session: null,
    elsewhere: null,
    isPrivate: true,
    reason: null,
  }
}

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

import { findClient } from '../../base/client-address.ts'
import { openAccount } from '../../proxy/account.ts'
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
  return {
    request,
    sent,
    whole: token === null ? sent : null,
    token,
    front,
    connection: request,
    isForwarded: false,
    snapshot,
    startedMs: tools.ports.now(),
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
    session: null,
    isPrivate: true,
    elsewhere: null,
    trace,
    account: server.accessLog || trace?.isSampled === true ? openAccount() : null,
    reason: null,
  }
}

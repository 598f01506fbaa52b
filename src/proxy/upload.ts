/** The body of a request on its way to the upstream. */

import { isErrored, isReadable } from 'node:stream'
import { parseLength } from '../base/byte-counts.ts'
import type { GateError } from '../base/errors.ts'
import { type PacedBody, paceBody } from './body/paced.ts'
import { stalledUpload, tooLarge } from './body/upload-errors.ts'
import type { Forwarded, ForwardTools } from './forwarded.ts'
import { endsOf, isLocalSocket } from './lifetime/client-idle.ts'

/** What the request's owner learns of its body. */
export interface UploadLife {
  /** It is too long, or stalled: its request ends before the body's reader learns that. */
  refuse(error: GateError): void
  /** Called once: it was sent, all of it where it `isWhole`. */
  onEnd(isWhole: boolean): void
}

/** A request's body, as it is to be sent: as Bun hands it on where it may go unseen, and else piece by piece. */
export function beginUpload(
  body: ReadableStream<Uint8Array>,
  asked: Forwarded,
  tools: Pick<ForwardTools, 'flows' | 'meter' | 'clientIdle'>,
  life: UploadLife,
): PacedBody {
  return goUnseen(body, asked, tools, life) ?? paceUpload(body, asked, tools, life)
}

/**
 * Sends a body in the fast lane, where Bun itself copies it; null where it may not, or there is no room. Its length is
 * announced, so Bun ends it there. Node.js's stream state shows whether it is complete. Not where several addresses
 * may be tried, since what fetch has read cannot be sent again.
 */
function goUnseen(
  body: ReadableStream<Uint8Array>,
  { route, client, sent, front, connection, upstream, maxBodyBytes }: Forwarded,
  { flows, meter, clientIdle }: Pick<ForwardTools, 'flows' | 'meter' | 'clientIdle'>,
  life: UploadLife,
): PacedBody | null {
  const routeId = route.config.id
  const length = parseLength(sent['content-length'])
  if (length === null || maxBodyBytes !== null || upstream.balancing !== null || isLocalSocket(front)) return null
  if (!flows.isEveryUnseen && !clientIdle.hasOwnConnection(front, sent)) return null
  let isOver = false
  function end(isWhole: boolean): void {
    if (isOver) return
    isOver = true
    entry?.leave()
    if (isWhole && meter !== null) meter.received(routeId).add(length ?? 0)
    life.onEnd(isWhole)
  }
  const entry = flows.enterUnseen({
    kind: 'upload',
    route: routeId,
    client,
    length,
    ends: endsOf(front, connection),
    upstreamPort: null,
    isOver: () => !isReadable(body),
    onLeave: isItself => end(isItself && !isErrored(body)),
    cut: (_why, waitsFor) => life.refuse(stalledUpload(routeId, waitsFor)),
  })
  if (entry === null) return null
  return {
    stream: body,
    cut() {
      end(!isReadable(body) && !isErrored(body))
    },
    // With the answer's head Bun 1.4.5 lets go of what has not come yet: whether that was all does not show any more.
    forgo: () => entry.leave(),
  }
}

/** A request's body, sent piece by piece: counted, and not beyond what its route takes. */
function paceUpload(
  body: ReadableStream<Uint8Array>,
  { route, client, sent, maxBodyBytes }: Forwarded,
  { flows, meter }: Pick<ForwardTools, 'flows' | 'meter'>,
  life: UploadLife,
): PacedBody {
  const routeId = route.config.id
  const flow = flows.enter({
    kind: 'upload',
    route: routeId,
    client,
    length: parseLength(sent['content-length']) ?? Number.POSITIVE_INFINITY,
    cut: (_why, waitsFor) => life.refuse(stalledUpload(routeId, waitsFor)),
  })
  // First, since fetch reports a failed body with its own error.
  const onExceeded = (maxBytes: number): GateError => {
    const error = tooLarge(routeId, maxBytes)
    life.refuse(error)
    return error
  }
  return paceBody(body, {
    flow,
    count: meter === null ? null : meter.received(routeId),
    limit: maxBodyBytes === null ? null : { maxBytes: maxBodyBytes, onExceeded: () => onExceeded(maxBodyBytes) },
    onLong: null,
    isCopied: true,
    onBreak: error => error,
    onEnd: life.onEnd.bind(life),
  })
}

import { parseLength } from '../base/amounts.ts'
import type { GateError } from '../base/errors.ts'
import { type PacedBody, paceBody } from './body/paced.ts'
import { stalledUpload, tooLarge } from './body/uploads.ts'
import type { ForwardJob, ForwardTools } from './job.ts'

/** What whoever sends a request hears of its body. */
export interface UploadLife {
  /** It is too long, or goes on no more: its request ends, before whoever reads it is told. */
  refuse(error: GateError): void
  /** Called once: it was sent, all of it where it `isWhole`. */
  onEnd(isWhole: boolean): void
}

/** A request's body, sent piece by piece: counted, and not beyond what its route takes. */
export function paceUpload(
  body: ReadableStream<Uint8Array>,
  { routeId, client, sent, maxBodyBytes }: ForwardJob,
  { flows, meter }: Pick<ForwardTools, 'flows' | 'meter'>,
  life: UploadLife,
): PacedBody {
  const flow = flows.enter({
    kind: 'upload',
    route: routeId,
    client,
    length: parseLength(sent['content-length']) ?? Number.POSITIVE_INFINITY,
    cut: (_why, waitsFor) => life.refuse(stalledUpload(routeId, waitsFor)),
  })
  // Said first, since fetch reports a body that failed in words of its own.
  const onExceeded = (maxBytes: number): GateError => {
    const error = tooLarge(routeId, maxBytes)
    life.refuse(error)
    return error
  }
  return paceBody(body, {
    flow,
    count: meter === null ? null : meter.received(routeId),
    limit: maxBodyBytes === null ? null : { maxBytes: maxBodyBytes, onExceeded: () => onExceeded(maxBodyBytes) },
    onBreak: error => error,
    onEnd: life.onEnd.bind(life),
  })
}

import { GateError } from '../base/errors.ts'
import type { Deadlines, Waiting } from './deadlines.ts'

export interface BodyWatch {
  /** How long the upstream may be silent while someone reads; null for as long as it likes. */
  readonly idleTimeoutMs: number | null
  readonly now: () => number
  readonly deadlines: Deadlines
  /** What an upstream that fell silent is called: route and address. */
  readonly label: string
  /** Called once, however the body ends; with the error where the upstream fell silent. */
  onEnd(error?: GateError): void
}

/**
 * A body whose end is noticed, and which is cut where the upstream falls silent in the middle of it.
 *
 * Only the upstream's silence counts: while the client does not read, nothing is waited for. What reads a body that was
 * cut gets `upstream.stalled`.
 */
export function watchBody(body: ReadableStream<Uint8Array>, watch: BodyWatch): ReadableStream<Uint8Array> {
  const { idleTimeoutMs, deadlines } = watch
  const reader = body.getReader()
  let isOver = false
  function end(error?: GateError): void {
    if (isOver) return
    isOver = true
    watch.onEnd(error)
  }
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const waiting: Waiting | null =
        idleTimeoutMs === null
          ? null
          : {
              deadlineMs: watch.now() + idleTimeoutMs,
              expire() {
                const error = stalled(watch.label, idleTimeoutMs)
                end(error)
                controller.error(error)
                reader.cancel(error).catch(() => undefined)
              },
            }
      if (waiting !== null) deadlines.add(waiting)
      try {
        const { done, value } = await reader.read()
        if (waiting !== null) deadlines.remove(waiting)
        if (isOver) return
        if (done) {
          end()
          controller.close()
        } else controller.enqueue(value)
      } catch (error) {
        if (waiting !== null) deadlines.remove(waiting)
        if (isOver) return
        end()
        controller.error(error)
      }
    },
    cancel(reason) {
      end()
      return reader.cancel(reason)
    },
  })
}

function stalled(label: string, idleTimeoutMs: number): GateError {
  return new GateError('upstream.stalled', `${label}: silent for ${idleTimeoutMs} ms in the middle of its answer`, {
    hint: 'raise idle_timeout of this upstream if it may pause for longer',
  })
}

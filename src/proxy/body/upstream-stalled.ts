/** Watches the body of an upstream's answer, and cuts it where the upstream falls silent (`idle_timeout`). */

import { GateError } from '../../base/errors.ts'
import { BrokenOff, isUpstreams, translateFailure } from '../failures.ts'
import type { Deadlines, Waiting } from '../lifetime/deadlines.ts'
import { NOWHERE } from '../lifetime/roster.ts'

export interface BodyWatch {
  /** How long the upstream may be silent while someone reads; null for as long as it likes. */
  readonly idleTimeoutMs: number | null
  readonly now: () => number
  readonly deadlines: Deadlines
  /** Whose answer it is, and the address that gives it. */
  readonly route: string
  readonly upstream: string
  /** Called once, however the body ends; with the error where the upstream broke off or fell silent. */
  onEnd(error?: GateError): void
}

/** A body under watch. */
export interface WatchedBody {
  readonly stream: ReadableStream<Uint8Array>
  /** Resolves with the first bytes, or with the end of a body without any; rejects with what came instead of them. */
  readonly begun: Promise<void>
}

/**
 * A body whose end is noticed, and which is cut where the upstream falls silent in the middle of it.
 *
 * Only the upstream's silence counts: while the client does not read, nothing is waited for. What reads a body that was
 * cut gets `upstream.stalled`.
 */
export function watchBody(body: ReadableStream<Uint8Array>, watch: BodyWatch): WatchedBody {
  const { idleTimeoutMs, deadlines } = watch
  const reader = body.getReader()
  const { promise: begun, resolve: begin, reject: fail } = Promise.withResolvers<void>()
  // Not every caller waits for it, and the body's reader gets the error, too.
  begun.catch(() => undefined)
  let isOver = false
  function end(error?: GateError): void {
    if (isOver) return
    isOver = true
    watch.onEnd(error)
  }
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const waiting: Waiting | null =
        idleTimeoutMs === null
          ? null
          : {
              slot: NOWHERE,
              deadlineMs: watch.now() + idleTimeoutMs,
              expire() {
                const error = stalled(`${watch.route}: ${watch.upstream}`, idleTimeoutMs)
                end(error)
                fail(error)
                controller.error(error)
                reader.cancel(error).catch(() => undefined)
              },
            }
      if (waiting !== null) deadlines.add(waiting)
      try {
        const { done, value } = await reader.read()
        if (waiting !== null) deadlines.remove(waiting)
        if (isOver) return
        begin()
        if (done) {
          end()
          controller.close()
        } else controller.enqueue(value)
      } catch (error) {
        if (waiting !== null) deadlines.remove(waiting)
        if (isOver) return
        end(isUpstreams(error) ? translateFailure(error, watch.route, watch.upstream) : undefined)
        fail(error)
        controller.error(new BrokenOff())
      }
    },
    cancel(reason) {
      end()
      return reader.cancel(reason)
    },
  })
  return { stream, begun }
}

function stalled(label: string, idleTimeoutMs: number): GateError {
  return new GateError('upstream.stalled', `${label}: silent for ${idleTimeoutMs} ms in the middle of its answer`, {
    hint: 'raise idle_timeout of this upstream if it may pause for longer',
  })
}

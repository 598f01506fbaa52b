/** Event streams (SSE): kept open, and ended in order when a server stops. */

import { BrokenOff } from '../failures.ts'

/** The event streams in flight: they get a regular end, where any other answer is cut. */
export interface EventStreams {
  /** How many are open. */
  readonly size: number
  /**
   * An event stream that begins at once and can be closed from here.
   *
   * `lead` is sent first: Bun 1.4.5 holds the response head back until a first byte of the body. `onEnd` is called once, however the
   * stream ends, and `onBreak` after it where the upstream broke off.
   */
  wrap(
    body: ReadableStream<Uint8Array>,
    of: { readonly lead: string; readonly onEnd: () => void; readonly onBreak: (error: unknown) => void },
  ): { readonly stream: ReadableStream<Uint8Array>; close(): void }
  closeAll(): void
}

/** Whether a Content-Type says events, in any case (RFC 9110 §8.3.1). */
export function isEventStream(type: string | null): boolean {
  return type !== null && EVENTS.test(type)
}

const EVENTS = /^\s*text\/event-stream\s*(?:;|$)/i

/** The streams of a process; none is open. */
export function createEventStreams(): EventStreams {
  const open = new Set<() => void>()
  return {
    get size() {
      return open.size
    },
    wrap(body, { lead, onEnd, onBreak }) {
      const reader = body.getReader()
      let closeStream: (() => void) | null = null
      function finish(): void {
        if (open.delete(close)) onEnd()
      }
      function close(): void {
        if (!open.has(close)) return
        finish()
        closeStream?.()
        reader.cancel().catch(() => undefined)
      }
      open.add(close)
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          if (lead !== '') controller.enqueue(new TextEncoder().encode(lead))
          closeStream = () => controller.close()
        },
        async pull(controller) {
          try {
            const { done, value } = await reader.read()
            // Closed from here while the read was under way.
            if (!open.has(close)) return
            if (done) {
              finish()
              controller.close()
            } else controller.enqueue(value)
          } catch (error) {
            if (!open.has(close)) return
            finish()
            controller.error(new BrokenOff())
            onBreak(error)
          }
        },
        cancel(reason) {
          finish()
          return reader.cancel(reason)
        },
      })
      return { stream, close }
    },
    closeAll() {
      for (const close of open) close()
    },
  }
}

import type { Session } from '../session/session.ts'

/** Whose an exchange that may stay open for hours is, and by which route it was allowed. */
export interface StreamOwner {
  readonly routeId: string
  readonly session: Session | null
  readonly method: string
  /** The client's address; null where it is in doubt. */
  readonly client: string | null
}

interface OpenStream extends StreamOwner {
  close(): void
}

/** The event streams in flight, so that a reload or a sign-out can close those that are no longer allowed. */
export interface OpenStreams {
  /** How many are open. */
  readonly size: number
  /**
   * An event stream that begins at once and can be closed from here.
   *
   * `lead` is sent first: Bun 1.4.5 holds the response head back until a first byte of the body, and a comment line is no
   * event (HTML Standard §9.2.6). `onEnd` is called once, however the stream ends.
   */
  wrap(
    body: ReadableStream<Uint8Array>,
    of: StreamOwner & { readonly lead: string; readonly onEnd: () => void },
  ): ReadableStream<Uint8Array>
  /** Whose are open. */
  owners(): Iterable<StreamOwner>
  closeWhere(isOver: (stream: StreamOwner) => boolean): void
}

export function createOpenStreams(): OpenStreams {
  const open = new Set<OpenStream>()
  return {
    get size() {
      return open.size
    },
    wrap(body, { routeId, session, method, client, lead, onEnd }) {
      const reader = body.getReader()
      let entry: OpenStream | null = null
      function finish(): void {
        if (entry === null || !open.delete(entry)) return
        onEnd()
      }
      return new ReadableStream<Uint8Array>({
        start(controller) {
          if (lead !== '') controller.enqueue(new TextEncoder().encode(lead))
          entry = {
            routeId,
            session,
            method,
            client,
            close() {
              finish()
              controller.close()
              reader.cancel().catch(() => undefined)
            },
          }
          open.add(entry)
        },
        async pull(controller) {
          try {
            const { done, value } = await reader.read()
            // Closed from here while the read was under way.
            if (entry !== null && !open.has(entry)) return
            if (done) {
              finish()
              controller.close()
            } else controller.enqueue(value)
          } catch (error) {
            if (entry !== null && !open.has(entry)) return
            finish()
            controller.error(error)
          }
        },
        cancel(reason) {
          finish()
          return reader.cancel(reason)
        },
      })
    },
    owners: () => open,
    closeWhere(isOver) {
      for (const stream of open) if (isOver(stream)) stream.close()
    },
  }
}

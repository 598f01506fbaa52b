/** The options of `fetch` for a request to an upstream. */

import type { Forwarded } from './forwarded.ts'
import type { Origin } from './upstream/origin.ts'
import { writeOwnPages } from './upstream/origin-and-referer.ts'
import { FETCH_IDLE_MS } from './upstream/upstream.ts'
import { writeMentions } from './upstream/webdav-fields.ts'

/**
 * The options of fetch for a request that `signal` ends. It writes the fields that depend on the address into the
 * request's.
 */
export function fetchInit(asked: Forwarded, origin: Origin, signal: AbortSignal): BunFetchRequestInit {
  const { headers, route, ownPages, mentions, target, upstream, sent } = asked
  if (route.config.hostHeader.kind === 'upstream') headers.set('host', origin.authority)
  if (ownPages !== null) writeOwnPages(headers, ownPages, origin)
  if (mentions !== null) writeMentions(headers, mentions, origin)
  const init: BunFetchRequestInit = {
    method: target.method,
    headers,
    body: bodyOf(asked),
    redirect: 'manual',
    decompress: false,
    signal,
  }
  if (origin.unix !== undefined) init.unix = origin.unix
  if (origin.tls !== undefined) init.tls = origin.tls
  if (origin.protocol !== undefined) init.protocol = origin.protocol
  if (expectsEvents(sent) || route.config.timeoutMs > FETCH_IDLE_MS || upstream.mayBeSilent) init.timeout = false
  return init
}

/**
 * Methods that fetch never sends a second time. When a kept connection drops, Bun 1.4.5 repeats PUT, DELETE, OPTIONS and QUERY on a new
 * one, unless the body is a stream: a half-sent PUT could take effect twice.
 */
const NEVER_REPEATED: ReadonlySet<string> = new Set(['POST', 'PATCH'])

/** A complete body goes as it is where fetch sends it once, and as a stream of one piece with every other method. */
function bodyOf({ body, target }: Forwarded): Forwarded['body'] {
  return body instanceof Uint8Array && !NEVER_REPEATED.has(target.method) ? inOnePiece(body) : body
}

function inOnePiece(body: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      if (body.byteLength > 0) controller.enqueue(body)
      controller.close()
    },
  })
}

function expectsEvents(sent: Readonly<Record<string, string>>): boolean {
  return sent.accept?.includes('text/event-stream') === true
}

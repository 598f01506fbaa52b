import { GateError } from '../../../base/errors.ts'
import { FORM_WAIT_MS, readBytes } from '../../../portal/form.ts'
import type { Flows } from '../../../proxy/body/flows.ts'
import { countUpload } from '../../../proxy/body/uploads.ts'
import type { GateRoute } from '../../config/snapshot.ts'
import { giveBody, type Passage } from '../passage.ts'
import { readMessages } from './messages.ts'

/** Calls of tools are short; what is longer belongs into a resource. */
const MAX_BYTES = 1024 * 1024

/** A body that takes longer than this was allowed by what may no longer be true. */
const LONGEST_MS = 10_000

/** What becomes of a request whose messages were judged. */
export type Judged =
  /** It goes on, with the body that was read. */
  | { readonly kind: 'passes' }
  /** A tool that is not open is called; `id` is that of a single request, null for a batch. */
  | { readonly kind: 'closed'; readonly tool: string; readonly id: string | number | null }

interface JudgeTools {
  readonly ports: { now(): number }
  /** What is held of a body meanwhile counts among what its client has under way. */
  readonly flows: Pick<Flows, 'admit' | 'enter'>
}

/** Requests that carry no message. A stream of the server's, and the end of a session (MCP, Streamable HTTP). */
const SILENT = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])

/**
 * Judges the tools that a request calls on a route that names which are open. Everything that cannot be read is refused: another method
 * with a body, a WebSocket, what is compressed or no JSON, and what could be read in two ways.
 *
 * Writes `request` and `sent`, with the body that was read. Throws `target.malformed`, `target.too_large`, `target.stalled`, `limit.open`. Source: MCP (tools/call), JSON-RPC 2.0.
 */
export async function judgeMessages(
  passage: Passage,
  { config, opensTool }: Pick<GateRoute, 'config' | 'opensTool'>,
  maxBodyBytes: number | null,
  { ports: { now }, flows }: JudgeTools,
): Promise<Judged> {
  const { request, sent } = passage
  if (sent.upgrade !== undefined) throw unclear(config.id, 'another protocol is asked for')
  if (SILENT.has(request.method) && request.body === null) return { kind: 'passes' }
  if (request.method !== 'POST') throw unclear(config.id, 'its method is none of the protocol')
  const { 'content-type': type = '', 'content-encoding': coding } = sent
  if (coding !== undefined || !/^application\/json *(?:; *charset="?utf-8"? *)?$/i.test(type)) {
    throw unclear(config.id, 'its body is no plain JSON')
  }
  const sinceMs = now()
  const maxBytes = Math.min(MAX_BYTES, maxBodyBytes ?? MAX_BYTES)
  const count = countUpload(flows, config.id, passage.client)
  const bytes = await readBytes(request, maxBytes, Math.min(FORM_WAIT_MS, LONGEST_MS), count)
  if (bytes === null) {
    throw new GateError(
      'target.too_large',
      `${config.id}: messages of MCP may have ${maxBytes} bytes where tools are judged`,
    )
  }
  if (now() - sinceMs > LONGEST_MS) throw new GateError('target.stalled', `${config.id}: a message came too slowly`)
  const messages = readMessages(bytes)
  if (messages.kind === 'unclear')
    throw unclear(config.id, 'its messages could be read in more than one way, or in none')
  giveBody(passage, bytes)
  const closed = messages.tools.find(tool => opensTool?.(tool) !== true)
  return closed === undefined ? { kind: 'passes' } : { kind: 'closed', tool: closed, id: messages.id }
}

function unclear(route: string, why: string): GateError {
  return new GateError('target.malformed', `${route}: a request cannot be judged by its tools, since ${why}`)
}

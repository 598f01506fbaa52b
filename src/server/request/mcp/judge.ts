/** Which tools of an MCP server a request calls, read from its body, and whether they may be called. */

import { GateError } from '../../../base/errors.ts'
import { isJsonObject } from '../../../base/json.ts'
import { FORM_WAIT_MS, readBytes } from '../../../portal/form.ts'
import type { Flows } from '../../../proxy/body/flows.ts'
import { countUpload } from '../../../proxy/body/upload-errors.ts'
import type { GateRoute } from '../../config/snapshot.ts'
import { giveBody, type RequestContext } from '../context.ts'

/** Calls of tools are short; what is longer belongs into a resource. */
const MAX_BYTES = 1024 * 1024

/** A body that takes longer than this was allowed by what may no longer be true. */
const LONGEST_MS = 10_000

/** What becomes of a request whose messages were judged. */
export type Judged =
  /** The request continues, with the body that was read. */
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
  context: RequestContext,
  { config, opensTool }: Pick<GateRoute, 'config' | 'opensTool'>,
  maxBodyBytes: number | null,
  { ports: { now }, flows }: JudgeTools,
): Promise<Judged> {
  const { request, sent } = context
  if (sent.upgrade !== undefined) throw unclear(config.id, 'another protocol is asked for')
  if (SILENT.has(request.method) && request.body === null) return { kind: 'passes' }
  if (request.method !== 'POST') throw unclear(config.id, 'its method is none of the protocol')
  const { 'content-type': type = '', 'content-encoding': coding } = sent
  if (coding !== undefined || !/^application\/json *(?:; *charset="?utf-8"? *)?$/i.test(type)) {
    throw unclear(config.id, 'its body is no plain JSON')
  }
  const sinceMs = now()
  const maxBytes = Math.min(MAX_BYTES, maxBodyBytes ?? MAX_BYTES)
  const count = countUpload(flows, config.id, context.client)
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
  giveBody(context, bytes)
  const closed = messages.tools.find(tool => opensTool?.(tool) !== true)
  return closed === undefined ? { kind: 'passes' } : { kind: 'closed', tool: closed, id: messages.id }
}

function unclear(route: string, why: string): GateError {
  return new GateError('target.malformed', `${route}: a request cannot be judged by its tools, since ${why}`)
}

/** What a body of JSON-RPC 2.0 asks for, as far as that is judged. */
type Messages =
  | {
      readonly kind: 'messages'
      /** The tools that it calls, in its order. */
      readonly tools: readonly string[]
      /** The id of a single request, by which it is answered; null for a batch, and for what waits for no answer. */
      readonly id: string | number | null
    }
  /** It could be read in more than one way, or in none. */
  | { readonly kind: 'unclear' }

const UNCLEAR: Messages = Object.freeze({ kind: 'unclear' })

/** The members that say what is called. Some servers read them in any letter case (Go's encoding/json does). */
const SAYING = ['jsonrpc', 'id', 'method', 'params', 'name']

/**
 * The tools that a body calls (MCP, tools/call; JSON-RPC 2.0 §4 and §6).
 *
 * It guesses nothing. Servers differ on a member that occurs twice or in other letters, on a method in an unusual
 * spelling, and on bytes that are not UTF-8 (RFC 8259 §8.1). Any of these makes the whole body unclear. Other methods
 * are not checked.
 */
export function readMessages(bytes: Uint8Array): Messages {
  const text = decode(bytes)
  if (text === null) return UNCLEAR
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return UNCLEAR
  }
  if (countMembers(body) !== countKeys(text)) return UNCLEAR
  const all: readonly unknown[] = Array.isArray(body) ? body : [body]
  if (all.length === 0) return UNCLEAR
  const tools: string[] = []
  for (const message of all) {
    const called = calledBy(message)
    if (called === 'unclear') return UNCLEAR
    if (called !== null) tools.push(called.tool)
  }
  return { kind: 'messages', tools, id: Array.isArray(body) ? null : idOf(body) }
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

/** The tool that a message calls; null for one that calls none: another request, a notification, or an answer. */
function calledBy(message: unknown): { readonly tool: string } | 'unclear' | null {
  if (!isJsonObject(message) || hasOtherSpelling(message)) return 'unclear'
  if (!Object.hasOwn(message, 'method')) return null
  const { method, params } = message
  if (typeof method !== 'string' || !/^[A-Za-z0-9_$./-]+$/.test(method)) return 'unclear'
  if (method.toLowerCase() !== 'tools/call') return null
  if (method !== 'tools/call' || !isJsonObject(params) || hasOtherSpelling(params)) return 'unclear'
  const { name } = params
  return typeof name === 'string' ? { tool: name } : 'unclear'
}

function idOf(message: unknown): string | number | null {
  const id = isJsonObject(message) ? message.id : null
  return typeof id === 'string' || typeof id === 'number' ? id : null
}

function hasOtherSpelling(object: object): boolean {
  return Object.keys(object).some(key => !SAYING.includes(key) && SAYING.includes(fold(key)))
}

/** Upper case first, for letters that only that brings to ASCII (the long s). */
function fold(key: string): string {
  return key.trim().toUpperCase().toLowerCase()
}

/** How many members all objects of a value have together. */
function countMembers(value: unknown): number {
  let count = 0
  const waiting: unknown[] = [value]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next !== 'object' || next === null) continue
    const inner: readonly unknown[] = Object.values(next)
    if (!Array.isArray(next)) count += inner.length
    for (const one of inner) if (typeof one === 'object') waiting.push(one)
  }
  return count
}

/** How many names of members a JSON text has: strings with a colon behind them. */
function countKeys(text: string): number {
  let count = 0
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"([\t\n\r ]*:)?/g)) if (colon !== undefined) count++
  return count
}

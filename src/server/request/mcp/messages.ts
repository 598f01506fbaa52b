/** What a body of JSON-RPC 2.0 asks for, as far as that is judged. */
export type Messages =
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
 * Nothing is guessed: a member that is there twice, or in other letters, a method in an unusual spelling, or bytes that are not UTF-8 (RFC
 * 8259 §8.1) are read by one server as this and by another as that, and make all of it unclear. Of other methods nothing is asked.
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
  if (!isObject(message) || hasOtherSpelling(message)) return 'unclear'
  if (!Object.hasOwn(message, 'method')) return null
  const { method, params } = message
  if (typeof method !== 'string' || !/^[A-Za-z0-9_$./-]+$/.test(method)) return 'unclear'
  if (method.toLowerCase() !== 'tools/call') return null
  if (method !== 'tools/call' || !isObject(params) || hasOtherSpelling(params)) return 'unclear'
  const { name } = params
  return typeof name === 'string' ? { tool: name } : 'unclear'
}

function idOf(message: unknown): string | number | null {
  const id = isObject(message) ? message.id : null
  return typeof id === 'string' || typeof id === 'number' ? id : null
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
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

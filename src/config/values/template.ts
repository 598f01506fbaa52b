/** Templates of fields: text with placeholders for the person and the request. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { didYouMean } from '../text/suggest.ts'
import { PLACEHOLDERS } from './headers.ts'

/** What a template can say of the request itself. */
export type RequestPlaceholder = 'host' | 'path' | 'query' | 'method' | 'client' | 'request_id' | 'scheme'

/** A piece of a template: text as it is, something about the person, or something about the request. */
export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  /** A placeholder of `headers`: `email`, `claims.NAME`. */
  | { readonly kind: 'identity'; readonly name: string }
  | { readonly kind: 'request'; readonly name: RequestPlaceholder }

/** A field with its value; the name is lower-case. */
export interface FieldTemplate {
  readonly name: string
  readonly parts: readonly TemplatePart[]
}

/** What a template may name of the request itself. */
const REQUEST_PLACEHOLDERS = ['host', 'path', 'query', 'method', 'client', 'request_id', 'scheme'] as const

/**
 * A template in its parts: literal text with `{placeholder}` in it; `{{` and `}}` are braces. Text without braces is literal.
 *
 * Refused: unknown placeholders (claims are `{claims.NAME}`), braces that do not pair, text that a field cannot carry.
 */
export function parseParts(text: string): Parsed<readonly TemplatePart[]> {
  if (!/^[\x20-\x7e]+$/.test(text)) return bad('header.template', 'this value cannot be in a header', 'ASCII only')
  return splitTemplate(text)
}

/** The same for text that does not become a field as it is. */
export function splitTemplate(text: string): Parsed<readonly TemplatePart[]> {
  const parts: TemplatePart[] = []
  let literal = ''
  let end = 0
  for (const match of text.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g)) {
    const [piece, inner] = match
    literal += text.slice(end, match.index)
    end = match.index + piece.length
    if (piece === '{{' || piece === '}}') {
      literal += piece[0]
      continue
    }
    if (inner === undefined) {
      const hint = 'write a placeholder as {email}, and a literal brace as {{ or }}'
      return bad('header.template', 'a brace in this value has no partner', hint, piece)
    }
    const placeholder = readPlaceholder(inner)
    if (placeholder === null) {
      const hint = didYouMean(inner, [...PLACEHOLDERS, 'claims.NAME', ...REQUEST_PLACEHOLDERS])
      return bad('header.template', `there is no placeholder ${quote(inner)}`, hint, piece)
    }
    if (literal !== '') parts.push({ kind: 'text', text: literal })
    literal = ''
    parts.push(placeholder)
  }
  literal += text.slice(end)
  if (literal !== '') parts.push({ kind: 'text', text: literal })
  return good(parts)
}

function readPlaceholder(name: string): TemplatePart | null {
  const ofRequest: RequestPlaceholder | undefined = REQUEST_PLACEHOLDERS.find(known => known === name)
  if (ofRequest !== undefined) return { kind: 'request', name: ofRequest }
  const isIdentity = PLACEHOLDERS.some(known => known === name) || /^claims\.[^\s{}]+$/.test(name)
  return isIdentity ? { kind: 'identity', name } : null
}

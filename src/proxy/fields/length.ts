import { parseLength } from '../../base/amounts.ts'

/**
 * How long an answer's body is by its fields; null where that is not known. In place: a length goes on as one number, or not at all,
 * since whoever comes next may take another of several (RFC 9112 §6.3).
 */
export function settleLength(headers: Headers): number | null {
  const raw = headers.get('content-length')
  if (raw === null) return null
  const length = parseLength(raw)
  if (length === null) headers.delete('content-length')
  else if (String(length) !== raw) headers.set('content-length', String(length))
  return length
}

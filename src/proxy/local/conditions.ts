/** What identifies one version of a file. */
export interface Version {
  /** A strong entity tag with its quotes. */
  readonly etag: string
  /** Milliseconds since the epoch, in whole seconds. */
  readonly modifiedMs: number
  readonly bytes: number
}

/** What a conditional request comes to: `until` is not included. */
export type Outcome =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly from: number; readonly until: number }
  | { readonly kind: 'not-modified' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'unsatisfiable' }

/**
 * What a GET or HEAD gets, in the order of RFC 9110 §13.2.2. Malformed dates and ranges count as absent, and several ranges
 * as none (§14.2 lets a server ignore them).
 */
export function decideOutcome(method: string, headers: Headers, version: Version): Outcome {
  const ifMatch = headers.get('if-match')
  const unmodifiedSince = dateOf(headers.get('if-unmodified-since'))
  if (
    ifMatch !== null ? !listsTag(ifMatch, version.etag, 'strong') : version.modifiedMs > (unmodifiedSince ?? Infinity)
  ) {
    return { kind: 'failed' }
  }
  const ifNoneMatch = headers.get('if-none-match')
  const modifiedSince = dateOf(headers.get('if-modified-since'))
  const isKnown =
    ifNoneMatch !== null
      ? listsTag(ifNoneMatch, version.etag, 'weak')
      : modifiedSince !== null && version.modifiedMs <= modifiedSince
  if (isKnown) return { kind: 'not-modified' }
  const range = method === 'GET' ? headers.get('range') : null
  if (range === null || !mayBePart(headers.get('if-range'), version)) return { kind: 'whole' }
  return readRange(range, version.bytes)
}

/** RFC 9110 §13.1.5: a strong tag that is the same, or exactly the date. */
function mayBePart(ifRange: string | null, version: Version): boolean {
  return ifRange === null || ifRange === version.etag || dateOf(ifRange) === version.modifiedMs
}

/** RFC 9110 §14.1.2. */
function readRange(range: string, bytes: number): Outcome {
  const [, first, last] = /^bytes=[ \t]*([0-9]{0,15})-([0-9]{0,15})[ \t]*$/i.exec(range) ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return { kind: 'whole' }
  if (first === '') {
    const length = Math.min(Number(last), bytes)
    return length === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', from: bytes - length, until: bytes }
  }
  const from = Number(first)
  if (last !== '' && Number(last) < from) return { kind: 'whole' }
  if (from >= bytes) return { kind: 'unsatisfiable' }
  return { kind: 'part', from, until: last === '' ? bytes : Math.min(Number(last) + 1, bytes) }
}

/** RFC 9110 §8.8.3.2. Ours is strong. */
function listsTag(field: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (field.trim() === '*') return true
  const tags = field.match(/(?:W\/)?"[^"]*"/g) ?? []
  return tags.some(tag => tag === etag || (comparison === 'weak' && tag === `W/${etag}`))
}

function dateOf(field: string | null): number | null {
  // Only what HTTP writes: Date.parse takes much more.
  if (
    field === null ||
    !/^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/.test(field)
  ) {
    return null
  }
  const ms = Date.parse(field)
  return Number.isNaN(ms) ? null : ms
}

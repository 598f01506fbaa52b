/** Addresses to return to after a sign-in: a path of the same host, and nothing else. */

import { parseTarget } from './target.ts'

declare const checked: unique symbol

/** A path and query on the requested host. It never leads to another origin, nor to one of Sallyport's own pages. */
export type SafeReturnTo = string & { readonly [checked]: true }

/** Longer deep links are forgotten: they have to fit, sealed, into an address. */
const MAX_LENGTH = 4096

/** Printable ASCII without `\` and `#`: what a browser and we read the same way. */
const PLAIN = /^\/(?:[!"$-[\]-~][!"$-[\]-~]*)?$/

/**
 * Where to go after signing in; `/` for anything that is not a plain path and query of this host.
 *
 * Refused: another origin in any spelling (`//host`, `/\host`, a scheme), dot segments, control characters, spaces,
 * anything not ASCII, what no target may be, and our own pages, since returning to a sign-in page would sign in again, but for those that only show something.
 * Source: WHATWG URL §4.4 (backslash equals slash; tab and newline are dropped before parsing).
 */
export function parseReturnTo(raw: string | null): SafeReturnTo {
  return (raw !== null && isSafe(raw) ? raw : '/') as SafeReturnTo
}

/** Own pages that only show something. */
const RETURNABLE = new Set(
  ['account', 'sessions', 'tokens', 'kept', 'guests', 'admin', 'people', 'audit', 'file', 'edit', 'authorize'].map(
    page => `/.sallyport/${page}`,
  ),
)

/** Whether it would be taken for a target here: who would only be refused is better off on the front page. */
function isTarget(raw: string): boolean {
  try {
    parseTarget('GET', `http://host${raw}`, 'host')
    return true
  } catch {
    return false
  }
}

function isSafe(raw: string): boolean {
  if (raw.length > MAX_LENGTH || !PLAIN.test(raw) || raw.startsWith('//')) return false
  const path = raw.split('?', 1)[0] ?? ''
  if (/\/(?:\.|%2e){1,2}(?:\/|$)/i.test(path)) return false
  if (!isTarget(raw)) return false
  return RETURNABLE.has(path) || (path !== '/.sallyport' && !path.startsWith('/.sallyport/'))
}

/** Keeps answers for one user out of shared caches. */

import { isForCachesAlone } from '../../config/values/cache-control.ts'

/** What Cache-Control may say in the answer to one person: nothing else is known not to speak to shared caches. */
const KEPT: ReadonlySet<string> = new Set([
  'max-age',
  'no-cache',
  'no-store',
  'must-revalidate',
  'must-understand',
  'no-transform',
  'private',
  'immutable',
  'stale-while-revalidate',
  'stale-if-error',
])

/**
 * Cache-Control by which no shared cache keeps the answer (RFC 9111 §5.2.2). The same text where it says so already;
 * null: none was sent.
 *
 * `private` with a list of fields protects only these fields, and `must-understand` cancels `no-store`.
 */
export function privateControl(control: string | null): string {
  if (control === null) return 'private'
  // Quoted text may contain commas, and is rare: it is not parsed.
  if (control.includes('"'))
    return control.toLowerCase().includes('no-store') ? 'private, no-store' : 'private, no-cache'
  const said = control.split(',').map(one => one.trim())
  const names = said.map(one => nameOf(one))
  const isKeptBack = names.includes('private') || (names.includes('no-store') && !names.includes('must-understand'))
  if (isKeptBack && names.every(name => KEPT.has(name))) return control
  const kept = said.filter((_, index) => KEPT.has(names[index] ?? ''))
  return (isKeptBack ? kept : ['private', ...kept]).join(', ')
}

function nameOf(directive: string): string {
  const end = directive.indexOf('=')
  return (end === -1 ? directive : directive.slice(0, end)).toLowerCase()
}

/** Changes an answer's fields in place, such that no shared cache keeps it. */
export function keepFromSharedCaches(headers: Headers): void {
  for (const name of Object.keys(headers.toJSON())) if (isForCachesAlone(name)) headers.delete(name)
  headers.set('cache-control', privateControl(headers.get('cache-control')))
}

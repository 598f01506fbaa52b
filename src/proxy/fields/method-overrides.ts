/** Fields and parameters by which applications would take a request for one of another method. */

import { foldFieldName } from '../../config/values/headers.ts'
import { decodeOnce } from '../../route/readings.ts'
import { type FieldFate, METHOD_OVERRIDES } from './names.ts'
import type { SentFields } from './request.ts'

type FateOf = (name: string) => FieldFate

/**
 * Parameters that frameworks read from a query in addition to the field names: `_method`, in the spellings that PHP
 * treats alike.
 */
const PARAMETERS = new Set([...METHOD_OVERRIDES, '-method'])

/** What every one of these names holds, as it is written or escaped. */
const SUSPECT = /method|%/i

/** The fields without those by which some backends act on another method than the request's own. */
export function withoutOverrides(sent: SentFields, fateOf: FateOf): SentFields {
  return Object.fromEntries(Object.entries(sent).filter(([name]) => fateOf(name) !== 'method-override'))
}

/** The field by which a request names another method, or null. */
export function overridingField(sent: SentFields, fateOf: FateOf): string | null {
  for (const name in sent) if (fateOf(name) === 'method-override') return name
  return null
}

/** The parameter of a query (empty, or with its `?`) by which a request names another method, as it is written; or null. */
export function overridingParameter(query: string): string | null {
  // Each of the names says it, and an escape may: a long query of anything else is not taken apart.
  if (!SUSPECT.test(query)) return null
  for (const part of query.slice(1).split(/[&;]/)) {
    const [name = ''] = part.split('=', 1)
    if (SUSPECT.test(name) && PARAMETERS.has(foldFieldName(readName(name)))) return name
  }
  return null
}

/** A name as forms are read: a plus is a blank, what is no escape stays, and PHP ends a name at NUL and at a bracket. */
function readName(name: string): string {
  const text = decodeOnce(name.replaceAll('+', ' '))
  return text.split(/[\0[]/, 1).join('').trim()
}

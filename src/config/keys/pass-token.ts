/** `pass_token` of a route, and its keys: the provider's tokens that its application gets. */

import { choice, describe, either, type Type } from '../values/value.ts'
import { identityFieldName } from './assertion.ts'
import { APPLICATION, FREE, type Keys, optional, table } from './table.ts'

export type ProviderTokenKind = 'access' | 'id'

/** `pass_token` of a route, as a table. */
export const PASS_TOKEN = {
  access: optional(
    identityFieldName,
    'X-Forwarded-Access-Token',
    'not sent',
    "The field for the provider's access token; in `Authorization` it comes after `Bearer`.",
  ),
  id: optional(
    identityFieldName,
    'Authorization',
    'not sent',
    "The field for the provider's ID token; in `Authorization` it comes after `Bearer`.",
  ),
} as const satisfies Keys

/** Which of a provider's tokens go to the application, each with its field in lower case. */
export type PassTokenValue = ReadonlyMap<ProviderTokenKind, string>

const kind = choice(['access', 'id'])
const fields = table(PASS_TOKEN, { title: '[routes.pass_token]' })

const byKind: Type<PassTokenValue> = {
  ...describe(kind),
  read(raw, report) {
    const name = kind.read(raw, report)
    return name === undefined ? undefined : new Map([[name, 'authorization']])
  },
}

const byField: Type<PassTokenValue> = {
  ...describe(fields),
  read(raw, report) {
    const read = fields.read(raw, report)
    if (read === undefined) return undefined
    if (raw.kind === 'table' && raw.entries.size === 0) {
      report.mistake(raw.at, 'list.empty', 'pass_token names no token', { hint: 'leave it out' })
    }
    const { access, id } = read.values
    return new Map([...(access ? [['access', access] as const] : []), ...(id ? [['id', id] as const] : [])])
  },
}

/** A token of the provider that goes to the application, and in which field (lower-case; `authorization` adds `Bearer`). */
export interface PassedToken {
  readonly kind: ProviderTokenKind
  readonly header: string
}

const passToken: Type<PassTokenValue> = {
  ...either(raw => raw.kind === 'table', byField, byKind),
  label: '"access", "id", or table',
  expected: '"access", "id", or a table such as { access = "X-Forwarded-Access-Token" }',
}

/** The key of a route. */
export const ROUTE_PASS_TOKEN = {
  pass_token: optional(
    passToken,
    { access: 'X-Forwarded-Access-Token' },
    'none',
    'The provider\'s own token of the signed-in user: `"access"` or `"id"` as `Authorization: Bearer`, or a table with the keys below. An application with the token can act for the user. Needs a portal.',
    { ...FREE, targets: APPLICATION, field: 'passTokens', build: listTokens },
  ),
} as const satisfies Keys

function listTokens(fields: PassTokenValue | null): readonly PassedToken[] {
  return Array.from(fields ?? [], ([kind, header]) => ({ kind, header }))
}

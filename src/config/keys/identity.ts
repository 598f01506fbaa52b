/** The keys by which an application learns who a user is: `headers`, `assertion`, `pass_token`. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { foldFieldName, IDENTITY, OWNED, TOKEN } from '../values/headers.ts'
import { choice, describe, either, parsed, type Type, text } from '../values/value.ts'
import { APPLICATION, type Built, defaulted, FREE, type Keys, optional, required, table } from './table.ts'

export type ProviderTokenKind = 'access' | 'id'

/** The field in which an assertion travels unless the file says otherwise. */
const ASSERTION_HEADER = 'x-sallyport-assertion'

function parseFieldName(name: string): Parsed<string> {
  const folded = foldFieldName(name)
  if (!TOKEN.test(name)) return bad('header.name', `${quote(name)} is not a field name`, 'letters, digits and dashes')
  if (OWNED.test(folded) || IDENTITY.test(folded) || folded === 'x-request-id') {
    const hint = 'it has a special meaning: choose another name'
    return bad('header.owned', `${quote(name)} cannot be set here`, hint)
  }
  return good(name.toLowerCase())
}

const fieldName = parsed({ label: 'field name', expected: 'the name of a field' }, parseFieldName)

/** `assertion` of a route. */
export const ASSERTION = {
  audience: required(
    text(),
    'grafana',
    'The value of `aud`: the application. An application that accepts no other `aud` accepts no assertion for another application.',
  ),
  header: defaulted(
    fieldName,
    ASSERTION_HEADER,
    'X-Jwt-Assertion',
    'The field that carries it. In `Authorization` it comes after `Bearer`, in place of what a client sends.',
  ),
  issuer: optional(
    text(),
    'https://auth.example.com',
    "the portal's `url`, else `https://` and `host`",
    'What `iss` says. The keys are at this address and `/.sallyport/jwks.json`, as long as it is one of a portal.',
  ),
} as const satisfies Keys

/** A signed statement of who someone is, for one application. */
export type AssertionConfig = Built<typeof ASSERTION>

/** `pass_token` of a route, as a table. */
export const PASS_TOKEN = {
  access: optional(
    fieldName,
    'X-Forwarded-Access-Token',
    'not sent',
    "The field for the provider's access token; in `Authorization` it comes after `Bearer`.",
  ),
  id: optional(
    fieldName,
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

/** What a route sends its application about a user in addition to `headers`. */
export const ROUTE_IDENTITY = {
  assertion: optional(
    table(ASSERTION, { title: '[routes.assertion]' }),
    { audience: 'grafana' },
    'none',
    'A signed statement about the user (a JWT), which the application can check with the keys at `/.sallyport/jwks.json`; its keys are below. Needs a portal.',
    { ...FREE, targets: APPLICATION },
  ),
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

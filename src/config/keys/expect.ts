/** The keys of `[[expect]]`: a request, a user, and the verdict that they have to get. */

import { canonicalAddress } from '../../base/net.ts'
import { bad, good } from '../text/diagnostic.ts'
import { quote, type RawTable, showRaw } from '../text/raw.ts'
import { parseAskedAddress } from '../values/address.ts'
import { duration } from '../values/duration.ts'
import { parseEmail } from '../values/email.ts'
import { method } from '../values/headers.ts'
import { moment, momentMs } from '../values/times.ts'
import { choice, list, parsed, type Type, text, wrongKind } from '../values/value.ts'
import { claims } from './rules.ts'
import { type Built, defaulted, type Keys, optional, required, table } from './table.ts'

/** Every verdict that `explain` can come to. */
export const EXPECTED_VERDICTS = ['allow', 'sign-in', 'step-up', 'deny', 'no-route', 'refused'] as const

export type ExpectedVerdict = (typeof EXPECTED_VERDICTS)[number]

const word = text()

/** `as` of an expectation. */
export const EXPECTED_PERSON = {
  provider: optional(word, 'pocket-id', "the first of the route's portal", 'Where they signed in.'),
  subject: optional(word, '8c9f3a52-1d7b-4a87-b0a1-5f3d2f0c7e11', 'anyone', 'Their `sub` claim.'),
  email: optional(
    parsed({ label: 'e-mail address', expected: 'an e-mail address' }, parseEmail),
    'ada@example.com',
    'none',
    'Their `email` claim, which the provider has verified; `claims = { email_verified = false }` says otherwise.',
  ),
  groups: optional(list(word, { single: true }), ['admins'], 'none', 'Their `groups` claim.', {
    build: groups => groups ?? [],
  }),
  claims: optional(claims, { department: ['it'] }, 'none', 'Other claims; several values are a list.', {
    build: claims => claims ?? new Map(),
  }),
  roles: optional(
    list(word, { single: true }),
    ['admin'],
    'what the rules give',
    'More roles of the portal, as if they had been granted.',
    { build: roles => roles ?? [] },
  ),
} as const satisfies Keys

const address = parsed(
  { label: 'address', expected: 'an address such as "https://app.example.com/admin"' },
  parseAskedAddress,
)

const ip = parsed({ label: 'IP address', expected: 'an IP address' }, value => {
  const canonical = canonicalAddress(value)
  return canonical === null
    ? bad('expect.ip', `${quote(value)} is not an IP address`, 'one address, as in 203.0.113.9')
    : good(canonical)
})

/** Fields of a request by their names, in small letters. */
const fieldsByName: Type<ReadonlyMap<string, string>> = {
  label: 'table',
  expected: 'a table of field = value',
  schema: { type: 'object', additionalProperties: word.schema },
  read(raw, report) {
    if (raw.kind !== 'table')
      return wrongKind(raw, 'a table of field = value', report, 'headers = { User-Agent = "curl" }')
    const fields = new Map<string, string>()
    for (const [name, entry] of raw.entries) {
      const value = word.read(entry, report)
      if (value !== undefined) fields.set(name.toLowerCase(), value)
    }
    return fields
  },
}

/** Whom an expectation is about: of the first provider of the portal of the route, unless it names another. */
export type ExpectedPerson = Built<typeof EXPECTED_PERSON>

/** One of `[[expect]]`. */
export const EXPECT = {
  address: required(
    address,
    'https://app.example.com/admin',
    'What is asked for, as a client sends it that resolves nothing in it.',
  ),
  verdict: required(
    choice(EXPECTED_VERDICTS),
    'deny',
    'The result that this has to have, as `explain` says it. With another result, the file has an error.',
  ),
  as: optional(
    table(EXPECTED_PERSON, { title: '[expect.as]' }),
    { groups: ['admins'] },
    'no user is signed in',
    'Who asks; `{}` is anyone who is signed in.',
    { field: 'who' },
  ),
  method: defaulted(method, 'GET', 'POST', 'By which method.'),
  ip: optional(
    ip,
    '203.0.113.9',
    'not known',
    'Where from; rules about networks hold for no address that is not known.',
  ),
  at: optional(
    moment,
    '2026-12-24T18:00:00+01:00',
    'no matter when',
    'When; without an offset in UTC. Needed where rules look at times.',
    { field: 'atMs', build: at => (at === null ? null : momentMs(at, 'UTC', 'start')) },
  ),
  headers: optional(
    fieldsByName,
    { 'User-Agent': 'curl/8.14.1' },
    'none that a rule looks at',
    'Fields of the request, each with one value.',
    { field: 'sent', build: (fields): Readonly<Record<string, string>> => Object.fromEntries(fields ?? []) },
  ),
  signed_in: defaulted(duration('0s', '365d'), '0s', '20m', 'How long before that they signed in.'),
} as const satisfies Keys

/**
 * What a file says that a request has to come to. `who` is null where no user is signed in, `atMs` where it is the same at any time.
 * `href` of the address is as the server reads it, `authority` and `path` as they are sent.
 */
export interface Expectation extends Built<typeof EXPECT> {
  /** The address as the file has it: what is filled in is not shown. */
  readonly shownAs: string
}

export function finishExpectation(
  fields: Built<typeof EXPECT>,
  _values: object,
  _context: object,
  raw: RawTable,
): Expectation {
  return { ...fields, shownAs: showRaw(raw.entries.get('address')) }
}

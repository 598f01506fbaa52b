/** `assertion` of a route, and its keys: a signed statement of who a user is. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { foldFieldName, IDENTITY, OWNED, TOKEN } from '../values/headers.ts'
import { parsed, text } from '../values/value.ts'
import { APPLICATION, type Built, defaulted, FREE, type Keys, optional, required, table } from './table.ts'

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

/** The name of a field that tells an application of a user, in lower case. */
export const identityFieldName = parsed({ label: 'field name', expected: 'the name of a field' }, parseFieldName)

/** `assertion` of a route. */
export const ASSERTION = {
  audience: required(
    text(),
    'grafana',
    'The value of `aud`: the application. An application that accepts no other `aud` accepts no assertion for another application.',
  ),
  header: defaulted(
    identityFieldName,
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

/** The key of a route. */
export const ROUTE_ASSERTION = {
  assertion: optional(
    table(ASSERTION, { title: '[routes.assertion]' }),
    { audience: 'grafana' },
    'none',
    'A signed statement about the user (a JWT), which the application can check with the keys at `/.sallyport/jwks.json`; its keys are below. Needs a portal.',
    { ...FREE, targets: APPLICATION },
  ),
} as const satisfies Keys

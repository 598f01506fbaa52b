/** `compat` of a portal: addresses of oauth2-proxy or caddy-security that still work. */

import { bad, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { headerSpec } from '../values/headers.ts'
import { parseRoutePath } from '../values/path.ts'
import { choice, parsed, type Type, text } from '../values/value.ts'
import { type Built, defaulted, type Keys, optional, required, type Table, table } from './table.ts'

const program = choice(['oauth2-proxy', 'caddy-security'])

const path = parsed({ label: 'path', expected: 'a path' }, parseOldPath)

/** `compat` of a portal, written as a table. */
export const COMPAT = {
  program: required(program, 'oauth2-proxy', 'Whose addresses they are.'),
  prefix: optional(
    parsed({ label: 'path', expected: 'a path' }, parseRoutePath),
    '/auth',
    '`/oauth2`, or `/auth`',
    'Below which they are: `sign_out`, `sign_in`, `start`, `userinfo` and `auth` of oauth2-proxy (`proxy_prefix`); `portal`, `login`, `logout`, `whoami` and `oauth2/REALM` of caddy-security, where people sign in alone: `/` for a host of its own.',
  ),
  headers: defaulted(
    headerSpec,
    'none',
    'x-auth-request',
    'Of oauth2-proxy: the fields by which `auth`, and answers of applications that are told who is there, say it too (`set_xauthrequest`): as `headers` of a route. `GAP-Auth` is among them in any case.',
  ),
  ping_path: defaulted(
    path,
    '/ping',
    '/healthz',
    'Of oauth2-proxy: where it says that it runs; on hosts without a route too.',
  ),
  ready_path: defaulted(
    path,
    '/ready',
    '/readyz',
    'Of oauth2-proxy: where it says that sessions can be read; the same.',
  ),
  ping_user_agent: optional(
    text(),
    'GoogleHC/1.0',
    'nobody',
    'Of oauth2-proxy: who gets the answer of `ping_path` at `/` too, unless a route answers there itself. At any other address this is a user agent like another.',
  ),
} as const satisfies Keys

export type CompatTable = Table<typeof COMPAT>

/** The replaced program, and its paths as in the file without a slash at the end; `/` is empty. */
export type CompatConfig = OldProxy | OldPortal

/** caddy-security's, where people sign in. */
export interface OldPortal {
  readonly program: 'caddy-security'
  readonly prefix: string
}

/** oauth2-proxy's, on every host of the portal. `pingUserAgent` is the User-Agent whose health check `/` is; null: none. */
export interface OldProxy extends Built<typeof COMPAT> {
  readonly program: 'oauth2-proxy'
  readonly prefix: string
}

const whole = table(COMPAT, { title: '[portals.NAME.compat]' }, ({ program, prefix, ...rest }): CompatConfig => {
  if (program === 'oauth2-proxy') return { program, prefix: prefix ?? '/oauth2', ...rest }
  return { program, prefix: prefix === '/' ? '' : (prefix ?? '/auth') }
})

/** The name of a program, or a table that says more. */
export const compat: Type<CompatTable, CompatConfig> = {
  ...whole,
  label: `${program.label}, or table`,
  expected: `${program.expected}, or a table`,
  schema: { anyOf: [program.schema, whole.schema] },
  read(raw, report) {
    if (raw.kind !== 'text') return whole.read(raw, report)
    return whole.read({ kind: 'table', at: raw.at, entries: new Map([['program', raw]]) }, report)
  },
}

/** The front page is an application's: of the replaced program's own addresses, only the health check may be there. */
function parseOldPath(text: string): Parsed<string> {
  const path = parseRoutePath(text)
  if (!path.ok || path.value !== '/') return path
  return bad('path.invalid', `${quote(text)} is where applications are`, 'it needs a path of its own')
}

import { parsePortalUrl } from './address.ts'
import { PERSON } from './keys-rules.ts'
import { PORTAL_SESSIONS } from './keys-sessions.ts'
import { parseCallbackPath } from './path.ts'
import type { Raw } from './raw.ts'
import { defaulted, type Key, type Keys, named, optional, required, type Table, table } from './table.ts'
import { boolean, list, parsed, type Type, text, wrongKind } from './value.ts'

type Scalar = string | number | boolean

const word = text()

/** A claim's value is compared as it is: text with text, number with number. */
const scalar: Type<Scalar> = {
  label: 'text, number or boolean',
  expected: 'text, a number, true or false',
  schema: { type: ['string', 'number', 'boolean'] },
  read(raw, report) {
    if (raw.kind === 'boolean') return raw.value
    if ((raw.kind === 'integer' || raw.kind === 'float') && Number.isFinite(raw.value)) return raw.value
    return raw.kind === 'text' ? word.read(raw, report) : wrongKind(raw, 'text, a number, true or false', report)
  },
}

const scalars = list(scalar, { single: true })

const claims: Type<ReadonlyMap<string, readonly Scalar[]>> = {
  label: 'table',
  expected: 'a table of claim = value, or a list of values',
  schema: { type: 'object', minProperties: 1, additionalProperties: scalars.schema },
  read(raw, report) {
    if (raw.kind !== 'table')
      return wrongKind(raw, 'a table of claim = value', report, 'claims = { department = ["it"] }')
    if (raw.entries.size === 0) {
      report.mistake(raw.at, 'list.empty', 'claims is an empty table', {
        hint: 'it would match everyone; name a claim',
      })
    }
    const values = new Map<string, readonly Scalar[]>()
    for (const [name, entry] of raw.entries) {
      const value = scalars.read(entry, report)
      if (value !== undefined) values.set(name, value)
    }
    return values
  },
}

const email = parsed({ label: 'e-mail address', expected: 'an e-mail address' }, parseEmail)
const domain = parsed({ label: 'domain', expected: 'a domain such as "example.com"' }, parseEmailDomain)
const words = list(word, { single: true })

/** One rule of a role. Every key that is present must hold; within a key, any entry is enough. */
export const RULE = {
  any: defaulted(boolean, false, true, 'Everyone who can sign in at this portal.'),
  providers: optional(words, ['pocket-id'], 'any', 'Signed in at one of these providers.'),
  provider: optional(word, 'pocket-id', 'any', 'The same, for a single provider.'),
  subjects: optional(
    words,
    ['8c9f3a52-1d7b-4a87-b0a1-5f3d2f0c7e11'],
    'any',
    'The `sub` claim is one of these: the surest way to name a person.',
  ),
  emails: optional(
    list(email, { single: true }),
    ['aunt@example.org'],
    'any',
    'The `email` claim is one of these, in any letter case. Together with `domains` it is one key: either is enough.',
  ),
  domains: optional(
    list(domain, { single: true }),
    ['friends.example'],
    'any',
    'The `email` claim ends in @ and one of these; subdomains do not count.',
  ),
  groups: optional(words, ['admins'], 'any', 'The `groups` claim holds one of these, whole and in this letter case.'),
  claims: optional(
  ...PORTAL_SESSIONS,
  provider_logout: defaulted(
    boolean,
    true,
    false,
    'Signing out here signs out at the provider too, where it has that. Register `…/.sallyport/signed-out` as the address to return to.',
  ),
  admin_role: optional(word, 'admin', 'nobody', 'Who has this role sees, and may end, every session of this portal.'),
    claims,
    { department: ['it', 'support'] },
    'any',
    'Each of these claims is, or as a list holds, one of the values.',
  ),
  require_verified_email: defaulted(boolean, false, true, 'The provider says that the e-mail address is verified.'),
} as const satisfies Keys

export type RuleTable = Table<typeof RULE>

const rule = table(RULE, { title: '[portals.NAME.roles]' })
const rules = list(rule)

/** A rule, or a list of rules of which any is enough. */
const role: Type<readonly RuleTable[]> = {
  label: 'rule, or list of rules',
  expected: 'a rule such as { groups = ["admins"] }, or a list of rules',
  get schema() {
    return { anyOf: [rule.schema, rules.schema] }
  },
  read(raw, report) {
    if (raw.kind === 'list') return rules.read(raw, report)
    const hint = raw.kind === 'text' || raw.kind === 'boolean' ? roleHint(raw) : ''
    if (raw.kind !== 'table') return wrongKind(raw, role.expected, report, hint)
    const one = rule.read(raw, report)
    return one === undefined ? undefined : [one]
  },
}

function roleHint(raw: Raw): string {
  return raw.kind === 'boolean' ? '{ any = true } is everyone who can sign in' : 'for a group: { groups = ["…"] }'
}

const roles = named(role, 'role', (name, at, report) => {
  if (name !== 'public' && name !== 'authenticated') return
  const hint = `allow = "${name}" has a meaning of its own; choose another name`
  report.mistake(at, 'role.reserved', `a role cannot be called ${name}`, { hint, part: 'key' })
})

const url = parsed({ label: 'origin', expected: 'an address such as "https://auth.example.com"' }, parsePortalUrl)

/** `[portals.NAME]`: where people sign in, and who is who. */
export const PORTAL = {
  title: defaulted(text(), 'Sallyport', 'Home', 'What the pages call this place.'),
  url: optional(
    url,
    'https://auth.example.com',
    'each protected host is its own',
    'A host of its own for signing in, for any number of other hosts; one callback address to register.',
  ),
  providers: required(
    list(word, { single: true }),
    ['pocket-id'],
    'Who may sign people in; more than one makes a choice.',
  ),
  callback_path: defaulted(
    parsed({ label: 'path', expected: 'a path' }, parseCallbackPath),
    '/.sallyport/callback',
    '/oauth2/callback',
    'Where providers send people back to; keeps an address that is registered already.',
  ),
  insecure_cookies: defaulted(
    boolean,
    false,
    true,
    'Cookies without `Secure` and `__Host-`, so that plain HTTP works. Anyone on the way can take over a session.',
  ),
  roles: rolesKey(),
} as const satisfies Keys

function rolesKey(): Key<ReadonlyMap<string, readonly RuleTable[]>> {
  return defaulted(
    roles,
    {},
    { admin: { groups: ['admins'] } },
    'Role = who has it: a rule, or a list of rules of which any is enough.',
  )
}

export type PortalTable = Table<typeof PORTAL>

/** The keys of `[portals.NAME]`. */

import { good } from '../text/diagnostic.ts'
import { quote, type Raw } from '../text/raw.ts'
import { parsePortalUrl, parseWebhook } from '../values/address.ts'
import { type Accent, parseDarkColour, parseLightColour } from '../values/colour.ts'
import { duration } from '../values/duration.ts'
import { parseContact, parseEmail, parseEmailDomain } from '../values/email.ts'
import { parseCallbackPath } from '../values/path.ts'
import { zone } from '../values/times.ts'
import {
  boolean,
  build,
  choice,
  either,
  integer,
  list,
  mapped,
  parsed,
  type Type,
  text,
  wrongKind,
} from '../values/value.ts'
import { type Allow, type AllowValue, allow, buildMembers } from './allow.ts'
import { compat } from './compat.ts'
import { PERSON, withProvider } from './rules.ts'
import { PORTAL_SESSIONS } from './sessions.ts'
import { RULE_INSTEAD, RULE_WORDS } from './synonyms.ts'
import {
  apart,
  type Built,
  defaulted,
  type Key,
  type Keys,
  named,
  optional,
  required,
  type Table,
  table,
} from './table.ts'

/** `requests` of a portal, written as a table. */
export const REQUESTS = {
  roles: optional(
    list(text(), { single: true }),
    ['family'],
    'every role that opens a route, but not `admin_role`',
    'The roles that users may ask for, if a route of this portal allows them; `admin_role` only if it is named here.',
  ),
  webhook: optional(
    parsed({ label: 'address', expected: 'an https:// address', isSecret: true }, parseWebhook),
    'https://ntfy.example.com/access',
    'nobody is told',
    'Where each new request is sent, as JSON by POST: `https://`, or `http://` on this machine. Its answer opens nothing; redirects are not followed.',
  ),
} as const satisfies Keys

type RequestsTable = Table<typeof REQUESTS>

/** `requests` of a portal. No `roles`: all but the admins' are meant. */
type RequestsConfig = Built<typeof REQUESTS>

const whole = table(REQUESTS, { title: '[portals.NAME.requests]' })

/** `true`, or a table with more keys; null: there are no requests. */
const requests: Type<RequestsTable | null, RequestsConfig | null> = {
  label: `${boolean.label}, or table`,
  expected: `${boolean.expected}, or a table`,
  get schema() {
    return { anyOf: [boolean.schema, whole.schema] }
  },
  read(raw, report) {
    if (raw.kind !== 'boolean') return whole.read(raw, report)
    return raw.value ? whole.read({ kind: 'table', at: raw.at, entries: new Map() }, report) : null
  },
  build: (value, context) => (value === null ? null : build(whole, value, context)),
}

const NAMES = { label: 'colour', expected: 'a colour such as "#34624f"' }
const light: Type<Accent> = parsed(NAMES, parseLightColour)
const dark: Type<Accent> = parsed(NAMES, parseDarkColour)
const file = parsed({ label: 'file', expected: 'the path of an SVG, PNG or WebP file' }, good)

/** How a portal's pages look. */
const BRAND = {
  logo: optional(
    file,
    'logo.svg',
    'the gate',
    'What the pages show in place of the gate: an SVG, PNG or WebP file of at most 64 kB, read again when it changes.',
    { field: null },
  ),
  logo_dark: optional(file, 'logo-dark.svg', '`logo`', 'The logo for dark screens, where you want another.', {
    field: null,
  }),
  colour: optional(
    light,
    '#34624f',
    'patina',
    'The colour of links and buttons. It has to be dark enough to be read; for dark screens a lighter one is made of it.',
    { field: null },
  ),
  colour_dark: optional(dark, '#86d2c2', 'made of `colour`', 'That colour for dark screens, where you want another.', {
    field: null,
  }),
} as const satisfies Keys

const word = text()

/** One rule of a role. Every key that is present must hold; within a key, any entry is enough. */
export const RULE = {
  any: defaulted(boolean, false, true, 'Everyone who can sign in at this portal, or has a password there.'),
  clients: defaulted(
    boolean,
    false,
    true,
    'Beside `any`, or a provider alone: programs too that come in their own name, with an access token that their provider gave them by `client_credentials`.',
  ),
  ...PERSON,
} as const satisfies Keys

export type RuleTable = Table<typeof RULE>

/** One way to have a role. `clients`: whether `any`, or a rule that only names a provider, also includes programs in their own name. */
export type RoleRule = Built<typeof RULE>

/** What rules of a route say, and no role: a role is somebody's at every address. */
const OF_ROUTES = ['path_regexp', 'paths', 'methods', 'networks', 'headers', 'query'].map(key => {
  const hint = 'write it in allow or deny of the route, as in { roles = ["admin"], methods = ["GET"] }'
  return [key, { message: `a role does not depend on the request: ${key} belongs to a rule`, hint }] as const
})

const rule = table(
  RULE,
  {
    title: '[portals.NAME.roles]',
    meant: meantRule,
    synonyms: RULE_WORDS,
    instead: RULE_INSTEAD,
    refused: new Map(OF_ROUTES),
  },
  withProvider,
)
const rules = list(rule)

/** A rule, or a list of rules of which any is enough. */
const role: Type<readonly RuleTable[], readonly RoleRule[]> = {
  ...rules,
  label: 'rule, or list of rules',
  expected: 'a rule such as { groups = ["admins"] }, or a list of rules',
  schema: { anyOf: [rule.schema, rules.schema] },
  read(raw, report) {
    if (raw.kind === 'list') return rules.read(raw, report)
    const meant = meantRule(raw)
    if (raw.kind !== 'table') return wrongKind(raw, role.expected, report, meant === null ? '' : `write ${meant}`)
    const one = rule.read(raw, report)
    return one === undefined ? undefined : [one]
  },
}

/** The rule that a word means: a user, a domain, everyone, or else a group. */
function meantRule(raw: Raw): string | null {
  if (raw.kind === 'boolean' && raw.value) return '{ any = true }'
  if (raw.kind !== 'text' || raw.isFilled || raw.source === '') return null
  return ruleOfPerson(raw.source) ?? `{ groups = [${quote(raw.source)}] }`
}

/** The rule that an address, a domain or a star is, where a role or a group was written; null for what is none of them. */
export function ruleOfPerson(word: string): string | null {
  if (/^(?:\*|any|all|every(?:one|body))$/i.test(word)) return '{ any = true }'
  if (/^\*?@/.test(word))
    return parseEmailDomain(word.replace(/^\*?@/, '')).ok ? `{ domains = [${quote(word.replace(/^\*?@/, ''))}] }` : null
  return parseEmail(word).ok ? `{ emails = [${quote(word)}] }` : null
}

/** As other programs call roles (`authp/admin`), but for what parts one from the next: blanks and commas. */
const ROLE_NAMES = { form: /^[A-Za-z0-9_-][A-Za-z0-9_./:@+-]*$/, hint: 'letters, digits and - _ . / : @ + only' }

const roles = named(
  role,
  'role',
  (name, at, report) => {
    if (name !== 'public' && name !== 'authenticated') return
    const hint = `allow = "${name}" has a special meaning: choose another name`
    report.mistake(at, 'role.reserved', `a role cannot be called ${name}`, { hint, part: 'key' })
  },
  ROLE_NAMES,
)

/** `guest_links` of a portal. */
export const GUEST_LINKS = {
  allow: required(
    list(word, { single: true }),
    ['admin'],
    "Who may make them: any one of these of the portal's roles. Nobody can share what they may not open themselves.",
  ),
  max_lifetime: defaulted(duration('5m', '365d'), '7d', '24h', 'How long a link may last.'),
  max_uses: defaulted(integer(1, 1_000), 100, 5, 'How many browsers may open a link.'),
} as const satisfies Keys

/** `guest_links` of a portal. */
export type GuestLinksConfig = Built<typeof GUEST_LINKS>

/** `bind_sessions` of a portal: null where nothing is bound. */
const binding: Type<'offered' | 'required' | null> = mapped(
  either(raw => raw.kind === 'boolean', boolean, choice(['required'])),
  value => (value === false ? null : value === true ? 'offered' : value),
)

/** Who may have a session: what `allow` of a route takes, but for `"public"`. */
const members: Type<Exclude<AllowValue, { readonly kind: 'public' }>, Exclude<Allow, { readonly kind: 'public' }>> = {
  label: '`"authenticated"`, role, rule, or a list of roles and rules',
  expected: '"authenticated", or a list of roles and rules',
  schema: allow.schema,
  build: buildMembers,
  read(raw, report) {
    if (raw.kind === 'boolean') return wrongKind(raw, members.expected, report, FOR_MEMBERS)
    const value = allow.read(raw, report)
    if (value?.kind !== 'public') return value
    report.mistake(raw.at, 'members.public', 'without a sign-in there is no session', { hint: FOR_MEMBERS })
    return undefined
  },
}

const FOR_MEMBERS = 'for everybody whom the providers know: "authenticated"; else name roles or rules about people'

const url = parsed({ label: 'origin', expected: 'an address such as "https://auth.example.com"' }, parsePortalUrl)

/** `[portals.NAME]`: where people sign in, and who is who. */
export const PORTAL = {
  title: defaulted(text(), 'Sallyport', 'Home', 'What the pages call this place.'),
  url: optional(
    url,
    'https://auth.example.com',
    'each protected host is its own',
    'A separate host for signing in, for any number of other hosts; one callback address to register.',
  ),
  providers: optional(
    list(word, { single: true }),
    ['pocket-id'],
    '**required**, unless there is `htpasswd`',
    'Who may sign people in; more than one makes a choice.',
    { build: names => names ?? [] },
  ),
  htpasswd: optional(
    parsed({ label: 'file', expected: 'the path of a file' }, good),
    'people.htpasswd',
    'none',
    'Who may come with a name and a password, on routes with `passwords = true`: a `users.toml`, or a file of lines that `htpasswd -B` writes (bcrypt; Argon2 and, with a warning, `$apr1$` are taken too), read again when it changes. To rules their provider is `"htpasswd"` and their subject `htpasswd:NAME`. A portal that has this alone asks for a password.',
    { field: null },
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
  members: defaulted(
    members,
    'authenticated',
    [{ emails: ['ada@example.org'] }, 'family'],
    'Who may have a session: one of these roles, or rules about users, is enough; `"authenticated"` is every user of the providers. Other users see a page at the sign-in, and count as not signed in, also with tokens and passwords.',
  ),
  ...BRAND,
  contact: optional(
    parsed({ label: 'contact', expected: 'an address such as "mailto:it@example.com", or words' }, parseContact),
    'mailto:it@example.com',
    'nobody is named',
    'Whom people ask, on the pages of a refusal or a failure: an address (`mailto:`, `https:`, `http:`, `tel:`, `xmpp:`, `matrix:`), or words.',
  ),
  timezone: defaulted(zone, 'UTC', 'Europe/Berlin', 'The time zone in which the pages tell times.'),
  ...apart(PORTAL_SESSIONS),
  provider_logout: defaulted(
    boolean,
    false,
    true,
    'Signing out here signs out at the provider too, where it has that. Register `https://HOST/.sallyport/signed-out` there as the address to return to.',
  ),
  admin_role: optional(
    word,
    'admin',
    'nobody',
    'Users with this role see and may end every session of this portal, and see the page `/.sallyport/admin`.',
  ),
  bind_tickets: defaulted(
    boolean,
    false,
    true,
    'Takes the ticket by which this portal signs a browser in at another host only from the network that it was given to (IPv4 /24, IPv6 /64). If browsers reach one host by IPv4 and the other by IPv6, or a proxy in front does not say who its client is, no user can sign in.',
  ),
  bind_sessions: defaulted(
    binding,
    false,
    true,
    'Binds each sign-in to a key in the device, where the browser can (Chrome): a copied cookie is of no use after ten minutes. Other browsers go on as without; with `"required"` they are refused. Not for plain HTTP, API tokens, MCP clients and guest links.',
  ),
  personal_tokens: defaulted(
    boolean,
    false,
    true,
    'People may make tokens for themselves on the page `/.sallyport/tokens`, with the roles that they have at any time, for routes with `tokens = true`.',
  ),
  personal_tokens_rest: defaulted(
    duration('1h', '365d'),
    '30d',
    '7d',
    'How long such a token works after the provider last vouched for its owner, at a sign-in or a refresh; after that it rests until they sign in again.',
  ),
  guest_links: optional(
    table(GUEST_LINKS, { title: '[portals.NAME.guest_links]' }),
    { allow: ['admin'], max_lifetime: '24h' },
    'there are none',
    'Lets people with a role make links by which guests open one host and path without signing in, where a rule says `guest_link = true`; its keys are below.',
  ),
  requests: optional(
    requests,
    true,
    'nobody is asked',
    'A signed-in user may ask for a missing role on the 403 page; admins (`admin_role`) and `sallyport requests` grant it for a time or for good. As a table with the keys below, it says more.',
  ),
  compat: optional(
    compat,
    'oauth2-proxy',
    'there are none',
    'The addresses of a program that stood here before keep answering on the hosts of this portal; as a table with the keys below, at other paths.',
  ),
} as const satisfies Keys

function rolesKey(): Key<ReadonlyMap<string, readonly RuleTable[]>, ReadonlyMap<string, readonly RoleRule[]>> {
  return defaulted(
    roles,
    {},
    { admin: { groups: ['admins'] } },
    'Role = who has it: a rule, or a list of rules of which one is enough.',
  )
}

export type PortalTable = Table<typeof PORTAL>

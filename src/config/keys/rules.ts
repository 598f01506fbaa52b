/** The keys of a role and of an entry of `allow` and `deny`. `policy` judges them. */

import { bad, good } from '../text/diagnostic.ts'
import { itemsOf, type Json, type Path, quote, type Raw, type RawTable, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { duration } from '../values/duration.ts'
import { parseEmail, parseEmailDomain } from '../values/email.ts'
import { foldFieldName, IDENTITY, method, OWNED, TOKEN } from '../values/headers.ts'
import { parseNetwork } from '../values/listen.ts'
import { emailPattern, looseDomain, pathExpression, pathPattern, starPattern } from '../values/pattern.ts'
import { days, hours, type Moment, moment, momentMs, type Span, zone } from '../values/times.ts'
import { boolean, build, list, parsed, type Type, text, wrongKind } from '../values/value.ts'
import { RULE_INSTEAD, RULE_WORDS } from './synonyms.ts'
import {
  type Built,
  buildEmpty,
  defaulted,
  type Key,
  type Keys,
  type Known,
  optional,
  RULE_TITLE,
  type Table,
  table,
  type Values,
} from './table.ts'

type Scalar = string | number | boolean

const word = text()
const words = list(word, { single: true })

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

/** Conditions that are there or not: `false` says nothing. */
export const SWITCHES = ['require_email', 'require_verified_email'] as const

const scalars = list(scalar, { single: true })

export const claims: Type<ReadonlyMap<string, readonly Scalar[]>> = {
  label: 'table',
  expected: 'a table of claim = value, or a list of values',
  schema: { type: 'object', minProperties: 1, additionalProperties: scalars.schema },
  read(raw, report) {
    if (raw.kind !== 'table')
      return wrongKind(raw, 'a table of claim = value', report, 'claims = { department = ["it"] }')
    if (raw.entries.size === 0) {
      report.mistake(raw.at, 'list.empty', 'claims is an empty table', {
        hint: 'it would match every user: name a claim',
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

const patterns = list(starPattern, { single: true })
const emailPatterns = list(emailPattern, { single: true })

/** How a table of patterns by name is read, apart from its patterns. */
interface PatternNames {
  readonly what: 'claim' | 'field' | 'name'
  readonly example: string
  readonly check?: (name: string, entry: Raw, value: readonly string[], report: Report) => void
}

function patternsByName({ what, example, check }: PatternNames): Type<ReadonlyMap<string, readonly string[]>> {
  return {
    label: 'table',
    expected: `a table of ${what} = pattern, or a list of patterns`,
    schema: { type: 'object', minProperties: 1, additionalProperties: patterns.schema },
    read(raw, report) {
      if (raw.kind !== 'table') return wrongKind(raw, `a table of ${what} = pattern`, report, example)
      if (raw.entries.size === 0) {
        const hint = `it would match every user: name a ${what}`
        const [key = ''] = example.split(' ')
        report.mistake(raw.at, 'list.empty', `${key} is an empty table`, { hint })
      }
      const values = new Map<string, readonly string[]>()
      for (const [name, entry] of raw.entries) {
        const value = (what === 'claim' && name === 'email' ? emailPatterns : patterns).read(entry, report)
        if (value !== undefined) values.set(name, value)
        check?.(name, entry, value ?? [], report)
      }
      return values
    },
  }
}

const like = patternsByName({ what: 'claim', example: 'like = { groups = ["*-admins"] }', check: checkDomain })

function checkDomain(name: string, entry: Raw, value: readonly string[], report: Report): void {
  const found = name === 'email' ? value.map(looseDomain).findIndex(one => one !== null) : -1
  const pattern = value[found]
  if (pattern === undefined) return
  const item = itemsOf(entry)[found]
  if (item?.kind === 'text' && item.isFilled) {
    const hint = 'for one domain write the @ before it: "*@example.com"'
    report.warn(entry.at, 'rule.pattern', `${showRaw(item)} matches every domain that ends alike`, { hint })
    return
  }
  const domain = looseDomain(pattern)
  const message = `this matches every domain that ends in ${domain}, also of other owners`
  report.warn(entry.at, 'rule.pattern', message, { hint: `for one domain: "*@${domain}"` })
}

const headers = patternsByName({
  what: 'field',
  example: 'headers = { User-Agent = "*bot*" }',
  check: checkFieldName,
})

/** No rule looks at them, whatever `trusted_fields` says: other keys decide about users and addresses. */
const NEVER_LOOKED_AT =
  /^(?:authorization|x-forwarded-.*|(?:x|true|cf-connecting|fly|x-cluster)-client-ip|cf-connecting-ip|x-request-id)$/

/** Whether Sallyport sets or removes a field in any file, so that a client's value is not known. */
export function isNeverLookedAt(name: string): boolean {
  const folded = foldFieldName(name)
  return OWNED.test(folded) || IDENTITY.test(folded) || NEVER_LOOKED_AT.test(folded)
}

function checkFieldName(name: string, { at }: Raw, _: readonly string[], report: Report): void {
  if (!TOKEN.test(name)) {
    const hint = 'letters, digits and dashes'
    report.mistake(at, 'header.name', `${quote(name)} is not a header name`, { hint, part: 'key' })
  } else if (isNeverLookedAt(name)) {
    const hint = 'Sallyport sets or removes it; rules about users and addresses have other keys'
    report.mistake(at, 'header.owned', `rules do not look at ${quote(name)}`, { hint, part: 'key' })
  }
}

const query = patternsByName({ what: 'name', example: 'query = { debug = "*" }' })

const email = parsed({ label: 'e-mail address', expected: 'an e-mail address' }, parseEmail)
export const domain = parsed({ label: 'domain', expected: 'a domain such as "example.com"' }, parseEmailDomain)
const network = parsed({ label: 'CIDR', expected: 'a network such as "10.0.0.0/8"' }, parseNetwork)

/** `acr_values` separates them with spaces (OpenID Connect Core §3.1.2.1), so that none may have one. */
const reference = parsed({ label: 'text', expected: 'text without spaces' }, value =>
  /^[!-~]+$/.test(value)
    ? good(value)
    : bad(
        'reference.invalid',
        `${quote(value)} has a space or a letter beyond ASCII`,
        'each value as a member of a list',
      ),
)
const references = list(reference, { single: true })

/** Conditions about a person, the same for a portal's roles and for a route's rules. */
export const PERSON = {
  providers: optional(words, ['pocket-id'], 'any', 'Signed in at one of these providers.'),
  provider: optional(word, 'pocket-id', 'any', 'The same, for a single provider.', { field: null }),
  subjects: optional(
    words,
    ['8c9f3a52-1d7b-4a87-b0a1-5f3d2f0c7e11'],
    'any',
    'The `sub` claim is one of these: the surest way to name a person.',
  ),
  users: optional(
    words,
    ['ada'],
    'any',
    'One of these users of the portal’s file (`users` of a provider, or `htpasswd`), by the name that they sign in with. A user of that name at another provider is another user.',
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
    claims,
    { department: ['it', 'support'] },
    'any',
    'Each of these claims is, or as a list holds, one of the values. `"realm_access.roles"` is the claim `roles` in the claim `realm_access`; a name that has dots of its own comes first.',
  ),
  like: optional(
    like,
    { groups: ['*-admins'], email: ['*@*.example.com'] },
    'any',
    'Each of these claims is, or as a list of text holds, text that is as one of the patterns, as a whole and in this letter case, where a star is anything at all. In `email`, letter case does not count.',
  ),
  require_email: defaulted(
    boolean,
    false,
    true,
    'There is an e-mail address that counts: verified, or of a provider with `emails = "trusted"`.',
  ),
  require_verified_email: defaulted(
    boolean,
    false,
    true,
    'There is an e-mail address, and the provider says that it is verified.',
  ),
} as const satisfies Keys

/**
 * Conditions about a person: every key that is present must hold. Within a key any entry is enough, and `emails` and `domains` are one
 * key: an address matches by either.
 */
export type PersonRule = Built<typeof PERSON>

/** `provider` is the only one of `providers`. */
export function withProvider<F extends PersonRule>(fields: F, { provider }: { readonly provider: string | null }): F {
  return { ...fields, providers: fields.providers ?? (provider === null ? null : [provider]) }
}

/** A rule about a person without a condition. */
export const NOBODY_IN_PARTICULAR: PersonRule = buildEmpty(table(PERSON, { title: RULE_TITLE }))

/** Conditions about how someone signed in, and about the request. */
const CONDITIONS = {
  roles: optional(words, ['admin'], 'any', "One of these of the portal's roles."),
  ...PERSON,
  networks: optional(
    list(network, { single: true }),
    ['192.168.0.0/16', 'fd00::/8'],
    'any',
    'The client has an address in one of these networks.',
  ),
  methods: optional(list(method, { single: true }), ['GET', 'HEAD'], 'all', 'The method is one of these.'),
  paths: optional(
    list(pathPattern, { single: true }),
    ['/public/*', '*.css'],
    'all',
    'The whole path is one of these, in this letter case, where a star is anything at all. Each way in which a backend may read the path has to be.',
  ),
  path_regexp: optional(
    list(pathExpression, { single: true }),
    '^/items/[0-9]+$',
    'all',
    'One of these regular expressions (RE2, as in Go) matches somewhere in the path, in this letter case; `^` and `$` are its ends. The path is read decoded. Where the rule opens, each way in which a backend may read the path has to match; where it closes, one is enough.',
  ),
  headers: optional(
    headers,
    { 'User-Agent': '*bot*' },
    'any',
    'Each of these fields of the request is there, and as one of the patterns, whole and in this letter case, where a star is anything at all. The client writes them: they let nobody in who has not signed in. Where the rule opens, each value of a repeated field has to be; where it closes, one is enough.',
  ),
  query: optional(
    query,
    { debug: '*' },
    'any',
    'The same for names in the query of the address, as they are and decoded.',
  ),
  ignore_case: defaulted(
    boolean,
    false,
    true,
    'Whether `paths` and `path_regexp` of this rule hold in any letter case, as for an application that heeds none.',
    { field: 'ignoresCase' },
  ),
  hours: optional(
    list(hours, { single: true }),
    '08:00-18:00',
    'all day',
    'The time of day, until not included; `22:00-06:00` goes over midnight and belongs to the day on which it begins.',
    { field: null },
  ),
  days: optional(list(days, { single: true }), ['mon-fri'], 'every day', 'The day of the week.', { field: null }),
  timezone: optional(zone, 'Europe/Berlin', '`UTC`', 'What `hours`, `days` and dates without an offset are told in.', {
    field: null,
  }),
  from: optional(moment, '2026-01-01', 'always', 'Not before this. A date alone begins with its day.', { field: null }),
  until: optional(moment, '2026-12-31', 'always', 'Not after this. A date alone includes its day.', { field: null }),
  max_age: optional(
    duration('1m', '365d'),
    '15m',
    'any',
    'The provider authenticated the person at most this long ago (`auth_time`, else the sign-in here); else they sign in again.',
  ),
  acr: optional(
    references,
    ['phr'],
    'any',
    'The provider states one of these levels of authentication (`acr`); else people are asked to sign in again, with it.',
  ),
  amr: optional(
    references,
    ['mfa', 'hwk'],
    'any',
    'The provider states one of these methods of authentication (`amr`); else people are asked to sign in again.',
  ),
  anonymous: defaulted(
    boolean,
    false,
    true,
    'In `allow`: nobody has to sign in where this table holds. Whoever is signed in is still told to the application.',
    { field: 'isAnonymous' },
  ),
  guest_link: defaulted(
    boolean,
    false,
    true,
    'In `allow`: for whoever came by a guest link for this host and path, and for nobody else. Needs `guest_links` in the portal.',
    { field: 'isForGuests' },
  ),
} as const satisfies Keys

/** `when` of a route: what of a request says that it is meant, whoever sends it. */
export const WHEN = {
  methods: CONDITIONS.methods,
  paths: CONDITIONS.paths,
  path_regexp: CONDITIONS.path_regexp,
  ignore_case: CONDITIONS.ignore_case,
  query: CONDITIONS.query,
} as const satisfies Keys

/** Which requests a route is for, from any client. */
export type RequestRule = Built<typeof WHEN>

const someOfWhen = table(WHEN, { title: '[routes.when]', synonyms: RULE_WORDS })

/** The same, with at least one thing that it asks for. */
export const when: Type<Table<typeof WHEN>, RequestRule> = {
  ...someOfWhen,
  read(raw, report) {
    const isEmpty = raw.kind === 'table' && [...raw.entries.keys()].every(name => name === 'ignore_case')
    if (isEmpty) {
      const hint = 'it would match every request: remove it, or name methods, paths, path_regexp or query'
      report.mistake(raw.at, 'list.empty', 'when says nothing of a request', { hint })
    }
    return someOfWhen.read(raw, report)
  },
}

/** A rule of a route as it was read. */
export interface AccessTable {
  readonly at: Path
  readonly raw: RawTable
  readonly values: Values<typeof CONDITIONS> & {
    readonly any: readonly AccessTable[] | null | undefined
    readonly all: readonly AccessTable[] | null | undefined
    readonly not: AccessTable | null | undefined
  }
}

/** How deep rules may stand in rules: enough for everything that is still understood. */
const MAX_DEPTH = 4

/** Where the schema keeps the rule, which holds itself. */
export const RULE_SCHEMA = 'rule'

const nested: Type<AccessTable, AccessRule> = {
  label: 'rule',
  expected: 'a rule such as { roles = ["admin"] }',
  schema: { $ref: `#/definitions/${RULE_SCHEMA}` },
  read(raw, report) {
    const depth = raw.at.filter(step => step === 'any' || step === 'all' || step === 'not').length
    if (depth <= MAX_DEPTH) return accessRule.read(raw, report)
    const hint = 'split it into several rules of the list, of which any is enough'
    report.mistake(raw.at, 'rule.depth', `rules stand in each other more than ${MAX_DEPTH} deep`, { hint })
    return undefined
  },
  build: (rule, context) => build(accessRule, rule, context),
}

/** One table of `allow` or `deny`. */
export const ACCESS = {
  ...CONDITIONS,
  any: rulesKey([{ groups: ['ops'] }, { networks: ['10.0.0.0/8'] }], 'One of these rules holds, or more.'),
  all: rulesKey([{ groups: ['ops'] }, { claims: { level: [3] } }], 'All of these rules hold.'),
  not: ruleKey({ groups: ['interns'] }, 'This rule does not hold, and it is certain that it does not.'),
} as const satisfies Keys

function rulesKey(example: Json, doc: string): Key<readonly AccessTable[] | null, readonly AccessRule[] | null> {
  return optional(list(nested), example, 'nothing', doc)
}

function ruleKey(example: Json, doc: string): Key<AccessTable | null, AccessRule | null> {
  return optional(nested, example, 'nothing', doc)
}

/** A rule of `allow` or `deny`. */
export const accessRule: Type<Table<typeof ACCESS>, AccessRule> = table(
  ACCESS,
  { title: RULE_TITLE, synonyms: RULE_WORDS, instead: RULE_INSTEAD },
  finishAccess,
)

/** One rule of `allow` or `deny`. Every key that is present must hold; null is absent. */
export interface AccessRule extends Built<typeof CONDITIONS> {
  readonly any: readonly AccessRule[] | null
  readonly all: readonly AccessRule[] | null
  readonly not: AccessRule | null
  readonly schedule: Schedule | null
  readonly from: Instant | null
  readonly until: Instant | null
}

/** When a rule holds, on the clocks of one zone. */
export interface Schedule {
  /** Null: all day. */
  readonly spans: readonly Span[] | null
  /** 0 is Monday; the day on which a span begins. Null: every day. */
  readonly days: readonly number[] | null
  readonly timezone: string
}

/** A moment with its text in the file. */
export interface Instant {
  readonly atMs: number
  readonly text: string
}

function finishAccess(fields: Built<typeof ACCESS>, values: Known<Table<typeof ACCESS>>): AccessRule {
  const timezone = values.timezone ?? 'UTC'
  return {
    ...withProvider(fields, values),
    schedule: buildSchedule(values, timezone),
    from: buildInstant(values.from, timezone, 'start'),
    until: buildInstant(values.until, timezone, 'end'),
  }
}

function buildSchedule({ hours, days }: Pick<Known<AccessTable>, 'hours' | 'days'>, timezone: string): Schedule | null {
  if (hours === null && days === null) return null
  const distinct = days === null ? null : [...new Set(days.flat())].sort((one, other) => one - other)
  return { spans: hours, days: distinct, timezone }
}

/** A date without a time holds to the end of its day. */
function buildInstant(value: Moment | null, timezone: string, edge: 'start' | 'end'): Instant | null {
  if (value === null) return null
  const text = value.kind === 'instant' ? value.text : `${value.text.replace('T', ' ')} ${timezone}`
  return { atMs: momentMs(value, timezone, edge), text }
}

/** An entry of `allow` or `deny` without a condition. */
export const NO_CONDITION: AccessRule = buildEmpty(accessRule)

/** Rules of roles, `allow` and `deny`, as the program takes them. */

import type { AllowValue, RuleList } from '../keys/routes.ts'
import type { AccessTable, PERSON, WhenTable } from '../keys/rules.ts'
import { type Known, known, type Table } from '../keys/table.ts'
import { type Moment, momentMs, type Span } from '../values/times.ts'

/** Conditions about a person: every key that is present must hold. Within a key any entry is enough. */
export interface PersonRule {
  readonly providers: readonly string[] | null
  readonly subjects: readonly string[] | null
  /** Whole addresses and whole domains are one key: an address matches by either. */
  readonly emails: readonly string[] | null
  readonly domains: readonly string[] | null
  readonly groups: readonly string[] | null
  readonly claims: ReadonlyMap<string, readonly (string | number | boolean)[]> | null
  /** Patterns of whole texts, in which a star is anything at all. */
  readonly like: ReadonlyMap<string, readonly string[]> | null
  readonly requireEmail: boolean
  readonly requireVerifiedEmail: boolean
}

/** One way to have a role. */
export interface RoleRule extends PersonRule {
  readonly any: boolean
  /** Whether `any`, or a rule that only names a provider, also includes programs in their own name. */
  readonly clients: boolean
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

/** One rule of `allow` or `deny`. Every key that is present must hold; null is absent. */
export interface AccessRule extends PersonRule {
  readonly roles: readonly string[] | null
  readonly networks: readonly string[] | null
  readonly methods: readonly string[] | null
  /** Patterns of whole paths, a star for anything. */
  readonly paths: readonly string[] | null
  /** Regular expressions in RE2's syntax, of which one matches somewhere in the path. */
  readonly pathRegexp: readonly string[] | null
  /** Whether both hold in any letter case. */
  readonly ignoresCase: boolean
  /** By a field's name, patterns of its value, a star for anything. */
  readonly headers: ReadonlyMap<string, readonly string[]> | null
  /** The same by a name in the query. */
  readonly query: ReadonlyMap<string, readonly string[]> | null
  readonly schedule: Schedule | null
  readonly from: Instant | null
  readonly until: Instant | null
  readonly maxAgeMs: number | null
  readonly acr: readonly string[] | null
  readonly amr: readonly string[] | null
  readonly any: readonly AccessRule[] | null
  readonly all: readonly AccessRule[] | null
  readonly not: AccessRule | null
  /** In `allow`, outermost: no user has to sign in. */
  readonly isAnonymous: boolean
  /** In `allow`, outermost: only for users who came by a guest link. */
  readonly isForGuests: boolean
}

/** Which requests a route is for, from any client. */
export type RequestRule = Pick<AccessRule, 'methods' | 'paths' | 'pathRegexp' | 'ignoresCase' | 'query'>

export type Allow =
  | { readonly kind: 'public' }
  | { readonly kind: 'authenticated' }
  | { readonly kind: 'roles'; readonly roles: readonly string[] }
  /** Any one is enough; a role beside rules is a rule too. */
  | { readonly kind: 'rules'; readonly rules: readonly AccessRule[] }

/** A rule about a person without a condition. */
export const NOBODY_IN_PARTICULAR: PersonRule = {
  providers: null,
  subjects: null,
  emails: null,
  domains: null,
  groups: null,
  claims: null,
  like: null,
  requireEmail: false,
  requireVerifiedEmail: false,
}

/** An entry of `allow` or `deny` without a condition. */
export const NO_CONDITION: AccessRule = {
  ...NOBODY_IN_PARTICULAR,
  roles: null,
  networks: null,
  methods: null,
  paths: null,
  pathRegexp: null,
  ignoresCase: false,
  headers: null,
  query: null,
  schedule: null,
  from: null,
  until: null,
  maxAgeMs: null,
  acr: null,
  amr: null,
  any: null,
  all: null,
  not: null,
  isAnonymous: false,
  isForGuests: false,
}

/** The conditions about a person, of a role or of a rule. */
export function buildPerson(person: Known<Table<typeof PERSON>>): PersonRule {
  return {
    providers: person.providers ?? (person.provider === null ? null : [person.provider]),
    subjects: person.subjects,
    emails: person.emails,
    domains: person.domains,
    groups: person.groups,
    claims: person.claims,
    like: person.like,
    requireEmail: person.require_email,
    requireVerifiedEmail: person.require_verified_email,
  }
}

/** `allow`: a list of only role names stays names; with a rule among them, all become rules. */
export function buildAllow(value: AllowValue): Allow {
  return value.kind === 'public' ? value : buildMembers(value)
}

/** The same of `members`, which everybody is none of. */
export function buildMembers(value: Exclude<AllowValue, { kind: 'public' }>): Exclude<Allow, { kind: 'public' }> {
  if (value.kind !== 'list') return value
  const roles = value.entries.filter(entry => typeof entry === 'string')
  return roles.length === value.entries.length
    ? { kind: 'roles', roles }
    : { kind: 'rules', rules: value.entries.map(buildEntry) }
}

/** `when` of a route. */
export function buildWhen(table: WhenTable): RequestRule {
  const { methods, paths, path_regexp: pathRegexp, ignore_case: ignoresCase, query } = known(table)
  return { methods, paths, pathRegexp, ignoresCase, query }
}

/** `deny`, or nothing. */
export function buildDeny(value: RuleList | null): readonly AccessRule[] {
  return value === null ? [] : value.entries.map(buildEntry)
}

function buildEntry(entry: string | AccessTable): AccessRule {
  return typeof entry === 'string' ? { ...NO_CONDITION, roles: [entry] } : buildAccess(entry)
}

function buildAccess(table: AccessTable): AccessRule {
  const rule = known(table)
  const timezone = rule.timezone ?? 'UTC'
  return {
    ...buildPerson(rule),
    roles: rule.roles,
    networks: rule.networks,
    methods: rule.methods,
    paths: rule.paths,
    pathRegexp: rule.path_regexp,
    ignoresCase: rule.ignore_case,
    headers: rule.headers,
    query: rule.query,
    schedule: buildSchedule(rule, timezone),
    from: buildInstant(rule.from, timezone, 'start'),
    until: buildInstant(rule.until, timezone, 'end'),
    maxAgeMs: rule.max_age,
    acr: rule.acr,
    amr: rule.amr,
    any: rule.any?.map(buildAccess) ?? null,
    all: rule.all?.map(buildAccess) ?? null,
    not: rule.not === null ? null : buildAccess(rule.not),
    isAnonymous: rule.anonymous,
    isForGuests: rule.guest_link,
  }
}

function buildSchedule({ hours, days }: Known<AccessTable>, timezone: string): Schedule | null {
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

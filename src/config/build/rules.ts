import { known } from '../keys/known.ts'
import type { AllowValue, RuleList } from '../keys/routes.ts'
import type { AccessTable, PERSON } from '../keys/rules.ts'
import type { Values } from '../keys/table.ts'
import type { AccessRule, Allow, Instant, PersonRule, Schedule } from '../types/rules.ts'
import { type Moment, momentMs } from '../values/times.ts'

const NOBODY_IN_PARTICULAR: PersonRule = {
  providers: null,
  subjects: null,
  emails: null,
  domains: null,
  groups: null,
  claims: null,
  requireEmail: false,
  requireVerifiedEmail: false,
}

/** The conditions about a person, of a role or of a rule. */
export function buildPerson(values: Values<typeof PERSON>): PersonRule {
  const single = known(values.provider, 'provider')
  return {
    providers: known(values.providers, 'providers') ?? (single === null ? null : [single]),
    subjects: known(values.subjects, 'subjects'),
    emails: known(values.emails, 'emails'),
    domains: known(values.domains, 'domains'),
    groups: known(values.groups, 'groups'),
    claims: known(values.claims, 'claims'),
    requireEmail: known(values.require_email, 'require_email'),
    requireVerifiedEmail: known(values.require_verified_email, 'require_verified_email'),
  }
}

/** `allow`: names of roles alone stay names; with a rule among them, all become rules. */
export function buildAllow(value: AllowValue): Allow {
  if (value.kind !== 'list') return value
  const roles = value.entries.filter(entry => typeof entry === 'string')
  return roles.length === value.entries.length
    ? { kind: 'roles', roles }
    : { kind: 'rules', rules: value.entries.map(buildEntry) }
}

/** `deny`, or nothing. */
export function buildDeny(value: RuleList | null): readonly AccessRule[] {
  return value === null ? [] : value.entries.map(buildEntry)
}

function buildEntry(entry: string | AccessTable): AccessRule {
  if (typeof entry !== 'string') return buildAccess(entry)
  return {
    ...NOBODY_IN_PARTICULAR,
    roles: [entry],
    networks: null,
    methods: null,
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
}

function buildAccess({ values }: AccessTable): AccessRule {
  const timezone = known(values.timezone, 'timezone') ?? 'UTC'
  const not = known(values.not, 'not')
  return {
    ...buildPerson(values),
    roles: known(values.roles, 'roles'),
    networks: known(values.networks, 'networks'),
    methods: known(values.methods, 'methods'),
    schedule: buildSchedule(values, timezone),
    from: buildInstant(known(values.from, 'from'), timezone, 'start'),
    until: buildInstant(known(values.until, 'until'), timezone, 'end'),
    maxAgeMs: known(values.max_age, 'max_age'),
    acr: known(values.acr, 'acr'),
    amr: known(values.amr, 'amr'),
    any: known(values.any, 'any')?.map(buildAccess) ?? null,
    all: known(values.all, 'all')?.map(buildAccess) ?? null,
    not: not === null ? null : buildAccess(not),
    isAnonymous: known(values.anonymous, 'anonymous'),
    isForGuests: known(values.guest_link, 'guest_link'),
  }
}

function buildSchedule(values: AccessTable['values'], timezone: string): Schedule | null {
  const spans = known(values.hours, 'hours')
  const days = known(values.days, 'days')
  if (spans === null && days === null) return null
  return { spans, days: days === null ? null : [...new Set(days.flat())].sort((one, other) => one - other), timezone }
}

/** A date alone holds to the end of its day. */
function buildInstant(value: Moment | null, timezone: string, edge: 'start' | 'end'): Instant | null {
  if (value === null) return null
  const text = value.kind === 'instant' ? value.text : `${value.text.replace('T', ' ')} ${timezone}`
  return { atMs: momentMs(value, timezone, edge), text }
}

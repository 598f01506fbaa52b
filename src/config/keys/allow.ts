/** `allow` and `deny` of a route, and `members` of a portal: lists of roles and rules. The keys of a rule are in `rules.ts`. */

import { itemsOf, type Raw, type RawText, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { type BuildContext, build, describe, either, list, type Type, text, wrongKind } from '../values/value.ts'
import { type AccessRule, type AccessTable, accessRule, NO_CONDITION, RULE_SCHEMA } from './rules.ts'

const REFERENCE = { $ref: `#/definitions/${RULE_SCHEMA}` }

/** A rule as it is read: the list around it is built as a whole. */
const ruleTable: Type<AccessTable> = { ...describe(accessRule), read: (raw, report) => accessRule.read(raw, report) }

/** What `allow` and `deny` hold, as it was read: names of roles and rules. */
export interface RuleList {
  readonly kind: 'list'
  readonly entries: readonly (string | AccessTable)[]
}

export type AllowValue = { readonly kind: 'public' } | { readonly kind: 'authenticated' } | RuleList

const ruleOrRole: Type<string | AccessTable> = either(
  raw => raw.kind === 'table',
  ruleTable,
  text('a role\'s name, or a rule such as { groups = ["ops"], networks = ["10.0.0.0/8"] }'),
)
/** What to write where everybody is meant. */
export const FOR_EVERYONE =
  'for everyone: allow = "public"; for all who are signed in: allow = "authenticated"; else name roles or rules'

const rules = list(ruleOrRole, { single: true, emptyHint: FOR_EVERYONE })
const schema = { anyOf: [text().schema, REFERENCE, { type: 'array', items: { anyOf: [text().schema, REFERENCE] } }] }

function readRules(raw: Raw, report: Report): RuleList | undefined {
  const entries = rules.read(raw.kind === 'table' ? { kind: 'list', at: raw.at, items: [raw] } : raw, report)
  return entries === undefined ? undefined : { kind: 'list', entries }
}

/** The word among the entries that means more than a role. */
function findWord(raw: Raw): RawText | undefined {
  return itemsOf(raw)
    .filter(item => item.kind === 'text')
    .find(item => item.text === 'public' || item.text === 'authenticated')
}

/** Who may pass. */
export const allow: Type<AllowValue, Allow> = {
  label: '`"public"`, `"authenticated"`, role, rule, or a list of roles and rules',
  expected: '"public", "authenticated", or a list of roles and rules',
  schema,
  read(raw, report) {
    if (raw.kind === 'boolean') return wrongKind(raw, allow.expected, report, FOR_EVERYONE)
    const value = readRules(raw, report)
    const word = findWord(raw)
    if (word === undefined) return value
    const isPublic = word.text === 'public'
    if (itemsOf(raw).length === 1) return { kind: isPublic ? 'public' : 'authenticated' }
    const hint = isPublic
      ? 'public lets everyone in, with or without a role; keep one of them'
      : 'authenticated lets in everyone who is signed in; keep one of them'
    report.mistake(word.at, 'allow.mixed', `${showRaw(word)} cannot be mixed with roles and rules`, { hint })
    return undefined
  },
  build: (value, context) => (value.kind === 'public' ? value : buildMembers(value, context)),
}

/** Who may pass, or be a member. */
export type Allow =
  | { readonly kind: 'public' }
  | { readonly kind: 'authenticated' }
  | { readonly kind: 'roles'; readonly roles: readonly string[] }
  /** Any one is enough; a role beside rules is a rule too. */
  | { readonly kind: 'rules'; readonly rules: readonly AccessRule[] }

/** A list of only role names stays names; with a rule among them, all become rules. */
export function buildMembers(
  value: Exclude<AllowValue, { readonly kind: 'public' }>,
  context: BuildContext,
): Exclude<Allow, { readonly kind: 'public' }> {
  if (value.kind !== 'list') return value
  const roles = value.entries.filter(entry => typeof entry === 'string')
  if (roles.length === value.entries.length) return { kind: 'roles', roles }
  return { kind: 'rules', rules: buildRules(value, context) }
}

function buildRules({ entries }: RuleList, context: BuildContext): readonly AccessRule[] {
  return entries.map(entry =>
    typeof entry === 'string' ? { ...NO_CONDITION, roles: [entry] } : build(accessRule, entry, context),
  )
}

/** Who is refused. */
export const deny: Type<RuleList, readonly AccessRule[]> = {
  label: 'role, rule, or a list of roles and rules',
  expected: 'a list of roles and rules',
  schema,
  read(raw, report) {
    const value = readRules(raw, report)
    const word = findWord(raw)
    if (word === undefined) return value
    const hint = 'to close a route, remove it; to shut out some, name roles or write rules'
    report.mistake(word.at, 'deny.everyone', `deny = ${showRaw(word)} would refuse every user`, { hint })
    return undefined
  },
  build: buildRules,
}

import { formatToml } from '../../config/keys/table.ts'
import type { Json } from '../../config/text/raw.ts'

/** One rule of another gate: where it holds, what it says there, and what says that here. */
export interface Row {
  readonly host: string
  readonly path: string
  readonly there: string
  readonly here: string
}

/** A rule of a route, in the order of its keys. */
export type Rule = Readonly<Record<string, Json>>

/** What stands for people of whom no rule says who they are: nobody, until somebody writes that. */
export const UNKNOWN: Rule = { subjects: ['write-who-may'] }

/** `allow` of a route; without a condition everybody, or everybody who is signed in, is meant. */
export function allowText(rules: readonly Rule[], isOpen: boolean): string {
  const whole = rules.length === 0 || rules.some(rule => Object.keys(rule).length === 0)
  if (whole) return `allow = "${isOpen ? 'public' : 'authenticated'}"`
  return `allow = ${formatToml(isOpen ? rules.map(rule => ({ ...rule, anonymous: true })) : [...rules])}`
}

/** `deny` of a route; without a condition everybody is. */
export function denyText(rules: readonly Rule[]): string {
  const whole = rules.length === 0 || rules.some(rule => Object.keys(rule).length === 0)
  return `deny = ${formatToml(whole ? [{ networks: ['0.0.0.0/0', '::/0'] }] : [...rules])}`
}

/** A list as a rule has it: a single one stands for itself. */
export function listed(values: readonly string[]): Json {
  const [first = ''] = values
  return values.length === 1 ? first : [...values]
}

/** People as other gates write them: an address, `@domain`, an expression between slashes, a name. */
export function peopleRules(entries: readonly string[]): readonly Rule[] {
  const [emails, domains, patterns, names]: [string[], string[], string[], string[]] = [[], [], [], []]
  for (const entry of entries.map(one => one.trim()).filter(one => one !== '')) {
    if (/^\/.*\/$/.test(entry)) patterns.push(entry)
    else if (entry.startsWith('@')) domains.push(entry.slice(1))
    else (entry.includes('@') ? emails : names).push(entry)
  }
  return [
    ...(emails.length + domains.length === 0
      ? []
      : [{ ...(emails.length > 0 ? { emails } : {}), ...(domains.length > 0 ? { domains } : {}) }]),
    ...(names.length === 0 ? [] : [{ claims: { preferred_username: names } }]),
    // An expression has no word here: it is what is shown beside this.
    ...(patterns.length === 0 ? [] : [UNKNOWN]),
  ]
}

/** Entries of a text with commas. */
export function entriesOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').flatMap(one => (one.trim() === '' ? [] : [one.trim()]))
}

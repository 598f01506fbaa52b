/** Rules in words, for admins and operators. */

import type { AccessRule, Schedule } from '../config/keys/rules.ts'
import type { Span } from '../config/values/times.ts'

const WEEKDAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']

/** A schedule in words: `08:00 to 18:00, Monday to Friday (Europe/Berlin)`. */
export function describeSchedule({ spans, days, timezone }: Schedule): string {
  const hours = spans?.map(describeSpan).join(' or ')
  const parts = [hours, days === null ? undefined : describeDays(days)].filter(part => part !== undefined)
  return `${parts.join(', ')} (${timezone})`
}

function describeSpan({ fromMinute, untilMinute }: Span): string {
  return `${clockText(fromMinute)} to ${clockText(untilMinute)}`
}

/** A minute of a day, or of the night after it, as clocks show it. */
export function clockText(minute: number): string {
  const shown = minute > 1440 ? minute - 1440 : minute
  return `${String(Math.floor(shown / 60)).padStart(2, '0')}:${String(shown % 60).padStart(2, '0')}`
}

function describeDays(days: readonly number[]): string {
  const name = (day: number) => WEEKDAYS[day] ?? ''
  return stretchesOf(days)
    .map(([first, last]) => (first === last ? name(first) : `${name(first)} to ${name(last)}`))
    .join(', ')
}

/** Names three or more days in a row by the first and the last, and every other day on its own. */
export function stretchesOf(days: readonly number[]): readonly (readonly [first: number, last: number])[] {
  const stretches: (readonly [number, number])[] = []
  for (let start = 0; start < days.length; ) {
    let end = start
    while (days[end + 1] === (days[end] ?? 0) + 1) end++
    const all = days.slice(start, end + 1)
    const [first = 0, last = first] = [all[0], all.at(-1)]
    stretches.push(...(all.length > 2 ? [[first, last] as const] : all.map(day => [day, day] as const)))
    start = end + 1
  }
  return stretches
}

/** A rule on one line, as its keys say it: how `explain` names it. */
export function describeRule(rule: AccessRule): string {
  const parts: string[] = []
  const list = (name: string, values: readonly unknown[] | null) => {
    if (values !== null) parts.push(`${name} ${values.join(' or ')}`)
  }
  list('role', rule.roles)
  list('provider', rule.providers)
  list('subject', rule.subjects)
  list('user', rule.users)
  list('e-mail', rule.emails)
  list('domain', rule.domains)
  list('group', rule.groups)
  for (const [claim, values] of rule.claims ?? []) list(`claim ${claim}`, values)
  for (const [claim, patterns] of rule.like ?? []) list(`${claim} like`, patterns)
  if (rule.requireEmail) parts.push('an e-mail address that counts')
  if (rule.requireVerifiedEmail) parts.push('a verified e-mail address')
  list('network', rule.networks)
  list('method', rule.methods)
  list('path', rule.paths)
  list('path by expression', rule.pathRegexp)
  if (rule.ignoresCase) parts.push('in any letter case')
  for (const [name, patterns] of rule.headers ?? []) list(`header ${name} like`, patterns)
  for (const [name, patterns] of rule.query ?? []) list(`query ${name} like`, patterns)
  if (rule.schedule !== null) parts.push(describeSchedule(rule.schedule))
  if (rule.from !== null) parts.push(`from ${rule.from.text}`)
  if (rule.until !== null) parts.push(`until ${rule.until.text}`)
  if (rule.maxAgeMs !== null) parts.push(`signed in at most ${rule.maxAgeMs / 60_000} min ago`)
  list('acr', rule.acr)
  list('amr', rule.amr)
  if (rule.all !== null) parts.push(`all of (${rule.all.map(describeRule).join('; ')})`)
  if (rule.any !== null) parts.push(`any of (${rule.any.map(describeRule).join('; ')})`)
  if (rule.not !== null) parts.push(`not (${describeRule(rule.not)})`)
  if (rule.isAnonymous) parts.push('signed in or not')
  if (rule.isForGuests) parts.unshift('guests by a link')
  return parts.join(', ')
}

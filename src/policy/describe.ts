import type { AccessRule, Schedule, Span } from '../config/types.ts'

const WEEKDAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']

/** A schedule in words: `08:00 to 18:00, Monday to Friday (Europe/Berlin)`. */
export function describeSchedule({ spans, days, timezone }: Schedule): string {
  const hours = spans?.map(describeSpan).join(' or ')
  const parts = [hours, days === null ? undefined : describeDays(days)].filter(part => part !== undefined)
  return `${parts.join(', ')} (${timezone})`
}

function describeSpan({ fromMinute, untilMinute }: Span): string {
  return `${clock(fromMinute)} to ${clock(untilMinute > 1440 ? untilMinute - 1440 : untilMinute)}`
}

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
}

/** Stretches of three days and more by their ends. */
function describeDays(days: readonly number[]): string {
  const parts: string[] = []
  for (let start = 0; start < days.length; ) {
    let end = start
    while (days[end + 1] === (days[end] ?? 0) + 1) end++
    const names = days.slice(start, end + 1).map(day => WEEKDAYS[day] ?? '')
    parts.push(...(names.length > 2 ? [`${names[0]} to ${names.at(-1)}`] : names))
    start = end + 1
  }
  return parts.join(', ')
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
  list('e-mail', rule.emails)
  list('domain', rule.domains)
  list('group', rule.groups)
  for (const [claim, values] of rule.claims ?? []) list(`claim ${claim}`, values)
  if (rule.requireVerifiedEmail) parts.push('a verified e-mail address')
  list('network', rule.networks)
  list('method', rule.methods)
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
  return parts.join(', ')
}

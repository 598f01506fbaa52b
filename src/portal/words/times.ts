/** Reasons with times in the language of the user. */

import { clockText, stretchesOf } from '../../policy/describe.ts'
import type { ToldReason as Told, When } from '../../policy/reasons.ts'
import { sayReason, type Words } from './words.ts'

/** A reason that a user may read, with its times in the user's language; null for a reason that users may not read. */
export function sayTold(words: Words, { code, detail, when }: Told): string | null {
  return sayReason(words, code, when === null ? detail : sayWhen(words, when))
}

function sayWhen(words: Words, when: When): string {
  switch (when.kind) {
    case 'from':
    case 'until':
      return words.dates[when.kind](when.text)
    case 'schedule': {
      const { spans, days, timezone } = when.schedule
      const list = (type: 'conjunction' | 'disjunction', parts: readonly string[]) =>
        new Intl.ListFormat(words.lang, { type }).format(parts)
      const hours = spans?.map(({ fromMinute, untilMinute }) =>
        words.hoursSpan(clockText(fromMinute), clockText(untilMinute)),
      )
      const stretches = days === null ? null : stretchesOf(days).map(stretch => sayDays(words, stretch))
      const parts = [
        ...(hours === undefined ? [] : [list('disjunction', hours)]),
        ...(stretches === null ? [] : [list('conjunction', stretches)]),
      ]
      return `${parts.join(', ')} (${timezone})`
    }
  }
}

function sayDays(words: Words, [first, last]: readonly [number, number]): string {
  return first === last ? weekday(words, first) : words.daysSpan(weekday(words, first), weekday(words, last))
}

/** 1 January 2024 was a Monday. */
function weekday({ lang }: Words, day: number): string {
  return new Intl.DateTimeFormat(lang, { weekday: 'long', timeZone: 'UTC' }).format(Date.UTC(2024, 0, 1 + day))
}

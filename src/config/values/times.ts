/** Times of day, weekdays, dates and moments. */

import { isZone, localToEpochMs } from '../../base/time-zone.ts'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote, type Raw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean } from '../text/suggest.ts'
import { parsed, refuse, type Type, wrongKind } from './value.ts'

/** A part of a day; `untilMinute` is not included, and more than 1440 where it goes over midnight. */
export interface Span {
  readonly fromMinute: number
  readonly untilMinute: number
}

/** `mon` to `sun`, in the order of ISO 8601. */
const WEEKDAYS: readonly string[] = Object.freeze('mon tue wed thu fri sat sun'.split(' '))

const DAY_MINUTES = 24 * 60
const CLOCK = /^(\d{1,2}):(\d{2})$/

/** `08:00-18:00`; a span that ends before it begins goes over midnight. */
export const hours: Type<Span> = parsed(
  { label: '`HH:MM-HH:MM`', expected: 'a time of day such as "08:00-18:00"', numberHint: 'in quotes: "08:00-18:00"' },
  parseHours,
)

function parseHours(text: string): Parsed<Span> {
  const not = `${quote(text)} is not a span of hours`
  const [from, until, ...more] = text.split('-').map(part => minuteOf(part.trim()))
  if (typeof from !== 'number' || typeof until !== 'number' || more.length > 0 || from === DAY_MINUTES) {
    return bad('hours.invalid', not, 'from and until on a clock of 24 hours: "08:00-18:00", "22:00-06:00"')
  }
  if (from === until) return bad('hours.invalid', not, 'it begins where it ends; for the whole day leave it out')
  return good({ fromMinute: from, untilMinute: until > from ? until : until + DAY_MINUTES })
}

function minuteOf(text: string): number | null {
  const [, hour, minute] = CLOCK.exec(text) ?? []
  const total = Number(hour) * 60 + Number(minute)
  return Number(minute) < 60 && total <= DAY_MINUTES ? total : null
}

/** `mon`, or a stretch such as `mon-fri` or `sat-mon`; weekdays as numbers, 0 is Monday. */
export const days: Type<readonly number[]> = parsed(
  { label: 'weekday or `mon-fri`', expected: 'a weekday such as "mon", or "mon-fri"' },
  parseDays,
)

function parseDays(text: string): Parsed<readonly number[]> {
  const parts = text
    .toLowerCase()
    .split('-')
    .map(part => WEEKDAYS.indexOf(part.trim()))
  const [first = -1, last = first] = parts
  if (parts.length > 2 || first === -1 || last === -1) {
    return bad('days.invalid', `${quote(text)} is not a weekday`, `${WEEKDAYS.join(', ')}, or a stretch: "mon-fri"`)
  }
  const length = ((last - first + 7) % 7) + 1
  return good(Array.from({ length }, (_, index) => (first + index) % 7))
}

/** A time zone's name. */
export const zone: Type<string> = parsed(
  { label: 'time zone', expected: 'a time zone such as "Europe/Berlin"' },
  text =>
    isZone(text)
      ? good(text)
      : bad(
          'timezone.unknown',
          `${quote(text)} is not a time zone`,
          suggestZone(text) ?? 'as in "Europe/Berlin" or "UTC"',
        ),
)

function suggestZone(text: string): string | null {
  const hint = didYouMean(text, Intl.supportedValuesOf('timeZone'))
  return hint.startsWith('did you mean') ? hint : null
}

/** A date, or a date and time, before the zone that it is in is known. */
export interface Moment {
  /** As the file has it, with a `T` between date and time. */
  readonly text: string
  readonly kind: 'date' | 'local' | 'instant'
}

const MOMENT = /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|z|[+-]\d{2}:\d{2})?)?$/
const EXPECTED = 'a date such as 2026-12-31, or 2026-12-31T18:00:00+01:00'

const momentText = parsed({ label: 'date', expected: EXPECTED }, parseMoment)

/** A date with or without a time and an offset: as TOML writes dates, or the same as text (RFC 3339). */
export const moment: Type<Moment> = {
  label: 'date, or date and time',
  expected: EXPECTED,
  schema: { type: 'string' },
  read(raw: Raw, report: Report) {
    if (raw.kind === 'text') return momentText.read(raw, report)
    if (raw.kind !== 'date') return wrongKind(raw, EXPECTED, report)
    const outcome = parseMoment(raw.iso)
    if (outcome.ok) return outcome.value
    refuse(raw, outcome, report)
    return undefined
  },
}

/** A Moment from text; only dates that exist. */
export function parseMoment(text: string): Parsed<Moment> {
  const [, date, time, offset] = MOMENT.exec(text) ?? []
  const refusal = bad('date.invalid', `${quote(text)} is not a date`, 'as in 2026-12-31 or 2026-12-31T18:00:00+01:00')
  if (date === undefined) return refusal
  const value: Moment =
    time === undefined
      ? { text: date, kind: 'date' }
      : { text: `${date}T${time}${(offset ?? '').toUpperCase()}`, kind: offset === undefined ? 'local' : 'instant' }
  try {
    return Number.isFinite(momentMs(value, 'UTC', 'start')) ? good(value) : refusal
  } catch {
    return refusal
  }
}

/**
 * Milliseconds since the epoch. A date without a time is a whole day in its zone: `edge` says whether its start or its
 * end is meant.
 */
export function momentMs(value: Moment, timezone: string, edge: 'start' | 'end'): number {
  switch (value.kind) {
    case 'instant':
      return Temporal.Instant.from(value.text).epochMilliseconds
    case 'local':
      return localToEpochMs(value.text, timezone)
    case 'date': {
      const day = Temporal.PlainDate.from(value.text)
      return localToEpochMs((edge === 'start' ? day : day.add({ days: 1 })).toString(), timezone)
    }
  }
}

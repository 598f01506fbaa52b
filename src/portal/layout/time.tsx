/** @jsxImportSource hono/jsx */

/** Times and spans of time in the language of a page. */

import type { Child } from 'hono/jsx'
import type { Words } from '../words/words.ts'

const UNITS: readonly (readonly [number, 'day' | 'hour' | 'minute'])[] = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
]

/** A span in its largest unit, rounded down: "30 days", "1 hour"; below a minute "less than a minute". */
export function spanOf(ms: number, words: Words): string {
  for (const [unitMs, unit] of UNITS) {
    const count = Math.floor(ms / unitMs)
    if (count > 0) return new Intl.NumberFormat(words.lang, { style: 'unit', unit, unitDisplay: 'long' }).format(count)
  }
  return words.lessThanMinute
}

/** How long ago something was, as people say it: "3 hours ago", "just now". */
export function agoOf(atMs: number, nowMs: number, words: Words): string {
  for (const [unitMs, unit] of UNITS) {
    const count = Math.floor((nowMs - atMs) / unitMs)
    if (count > 0) return new Intl.RelativeTimeFormat(words.lang).format(-count, unit)
  }
  return words.justNow
}

/** A size in bytes as people say it: "12 kB", "340 byte". */
export function sizeOf(bytes: number, words: Words): string {
  const [count, unit] = bytes < 1000 ? [bytes, 'byte'] : [bytes / 1000, 'kilobyte']
  const format = {
    style: 'unit',
    unit,
    unitDisplay: unit === 'byte' ? 'long' : 'short',
    maximumFractionDigits: 1,
  } as const
  return new Intl.NumberFormat(words.lang, format).format(count)
}

const MOMENT = {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: 'numeric',
  minute: '2-digit',
  timeZoneName: 'short',
} as const

/** A moment as people write it, to the minute, in the zone of the page: "Jun 30, 2027, 6:00 PM UTC". */
export function momentOf(atMs: number, { lang, timeZone }: Words): string {
  return new Intl.DateTimeFormat(lang, { ...MOMENT, timeZone }).format(atMs)
}

/** The day of a moment, in UTC: "2027-06-30". */
export function dateOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10)
}

/** The day of a moment as people write it, in the zone of the page: "Jun 30, 2027". */
export function dayOf(atMs: number, { lang, timeZone }: Words): string {
  return new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeZone }).format(atMs)
}

/** A time of day in the zone of the page: "14:02". */
export function timeOf(atMs: number, { lang, timeZone }: Words): string {
  return new Intl.DateTimeFormat(lang, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone }).format(atMs)
}

/** The day of a moment as people name it: "Today", "Yesterday", or "Monday, 30 June 2027". */
export function dayNameOf(atMs: number, nowMs: number, words: Words): string {
  const { lang, timeZone, admin } = words
  const day = dayOf(atMs, words)
  if (day === dayOf(nowMs, words)) return admin.today
  if (day === dayOf(nowMs - 86_400_000, words)) return admin.yesterday
  return new Intl.DateTimeFormat(lang, { dateStyle: 'full', timeZone }).format(atMs)
}

/** A time of day, in the zone of the page: "14:02 UTC"; with its day before it, where that is not today: "Jun 30, 2027, 14:02 UTC". */
export function clockOf(atMs: number, nowMs: number, words: Words): string {
  const { lang, timeZone } = words
  const format = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone, timeZoneName: 'short' } as const
  const time = new Intl.DateTimeFormat(lang, format).format(atMs)
  return dayOf(atMs, words) === dayOf(nowMs, words) ? time : `${dayOf(atMs, words)}, ${time}`
}

/** A moment, or its day alone: in the zone of the page, and by a script in that of the browser. */
export function Moment(props: { readonly words: Words; readonly atMs: number; readonly show?: 'moment' | 'day' }) {
  const { words, atMs, show = 'moment' } = props
  return (
    <time datetime={new Date(atMs).toISOString()} data-show={show}>
      {show === 'day' ? `${dayOf(atMs, words)} ${zoneOf(atMs, words)}` : momentOf(atMs, words)}
    </time>
  )
}

/** A time of today, or a moment of another day: as `Moment`. */
export function Clock({
  words,
  atMs,
  nowMs,
}: {
  readonly words: Words
  readonly atMs: number
  readonly nowMs: number
}) {
  return (
    <time datetime={new Date(atMs).toISOString()} data-show="clock">
      {clockOf(atMs, nowMs, words)}
    </time>
  )
}

/** The short name of the zone of the page: "UTC". */
export function zoneOf(atMs: number, { lang, timeZone }: Words): string {
  const parts = new Intl.DateTimeFormat(lang, { timeZone, timeZoneName: 'short' }).formatToParts(atMs)
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? timeZone
}

/** A sentence with something in it that is more than text. */
export function Said(props: { readonly say: (what: string) => string; readonly children?: Child }) {
  return <SaidOf say={([what = '']) => props.say(what)} each={[props.children]} />
}

/** The same with several of them, in the order in which every language says them. */
export function SaidOf(props: { readonly say: (whats: readonly string[]) => string; readonly each: readonly Child[] }) {
  const [before, ...rest] = props.say(props.each.map(() => '\0')).split('\0')
  return (
    <>
      {before}
      {props.each.map((one, index) => (
        <>
          {one}
          {rest[index]}
        </>
      ))}
    </>
  )
}

/** How long ago something was. Machines and the tooltip get the exact moment. */
export function Time({ words, atMs, nowMs }: { readonly words: Words; readonly atMs: number; readonly nowMs: number }) {
  return (
    <time datetime={new Date(atMs).toISOString()} data-show="ago" title={momentOf(atMs, words)}>
      {agoOf(atMs, nowMs, words)}
    </time>
  )
}

/** @jsxImportSource hono/jsx */
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

/** A moment as people write it, to the minute: "Jun 30, 2027, 6:00 PM UTC". */
export function momentOf(atMs: number, words: Words): string {
  const format = { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' } as const
  return `${new Intl.DateTimeFormat(words.lang, format).format(atMs)} UTC`
}

/** The day of a moment, in UTC: "2027-06-30". */
export function dateOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10)
}

/** The day of a moment as people write it, in UTC: "Jun 30, 2027". */
export function dayOf(atMs: number, words: Words): string {
  return new Intl.DateTimeFormat(words.lang, { dateStyle: 'medium', timeZone: 'UTC' }).format(atMs)
}

/** How long ago something was; the moment itself to machines, and to whoever points at it. */
export function Time({ words, atMs, nowMs }: { readonly words: Words; readonly atMs: number; readonly nowMs: number }) {
  const iso = new Date(atMs).toISOString()
  return (
    <time datetime={iso} title={iso}>
      {agoOf(atMs, nowMs, words)}
    </time>
  )
}

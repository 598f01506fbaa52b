/** Durations such as `12h` and `1h30m`. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { parsed, type Type } from './value.ts'

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

const PARTS = /^(?:\d{1,9}(?:ms|[smhd]))+$/

/** Milliseconds from `12h`, `30m`, `90s`, `500ms`, `7d` or a chain such as `1h30m`, each unit once and the largest first. */
export function parseDuration(text: string): Parsed<number> {
  if (!PARTS.test(text)) {
    const meant = meantDuration(text)
    const hint = /^\d+$/.test(text)
      ? `with a unit: "${text}s"?`
      : `numbers with ms, s, m, h or d: ${meant === null ? '"90s", "1h30m"' : `"${meant}"`}`
    return bad('duration.invalid', `${quote(text)} is not a duration`, hint)
  }
  let total = 0
  let last = Number.POSITIVE_INFINITY
  for (const [, count, unit = ''] of text.matchAll(/(\d+)(ms|[smhd])/g)) {
    const unitMs = UNIT_MS.get(unit) ?? 0
    if (unitMs >= last) {
      return bad('duration.invalid', `${quote(text)} is not a duration`, 'each unit once, the largest first: "1h30m"')
    }
    last = unitMs
    total += Number(count) * unitMs
  }
  return good(total)
}

/** One number with a unit in words, or apart from it. */
function meantDuration(text: string): string | null {
  const [, count, unit = ''] = /^\s*(\d{1,9})\s*([a-z]+)\s*$/i.exec(text) ?? []
  const short = unit.toLowerCase()
  const known =
    short === 'ms' || short.startsWith('milli') ? 'ms' : /^(?:s|m|h|d)(?:ec|in|r|our|ay|$)/.exec(short)?.[0][0]
  return count === undefined || known === undefined ? null : `${count}${known}`
}

/** A duration within bounds, given as durations themselves so that messages can repeat them. */
export function duration(least: string, most: string): Type<number, number, 'Ms'> {
  const leastMs = bound(least)
  const mostMs = bound(most)
  const names = {
    label: 'duration',
    expected: 'a duration such as "90s" or "12h"',
    schema: { type: 'string', pattern: `${PARTS.source}|\\$\\{` },
    numberHint: (count: number | bigint) => `with a unit, in quotes: ${withUnits(String(count))}`,
  }
  /** A number with each unit by which it is within the bounds. */
  function withUnits(count: string): string {
    const meant = ['s', 'm', 'h', 'd'].flatMap(unit => {
      const value = parseDuration(count + unit)
      return value.ok && value.value >= leastMs && value.value <= mostMs ? [quote(count + unit)] : []
    })
    return meant.length === 0 ? `from ${quote(least)} to ${quote(most)}` : meant.join(' or ')
  }
  const type = parsed(names, text => {
    if (/^\d{1,9}$/.test(text))
      return bad('duration.invalid', `${quote(text)} is not a duration`, `with a unit: ${withUnits(text)}`)
    const value = parseDuration(text)
    if (!value.ok || (value.value >= leastMs && value.value <= mostMs)) return value
    return bad('duration.range', `${quote(text)} is out of range`, `from ${least} to ${most}`)
  })
  return { ...type, unit: 'Ms' }
}

function bound(text: string): number {
  const value = parseDuration(text)
  if (!value.ok) throw new TypeError(value.message)
  return value.value
}

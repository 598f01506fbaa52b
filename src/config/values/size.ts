/** Sizes such as `10MB` and `64KiB`. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { offIsNull, parsed, type Type } from './value.ts'

/** Decimal units by SI, binary ones by IEC 80000-13. */
const UNIT_BYTES: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['kb', 1_000],
  ['mb', 1_000_000],
  ['gb', 1_000_000_000],
  ['tb', 1_000_000_000_000],
  ['kib', 1_024],
  ['mib', 1_048_576],
  ['gib', 1_073_741_824],
  ['tib', 1_099_511_627_776],
])

const SIZE = /^(\d{1,9}(?:\.\d{1,3})?) ?([A-Za-z]{1,3})$/

/** Bytes from `10kB`, `100MB`, `1.5GB`, `512KiB`, `0B`: a number with a unit in any letter case, a whole number of bytes. */
export function parseSize(text: string): Parsed<number> {
  const [, count = '', unit = ''] = SIZE.exec(text) ?? []
  const unitBytes = UNIT_BYTES.get(unit.toLowerCase())
  const bytes = unitBytes === undefined ? Number.NaN : Math.round(Number(count) * unitBytes)
  if (Number.isSafeInteger(bytes)) return good(bytes)
  const hint = /^\d+$/.test(text)
    ? `with a unit: "${text}B"?`
    : `a number with B, kB, MB, GB, KiB, MiB or GiB: "${meantSize(text) ?? '100MB'}"`
  return bad('size.invalid', `${quote(text)} is not a size`, hint)
}

function meantSize(text: string): string | null {
  const [, count, unit = ''] =
    /^\s*(\d{1,9}(?:\.\d{1,3})?)\s*(k|m|g|t)(?:b|i|ib|ilo|ega|iga|era)?[a-z]*\s*$/i.exec(text) ?? []
  if (count === undefined) return null
  return `${count}${unit.toLowerCase() === 'k' ? 'k' : unit.toUpperCase()}B`
}

type SizeOrOff = Type<number | 'off', number | null, 'Bytes'>

/** A size in bytes, or `"off"`, which the program takes as null: no limit, or the feature with this size is off. */
export const sizeOrOff: SizeOrOff = sizeType(parseSize)

/** As `sizeOrOff`, with the most that may be written. Throws TypeError where `most` is no size. */
export function sizeUpToOrOff(most: string): SizeOrOff {
  const limit = parseSize(most)
  if (!limit.ok) throw new TypeError(limit.message)
  return sizeType(text => {
    const size = parseSize(text)
    if (!size.ok || (size.value > 0 && size.value <= limit.value)) return size
    return bad('size.range', `${quote(text)} is out of range`, `up to ${most}, or "off"`)
  }, most)
}

/** A size in bytes, with the least, and the most, that may be written. Throws TypeError where one of them is no size. */
export function sizeFrom(least: string, most?: string): Type<number, number, 'Bytes'> {
  const limit = parseSize(least)
  const end = most === undefined ? good(Number.MAX_SAFE_INTEGER) : parseSize(most)
  if (!limit.ok) throw new TypeError(limit.message)
  if (!end.ok) throw new TypeError(end.message)
  const type = parsed<number>(
    { label: 'size', expected: 'a size such as "100MB"', numberHint: 'with a unit, in quotes: "{n}B"' },
    text => {
      const size = parseSize(text)
      if (!size.ok || (size.value >= limit.value && size.value <= end.value)) return size
      return bad(
        'size.range',
        `${quote(text)} is out of range`,
        most === undefined ? `from ${least}` : `from ${least} to ${most}`,
      )
    },
  )
  return { ...type, unit: 'Bytes' }
}

function sizeType(parse: (text: string) => Parsed<number>, example = '100MB'): SizeOrOff {
  const type = parsed<number | 'off'>(
    {
      label: 'size, or `"off"`',
      expected: `a size such as "${example}", or "off"`,
      numberHint: 'with a unit, in quotes: "{n}B"',
    },
    text => (text === 'off' ? good(text) : parse(text)),
  )
  return offIsNull(type, 'Bytes')
}

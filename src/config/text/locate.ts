/** Finds the line and column of a key or a value; a long file is looked through by its `[[routes]]`, one by one. */

import { indexRanges, keyOf, type Range, type Ranges } from './positions.ts'
import type { Path } from './raw.ts'

/** A stretch of one line. */
export interface TextPosition {
  /** 1-based. */
  readonly line: number
  /** 1-based, in characters (code points). */
  readonly column: number
  /** At least 1; never beyond the line. */
  readonly length: number
}

/** Finds places in one text. */
export interface Locator {
  /**
   * Where a key's name or its value is; the nearest table around it where it is not in the text (a default, a missing key).
   * `mark` narrows a value to a place in its source that reads so.
   */
  find(at: Path, part: 'key' | 'value', mark?: string | null): TextPosition
  /** A place from a line and a column in UTF-16 code units, one character long. */
  fromUnits(line: number, unitColumn: number): TextPosition
}

/** From how many characters on it is worth looking for the part of a text that something is in. */
const LONG = 65_536

/**
 * A Locator for TOML text, which has so many `[[routes]]`.
 *
 * The second parser costs time, and keeps positions that the first does not have: the text is parsed at the first `find`,
 * so only when there is something to show; of a long one only the parts in which there is. Where the two disagree about what is TOML,
 * places are found by the key's name.
 */
export function createLocator(text: string, routeCount = 0): Locator {
  let lines: readonly Stretch[] | undefined
  let findRange: FindRange | undefined
  const linesOf = () => {
    lines ??= splitLines(text)
    return lines
  }
  return {
    find(at, part, mark = null) {
      findRange ??= text.length < LONG ? findInWhole(text) : findInParts(text, routeCount)
      const found = findRange(at, part)
      if (found === null) return { line: 1, column: 1, length: 1 }
      const [start, end] = found
      const inside = mark === null || mark === '' ? -1 : findMark(text.slice(start, end), mark)
      return inside === -1 || mark === null
        ? place(text, linesOf(), start, end)
        : place(text, linesOf(), start + inside, start + inside + mark.length)
    },
    fromUnits(line, unitColumn) {
      const own = linesOf()[Math.min(line, linesOf().length) - 1] ?? { start: 0, end: 0 }
      const start = Math.min(own.start + unitColumn - 1, own.end)
      return place(text, linesOf(), start, start + 1)
    },
  }
}

type FindRange = (at: Path, part: 'key' | 'value') => Range | null

function findInWhole(text: string): FindRange {
  const index = indexRanges(text)
  return (at, part) => (index.size === 0 ? findByName(text, at) : findNearest(index, at, part))
}

/** Parses the route that is asked for, or what is around all of them: ten thousand at once take hundreds of MB. */
function findInParts(text: string, routeCount: number): FindRange {
  const sections = splitSections(text)
  if (sections === null || sections.routes.length !== routeCount) return findInWhole(text)
  let whole: FindRange | undefined
  let around: Part | undefined
  let lastRoute: Part | undefined

  function partOf([first, number]: Path): Part {
    if (first !== 'routes') {
      around ??= partFrom(text, sections?.rest ?? [])
      return around
    }
    const stretch = sections?.routes[Number(number ?? 0)] ?? { start: 0, end: 0 }
    if (lastRoute?.stretches[0] !== stretch) lastRoute = partFrom(text, [stretch])
    return lastRoute
  }

  return (at, part) => {
    const { stretches, index } = partOf(at)
    if (index.size === 0) {
      whole ??= findInWhole(text)
      return whole(at, part)
    }
    const [first, number, ...below] = at
    const own = first === 'routes' && number !== undefined ? [first, 0, ...below] : at
    const found = findNearest(index, own, part)
    return found === null ? null : moveBack(found, stretches)
  }
}

/** Parts of a text, parsed as if there were nothing between them. */
interface Part {
  readonly stretches: readonly Stretch[]
  readonly index: ReadonlyMap<string, Ranges>
}

function partFrom(text: string, stretches: readonly Stretch[]): Part {
  return { stretches, index: indexRanges(stretches.map(({ start, end }) => text.slice(start, end)).join('')) }
}

/** A range of the joined stretches as one of the text: no key or value is in two of them. */
function moveBack([start, end]: Range, stretches: readonly Stretch[]): Range {
  let before = 0
  for (const stretch of stretches) {
    const length = stretch.end - stretch.start
    if (start < before + length) return [start - before + stretch.start, end - before + stretch.start]
    before += length
  }
  return [start, end]
}

/** The first place of a mark; the last where the value ends with it, so that `/` is the end of `"https://a/"`. */
function findMark(source: string, mark: string): number {
  return /["']$/.test(source) && source.slice(0, -1).endsWith(mark) ? source.lastIndexOf(mark) : source.indexOf(mark)
}

function splitLines(text: string): readonly Stretch[] {
  const lines: Stretch[] = []
  let start = 0
  for (const match of text.matchAll(/\r?\n/g)) {
    lines.push({ start, end: match.index })
    start = match.index + match[0].length
  }
  lines.push({ start, end: text.length })
  return lines
}

function place(text: string, lines: readonly Stretch[], start: number, end: number): TextPosition {
  let low = 0
  let high = lines.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((lines[middle]?.start ?? 0) <= start) low = middle
    else high = middle - 1
  }
  const line = lines[low] ?? { start: 0, end: 0 }
  const length = countCharacters(text.slice(start, Math.min(end, line.end)))
  return { line: low + 1, column: countCharacters(text.slice(line.start, start)) + 1, length: Math.max(1, length) }
}

function countCharacters(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

function findNearest(index: ReadonlyMap<string, Ranges>, at: Path, part: 'key' | 'value'): Range | null {
  const whole = index.get(keyOf(at))
  if (whole !== undefined) return whole[part]
  for (let length = at.length - 1; length > 0; length--) {
    const around = index.get(keyOf(at.slice(0, length)))
    if (around !== undefined) return around.key
  }
  return null
}

/** The first line that begins with the key's last name: better than nothing. */
function findByName(text: string, at: Path): Range | null {
  const name = at.findLast(step => typeof step === 'string')
  if (typeof name !== 'string') return null
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const match = new RegExp(`^[ \\t]*\\[*["']?(?:[\\w.-]+\\.)?(${escaped})["']?[ \\t]*[\\].=]`, 'md').exec(text)
  return match?.indices?.[1] ?? null
}

/** A part of a text, from `start` to before `end`. */
interface Stretch {
  readonly start: number
  readonly end: number
}

/** A file as parts that are TOML by themselves. */
interface Sections {
  /** Each `[[routes]]` with the tables below it, in order. */
  readonly routes: readonly Stretch[]
  /** All that is between them, in order. */
  readonly rest: readonly Stretch[]
}

/** The beginning of a line that begins with a table's header, or looks like one. */
const HEADER = /^[ \t]*\[(\[?)[ \t]*([\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*([.\]])/gm

/**
 * Finds the routes of a text without parsing it; null where they cannot be separated.
 *
 * A line within a text or a list may look like a header. Then the result has more routes than the file, or the part
 * before that line is not valid TOML: the caller has to check both.
 */
export function splitSections(text: string): Sections | null {
  const routes: Stretch[] = []
  const rest: Stretch[] = []
  let isRoute = false
  let start = 0
  const endAt = (end: number) => {
    if (end > start) (isRoute ? routes : rest).push({ start, end })
    start = end
  }
  for (const { index, 1: second, 2: name, 3: next } of text.matchAll(HEADER)) {
    if (name === 'routes' && next === '.') {
      // It belongs to the route before it, in any place.
      if (!isRoute) return null
      continue
    }
    endAt(index)
    isRoute = second === '[' && name === 'routes'
  }
  endAt(text.length)
  return { routes, rest }
}

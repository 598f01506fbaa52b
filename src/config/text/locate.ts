import { type AST, parseTOML } from 'toml-eslint-parser'
import type { Path } from './raw.ts'
import { type Stretch, splitSections } from './sections.ts'

/** A stretch of one line. */
export interface Place {
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
  find(at: Path, part: 'key' | 'value', mark?: string | null): Place
  /** A place from a line and a column in UTF-16 code units, one character long. */
  fromUnits(line: number, unitColumn: number): Place
}

interface Ranges {
  readonly key: Range
  readonly value: Range
  /** Only named on the way to something deeper; a header of its own replaces it. */
  readonly isImplied: boolean
}

type Range = readonly [start: number, end: number]

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
  let lines: readonly Line[] | undefined
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

interface Line {
  readonly start: number
  /** Without the line break. */
  readonly end: number
}

function splitLines(text: string): readonly Line[] {
  const lines: Line[] = []
  let start = 0
  for (const match of text.matchAll(/\r?\n/g)) {
    lines.push({ start, end: match.index })
    start = match.index + match[0].length
  }
  lines.push({ start, end: text.length })
  return lines
}

function place(text: string, lines: readonly Line[], start: number, end: number): Place {
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

function keyOf(at: Path): string {
  return JSON.stringify(at)
}

/** Everything in a text that says something: single values with their paths, and comments. */
export interface Sayings {
  readonly values: readonly { readonly at: Path; readonly start: number; readonly end: number }[]
  readonly comments: readonly { readonly start: number; readonly end: number }[]
}

/** All of it, each in the order of the text; null where that is not TOML. */
export function sayingsOf(text: string): Sayings | null {
  const values: { readonly at: Path; readonly start: number; readonly end: number }[] = []
  function addContent(node: AST.TOMLContentNode, at: Path): void {
    if (node.type === 'TOMLInlineTable') for (const entry of node.body) addKeyValue(entry, at)
    else if (node.type === 'TOMLArray') {
      for (const [position, element] of node.elements.entries()) addContent(element, [...at, position])
    } else values.push({ at, start: node.range[0], end: node.range[1] })
  }
  function addKeyValue({ key, value }: AST.TOMLKeyValue, parent: Path): void {
    addContent(value, [...parent, ...key.keys.map(one => (one.type === 'TOMLBare' ? one.name : one.value))])
  }
  try {
    const program = parseTOML(text.replace(/^\uFEFF/, ' '))
    for (const node of program.body[0].body) {
      if (node.type === 'TOMLTable') for (const entry of node.body) addKeyValue(entry, node.resolvedKey)
      else addKeyValue(node, [])
    }
    return { values, comments: program.comments.map(({ range: [start, end] }) => ({ start, end })) }
  } catch {
    return null
  }
}

/** Ranges of every key and value by path; empty where the text is not TOML to this parser. */
function indexRanges(text: string): ReadonlyMap<string, Ranges> {
  const index = new Map<string, Ranges>()
  try {
    // A byte order mark is no part of TOML to this parser; a space keeps every position where it was.
    const program = parseTOML(text.replace(/^\uFEFF/, ' '))
    for (const node of program.body[0].body) {
      if (node.type === 'TOMLTable') indexTable(node, index)
      else indexKeyValue(node, [], index)
    }
  } catch {
    return new Map()
  }
  return index
}

function indexTable(node: AST.TOMLTable, index: Map<string, Ranges>): void {
  const at: (string | number)[] = []
  let segment = -1
  for (const [position, step] of node.resolvedKey.entries()) {
    if (typeof step === 'string') segment++
    at.push(step)
    const range = node.key.keys[segment]?.range ?? node.key.range
    const isLast = position === node.resolvedKey.length - 1
    // The header of a whole table is shown whole: all of its key.
    const own = isLast ? node.key.range : range
    remember(index, at, { key: own, value: own, isImplied: !isLast })
  }
  for (const entry of node.body) indexKeyValue(entry, node.resolvedKey, index)
}

function indexKeyValue(node: AST.TOMLKeyValue, parent: Path, index: Map<string, Ranges>): void {
  const at = [...parent]
  for (const [position, segment] of node.key.keys.entries()) {
    at.push(segment.type === 'TOMLBare' ? segment.name : segment.value)
    const isLast = position === node.key.keys.length - 1
    const value = isLast ? node.value.range : segment.range
    remember(index, at, { key: segment.range, value, isImplied: !isLast })
  }
  indexContent(node.value, at, index)
}

function indexContent(node: AST.TOMLContentNode, at: Path, index: Map<string, Ranges>): void {
  if (node.type === 'TOMLInlineTable') {
    for (const entry of node.body) indexKeyValue(entry, at, index)
  } else if (node.type === 'TOMLArray') {
    for (const [position, element] of node.elements.entries()) {
      const own = [...at, position]
      remember(index, own, { key: element.range, value: element.range, isImplied: false })
      indexContent(element, own, index)
    }
  }
}

function remember(index: Map<string, Ranges>, at: Path, ranges: Ranges): void {
  const key = keyOf(at)
  const known = index.get(key)
  if (known === undefined || (known.isImplied && !ranges.isImplied)) index.set(key, ranges)
}

/** The first line that begins with the key's last name: better than nothing. */
function findByName(text: string, at: Path): Range | null {
  const name = at.findLast(step => typeof step === 'string')
  if (typeof name !== 'string') return null
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const match = new RegExp(`^[ \\t]*\\[*["']?(?:[\\w.-]+\\.)?(${escaped})["']?[ \\t]*[\\].=]`, 'md').exec(text)
  return match?.indices?.[1] ?? null
}

/** What the comments of a TOML text say, in their order, without blanks around them and around the signs that they begin with; null for a text that is not TOML to this parser. */
export function commentsOf(text: string): readonly string[] | null {
  try {
    return parseTOML(text.replace(/^\uFEFF/, ' ')).comments.map(({ value }) => {
      return value.trimEnd().replace(/^[^\p{L}\p{N}]+/u, signs => signs.replace(/\s/g, ''))
    })
  } catch {
    return null
  }
}

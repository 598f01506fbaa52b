/** An index of where each key, value and comment stands in a text. */

import { type AST, parseTOML } from 'toml-eslint-parser'
import type { Path } from './raw.ts'

/** Where a key and its value are. */
export interface Ranges {
  readonly key: Range
  readonly value: Range
  /** Only named in the header of a deeper table; its own header replaces it. */
  readonly isImplied: boolean
}

/** In UTF-16 code units. */
export type Range = readonly [start: number, end: number]

/** What an index has a path by. */
export function keyOf(at: Path): string {
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
export function indexRanges(text: string): ReadonlyMap<string, Ranges> {
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

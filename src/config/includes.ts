/** `include`: finds and reads the files that a file includes. */

import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { compileStars } from '../base/wildcard.ts'
import { parseToml } from './text/parse.ts'
import { itemsOf } from './text/raw.ts'
import { codeOf, nearestFile, type Sources, whyUnreadable } from './text/substitute.ts'
import { parseIncludePattern } from './values/pattern.ts'

/** A file that another one includes. */
interface IncludedFile {
  /** Absolute. */
  readonly path: string
  /** How diagnostics name it. */
  readonly shownAs: string
  /** As `include` would name it alone. */
  readonly written: string
  /** Which entry of `include` names it, from 0. */
  readonly entry: number
  /** Null where it cannot be read. */
  readonly text: string | null
  /** Why it cannot be read, as the end of a sentence; empty where it can. */
  readonly why: string
  /** A file beside it that has nearly its name, where it does not exist; null: none has. */
  readonly near: string | null
}

/** The result of a file's `include`. */
export interface Included {
  /** In the order of the patterns, and of their names below each; every file once. */
  readonly files: readonly IncludedFile[]
  /** What a reload has to watch: the files, and the folders in which others may appear. */
  readonly watched: readonly string[]
}

export const NOTHING_INCLUDED: Included = Object.freeze({ files: [], watched: [] })

/** A file that has no such line includes nothing, and is not parsed for it. */
const MAY_INCLUDE = /^\s*["']?include["']?\s*=/m

interface Including extends Pick<Sources, 'readText' | 'listFolder'> {
  /** The path of the file that includes. */
  readonly file: string
  readonly shownAs: string
}

/** What a text says to include, each as it is written, as far as it can be looked for; none where it is no TOML. Reads nothing. */
export function includedPatterns(text: string): readonly string[] {
  return includeEntries(text).map(({ pattern }) => pattern)
}

/** The same, each with its number in the list. */
function includeEntries(text: string): readonly { readonly pattern: string; readonly entry: number }[] {
  if (!MAY_INCLUDE.test(text)) return []
  const parsed = parseToml(text)
  if (!parsed.ok) return []
  return itemsOf(parsed.value.entries.get('include')).flatMap((item, entry) => {
    const pattern = item.kind === 'text' ? parseIncludePattern(item.source) : null
    return pattern?.ok === true ? [{ pattern: pattern.value, entry }] : []
  })
}

/**
 * Reads the files that a text includes. Never throws: it reports a file that it cannot read together with the others.
 *
 * Relative patterns start at the file's folder. A missing folder has no files; neither has one without matching names.
 * A star does not match a dot at the beginning of a name, and the file itself is never included. Links are followed.
 */
export function readIncluded(text: string, { file, shownAs, readText, listFolder }: Including): Included {
  const entries = includeEntries(text)
  if (entries.length === 0) return NOTHING_INCLUDED
  const own = resolve(file)
  const directory = dirname(own)
  const show = (path: string, pattern: string) =>
    isAbsolute(pattern) ? path : join(dirname(shownAs), relative(directory, path))
  const files = new Map<string, IncludedFile>()
  const watched = new Set<string>()
  const add = (path: string, { pattern, entry }: (typeof entries)[number], why = '') => {
    if (path === own || files.has(path)) return
    const read = why === '' ? readOne(path, readText) : { text: null, why }
    const near = read.text === null && listFolder !== undefined ? nearestFile(path, { listFolder }) : null
    const written = pattern.includes('*')
      ? join(dirname(pattern), relative(dirname(resolve(directory, pattern)), path))
      : pattern
    files.set(path, { path, shownAs: show(path, pattern), written, entry, near, ...read })
    watched.add(path)
  }
  for (const one of entries) {
    const path = resolve(directory, one.pattern)
    const name = basename(path)
    if (!name.includes('*')) {
      add(path, one)
      continue
    }
    const folder = dirname(path)
    // The folder itself: its stamp changes with each name that comes or goes, and a watch on it sees what is written in it.
    watched.add(`${folder}/.`)
    const names = namesIn(folder, listFolder)
    if (typeof names === 'string') add(folder, one, names)
    else for (const found of matching(names, name)) add(join(folder, found), one)
  }
  return { files: [...files.values()], watched: [...watched] }
}

function readOne(path: string, readText: Sources['readText']): Pick<IncludedFile, 'text' | 'why'> {
  try {
    return { text: readText(path), why: '' }
  } catch (error) {
    return { text: null, why: whyUnreadable(error) }
  }
}

/** The names in a folder, none where there is no folder; or why they cannot be had, as the end of a sentence. */
function namesIn(folder: string, listFolder: Sources['listFolder']): readonly string[] | string {
  if (listFolder === undefined) return 'cannot be read here'
  try {
    return listFolder(folder)
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? [] : whyUnreadable(error)
  }
}

function matching(names: readonly string[], pattern: string): readonly string[] {
  const isMeant = compileStars(pattern)
  return names.filter(name => isMeant(name) && (pattern.startsWith('.') || !name.startsWith('.'))).toSorted(byCodePoint)
}

function byCodePoint(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

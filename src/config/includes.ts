/** `include`: finds and reads the files that a file includes, and merges them with it. */

import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { compileStars } from '../base/wildcard.ts'
import { hintToWrite } from './hidden/lines.ts'
import { ROOT } from './keys/keys.ts'
import type { Diagnostic, DiagnosticCode } from './text/diagnostic.ts'
import { createLocator, type Locator, type TextPosition } from './text/locate.ts'
import { parseToml } from './text/parse.ts'
import { formatPath, itemsOf, type Path, quote, type Raw, type RawTable } from './text/raw.ts'
import { codeOf, fileHint, nearestFile, type Sources, whyUnreadable } from './text/substitute.ts'
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

/** A place, and the file that it is in as diagnostics name it. */
export interface FilePlace extends TextPosition {
  readonly file: string
}

/** A file and all that it includes as one tree, which records where each part is written. */
export interface Merged {
  readonly tree: RawTable
  /** What keeps the files from being one. */
  readonly mistakes: readonly Diagnostic[]
  /** The text of each file by the name that diagnostics give it, in their order. */
  readonly texts: ReadonlyMap<string, string>
  find(at: Path, part: 'key' | 'value', mark?: string | null): FilePlace
}

/** One of the files. */
interface Document {
  readonly shownAs: string
  readonly locator: Locator
}

/** Lists that go on in each file, and where the part of a file begins. */
const LISTS: ReadonlySet<string> = new Set(['routes', 'expect'])

/** Tables by name, each whole in one file. */
const NAMED: ReadonlySet<string> = new Set(['providers', 'portals', 'upstreams'])

/**
 * Puts what is included behind what the file itself says: routes and expectations go on, providers, portals and upstreams are whole in
 * one file, but for the roles of a portal, of which each is whole in one.
 */
export function mergeIncluded(
  main: { readonly text: string; readonly shownAs: string; readonly tree: RawTable },
  included: Included,
): Merged {
  const first: Document = { shownAs: main.shownAs, locator: locatorOf(main.text, main.tree) }
  const entries = new Map(main.tree.entries)
  const owners = new Map<string, Document>()
  const parts = new Map<string, { readonly start: number; readonly document: Document }[]>()
  const mistakes: Diagnostic[] = []

  function ownerOf(at: Path): { readonly document: Document; readonly at: Path } {
    const [name, number, ...below] = at
    const part = parts.get(String(name))?.findLast(({ start }) => typeof number === 'number' && start <= number)
    if (part !== undefined)
      return { document: part.document, at: [String(name), Number(number) - part.start, ...below] }
    for (let length = Math.min(at.length, DEEPEST); length > 0; length--) {
      const document = owners.get(keyOf(at.slice(0, length)))
      if (document !== undefined) return { document, at }
    }
    return { document: first, at }
  }

  function find(at: Path, part: 'key' | 'value', mark: string | null = null): FilePlace {
    const { document, at: own } = ownerOf(at)
    return { file: document.shownAs, ...document.locator.find(own, part, mark) }
  }

  function refuse(document: Document, at: Path, code: DiagnosticCode, message: string, hint: string): void {
    const place = document.locator.find(at, 'key')
    mistakes.push({ severity: 'error', code, message, hint, path: formatPath(at), file: document.shownAs, ...place })
  }

  function refuseTwice(document: Document, at: Path): void {
    const { file, line } = find(at, 'key')
    refuse(document, at, 'key.twice', `${formatPath(at)} is defined twice`, `the other is in ${file} at line ${line}`)
  }

  function addList(name: string, raw: Raw, document: Document): void {
    const known = entries.get(name)
    if (raw.kind !== 'list' || (known !== undefined && known.kind !== 'list')) {
      if (known === undefined) addOwn([name], raw, document)
      else
        refuse(document, [name], 'key.type', `${name} must be a list of tables`, `write [[${name}]] with two brackets`)
      return
    }
    const before = known?.items ?? []
    const items = raw.items.map((item, index) => moveTo(item, [name, before.length + index]))
    entries.set(name, { ...raw, items: [...before, ...items] })
    const before_ = parts.get(name) ?? [{ start: 0, document: first }]
    parts.set(name, [...before_, { start: before.length, document }])
  }

  function addOwn([name = '']: readonly string[], raw: Raw, document: Document): void {
    entries.set(name, raw)
    owners.set(keyOf([name]), document)
  }

  function addNamed(name: string, raw: Raw, document: Document): void {
    const known = entries.get(name)
    if (raw.kind !== 'table' || known?.kind !== 'table') {
      if (known === undefined) addOwn([name], raw, document)
      else refuse(document, [name], 'key.type', `${name} must be tables by name`, `write [${name}.NAME]`)
      return
    }
    const all = new Map(known.entries)
    for (const [one, entry] of raw.entries) {
      const at = [name, one]
      const before = all.get(one)
      const joined = before === undefined ? entry : joinRoles(at, before, entry, document)
      if (before === undefined) owners.set(keyOf(at), document)
      if (joined === null) refuseTwice(document, at)
      else all.set(one, joined)
    }
    entries.set(name, { ...known, entries: all })
  }

  /** Joins a portal where one file has the roles, or some of them; null for any other duplicate. */
  function joinRoles(at: readonly string[], before: Raw, entry: Raw, document: Document): Raw | null {
    if (at[0] !== 'portals' || before.kind !== 'table' || entry.kind !== 'table') return null
    const [oldRest, rest] = [before, entry].map(({ entries: keys }) => [...keys].filter(([key]) => key !== 'roles'))
    if (oldRest === undefined || rest === undefined || (oldRest.length > 0 && rest.length > 0)) return null
    for (const [key] of rest) owners.set(keyOf([...at, key]), document)
    const keys = new Map([...oldRest, ...rest])
    const [oldRoles, roles] = [before.entries.get('roles'), entry.entries.get('roles')]
    const joined = joinEach([...at, 'roles'], oldRoles, roles, document)
    if (joined !== undefined) keys.set('roles', joined)
    return { ...before, entries: keys }
  }

  function joinEach(at: readonly string[], before: Raw | undefined, raw: Raw | undefined, document: Document) {
    if (raw === undefined) return before
    if (before === undefined || before.kind !== 'table' || raw.kind !== 'table') {
      if (before === undefined) owners.set(keyOf(at), document)
      else refuseTwice(document, at)
      return before ?? raw
    }
    const all = new Map(before.entries)
    for (const [role, rule] of raw.entries) {
      const own = [...at, role]
      if (all.has(role)) refuseTwice(document, own)
      else {
        all.set(role, rule)
        owners.set(keyOf(own), document)
      }
    }
    return { ...before, entries: all }
  }

  const texts = new Map([[main.shownAs, main.text]])
  for (const file of included.files) {
    const { shownAs, text, entry } = file
    if (text !== null) texts.set(shownAs, text)
    const include = main.tree.entries.get('include')
    const at: Path = include?.kind === 'list' ? ['include', entry] : ['include']
    const place = { path: formatPath(at), file: main.shownAs, ...first.locator.find(at, 'value') }
    const read = parseIncluded(file, place)
    if (!read.ok) {
      mistakes.push(read.mistake)
      continue
    }
    const { tree, locator } = read
    const document: Document = { shownAs, locator }
    for (const [name, raw] of tree.entries) {
      if (LISTS.has(name)) addList(name, raw, document)
      else if (NAMED.has(name)) addNamed(name, raw, document)
      else if (Object.hasOwn(ROOT, name)) {
        // Every other table exists once, so that no operator has to search for it.
        const hint = 'a file that is included has routes, expectations, providers, portals and upstreams'
        refuse(document, [name], 'include.table', `${name} belongs in ${main.shownAs} itself`, hint)
      } else if (!entries.has(name)) addOwn([name], raw, document)
    }
  }
  return { tree: { ...main.tree, entries }, mistakes, texts, find }
}

/** The tree of a file that is included, or what is wrong with it; `including` is where `include` names it. */
function parseIncluded(
  { shownAs, written, text, why, near }: Included['files'][number],
  including: FilePlace & Pick<Diagnostic, 'path'>,
):
  | { readonly ok: true; readonly tree: RawTable; readonly locator: Locator }
  | { readonly ok: false; readonly mistake: Diagnostic } {
  if (text === null) {
    const hint =
      why === 'is a folder'
        ? `name the files in it: include = [${quote(join(written, '*.toml'))}]`
        : fileHint({ why, near })
    const message = `include names ${quote(shownAs)}, which ${why}`
    return { ok: false, mistake: { severity: 'error', code: 'file.unreadable', message, hint, ...including } }
  }
  const parsed = parseToml(text)
  if (parsed.ok) return { ok: true, tree: parsed.value, locator: locatorOf(text, parsed.value) }
  const { refusal, line, column, write } = parsed
  const { code, message } = refusal
  const fix = write === undefined ? refusal.hint : hintToWrite(text, line, write)
  const named = `${including.file}:${including.line} includes this file: if it is no part of the configuration, take it out there`
  const hint = fix === '' ? named : `${fix}; ${named}`
  const place = { file: shownAs, ...createLocator(text).fromUnits(line, column) }
  return { ok: false, mistake: { severity: 'error', code, message, hint, path: '', ...place } }
}

/** A role of a portal: nothing below it is written in another file. */
const DEEPEST = 4

function keyOf(at: Path): string {
  return JSON.stringify(at)
}

function locatorOf(text: string, tree: RawTable): Locator {
  const routes = tree.entries.get('routes')
  return createLocator(text, routes?.kind === 'list' ? routes.items.length : 0)
}

/** The same node with another place, as is all below it. */
function moveTo(raw: Raw, at: Path): Raw {
  if (raw.kind === 'list') return { ...raw, at, items: raw.items.map((item, index) => moveTo(item, [...at, index])) }
  if (raw.kind !== 'table') return { ...raw, at }
  return { ...raw, at, entries: new Map([...raw.entries].map(([name, entry]) => [name, moveTo(entry, [...at, name])])) }
}

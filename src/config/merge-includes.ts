/** Merges a file with those that it includes, and remembers where each part is written. */

import { join } from 'node:path'
import { hintToWrite } from './hidden/lines.ts'
import type { Included } from './includes.ts'
import { ROOT } from './keys/keys.ts'
import type { Diagnostic, DiagnosticCode } from './text/diagnostic.ts'
import { createLocator, type Locator, type TextPosition } from './text/locate.ts'
import { parseToml } from './text/parse.ts'
import { formatPath, type Path, quote, type Raw, type RawTable } from './text/raw.ts'
import { fileHint } from './text/substitute.ts'

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

/** `files` of a route: a folder that is served, its index, its fallback and its Cache-Control. */

import { resolve } from 'node:path'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { createReport } from '../text/report.ts'
import { cacheDirectives } from '../values/cache-control.ts'
import { parsePath } from '../values/path.ts'
import { parsePathPattern } from '../values/pattern.ts'
import { boolean, describe, either, list, parsed, type Type, wrongKind } from '../values/value.ts'
import { type Built, defaulted, type Keys, optional, required, type Table, table } from './table.ts'

/** What Cache-Control says of the files whose paths below the folder are as a pattern says. */
export interface CacheRule {
  readonly pattern: string
  readonly value: string
}

const folder = parsed({ label: 'folder', expected: 'the path of a folder' }, good)

/** A file below the folder that may be shown, with a slash before it. */
function parseFallback(text: string): Parsed<string> {
  const path = parsePath(text.startsWith('/') ? text : `/${text}`)
  if (!path.ok) return path
  if (path.value === '/' || text.endsWith('/'))
    return bad('path.invalid', `${quote(text)} is a folder`, 'name a file in it: "/index.html"')
  if (path.value.includes('/.'))
    return bad('path.invalid', `${quote(text)} is hidden`, 'what begins with a dot is not shown')
  return path
}

const fallback = parsed({ label: 'path', expected: 'the path of a file such as "/index.html"' }, parseFallback)

const ending = parsed({ label: 'ending', expected: 'an ending such as ".html"' }, text =>
  /^\.[\w-]+(?:\.[\w-]+)*$/.test(text)
    ? good(text)
    : bad('path.invalid', `${quote(text)} is no ending of a name`, 'a dot and letters: ".html"'),
)

const forAll: Type<readonly CacheRule[]> = {
  ...describe(cacheDirectives),
  read(raw, report) {
    const value = cacheDirectives.read(raw, report)
    return value === undefined ? undefined : [{ pattern: '*', value }]
  },
}

const byPattern: Type<readonly CacheRule[]> = {
  label: 'table by path pattern',
  expected: 'a table of PATTERN = "directives"',
  schema: { type: 'object', minProperties: 1, additionalProperties: cacheDirectives.schema },
  read(raw, report) {
    if (raw.kind !== 'table') return wrongKind(raw, this.expected, report)
    if (raw.entries.size === 0) {
      const hint = 'leave it out, or write { "/assets/*" = "max-age=3600" }'
      report.mistake(raw.at, 'files.cache_control', 'cache_control is an empty table', { hint })
    }
    const rules: CacheRule[] = []
    for (const [name, entry] of raw.entries) {
      const pattern = parsePathPattern(name)
      const value = cacheDirectives.read(entry, report)
      if (!pattern.ok) report.mistake(entry.at, pattern.code, pattern.message, { hint: pattern.hint, part: 'key' })
      else if (value !== undefined) rules.push({ pattern: pattern.value, value })
    }
    return rules
  },
}

/** `files` of a route as a table: a folder, and how it is served. */
export const FILES = {
  folder: required(folder, '/srv/www', "The folder; a relative path starts at the config file's folder.", {
    build: (path, { directory }) => resolve(directory, path),
  }),
  try_files: optional(
    fallback,
    '/index.html',
    '404',
    'The file for addresses without a file, for single-page applications: for page loads, and for requests of programs without a dot in the last name. A missing script or picture stays 404.',
    { field: 'fallback' },
  ),
  endings: optional(
    list(ending, { single: true }),
    ['.html'],
    'none',
    'Endings that an address may leave out: if there is no file of that name, `/about` is `about.html`. If `/about.html` is closed to a user, `/about` is, too.',
    { build: endings => endings ?? [] },
  ),
  cache_control: optional(
    either(raw => raw.kind === 'table', byPattern, forAll),
    { '*': 'no-cache', '/assets/*': 'max-age=31536000, immutable' },
    '`private, no-cache`, and nothing where all may come',
    'What `Cache-Control` says: one text, or one for each pattern of paths below the folder, of which the longest that holds counts. Where not everyone may come, `private` is put before it.',
    { field: 'cacheRules', build: inOrder },
  ),
  compress: defaulted(
    boolean,
    true,
    false,
    'Whether texts go out compressed: as `NAME.br`, `NAME.zst` or `NAME.gz` beside the file, unless that is older, else by gzip from 1 KiB to 1 MiB. Ranges are of the file itself.',
    { field: 'isCompressed' },
  ),
  listing: defaulted(
    boolean,
    false,
    true,
    'Whether a folder without an `index.html` is answered with a list of what is in it, but for names that begin with a dot, links that lead outside and what is closed to who asks.',
    { field: 'isListed' },
  ),
  any_method: defaulted(
    boolean,
    false,
    true,
    'Whether every other method is answered as GET is, and not with 405: as some file servers do, whose clients ask by POST.',
    { field: 'takesAnyMethod' },
  ),
} as const satisfies Keys

export type FilesTable = Table<typeof FILES>

/** A folder of files. `fallback` is served for addresses without a file; null: they are not found. */
export interface FilesAnswer extends Built<typeof FILES> {
  readonly kind: 'files'
  /** Whether an upstream serves everything that is not a file here, including folders. */
  readonly isFirst: boolean
}

/** The first that holds counts, where they are looked at; none: what is usual. */
function inOrder(rules: readonly CacheRule[] | null): readonly CacheRule[] {
  return (rules ?? []).toSorted((one, other) => other.pattern.length - one.pattern.length)
}

const inTable = table(FILES, { title: '[routes.files]' })

/** `files` of a route: a folder, or a table. */
export const filesSpec: Type<FilesTable, Built<typeof FILES>> = {
  ...inTable,
  label: `${inTable.label}, or ${folder.label}`,
  expected: `${inTable.expected}, or ${folder.expected}`,
  schema: { anyOf: [inTable.schema, folder.schema] },
  read(raw, report) {
    if (raw.kind === 'table') return inTable.read(raw, report)
    if (folder.read(raw, report) === undefined) return undefined
    // A folder alone is a table with nothing else in it, so that every default is in one place.
    return inTable.read({ kind: 'table', at: raw.at, entries: new Map([['folder', raw]]) }, createReport())
  },
}

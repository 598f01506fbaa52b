/** The new file in the making: its sections and entries, and how values are spelled there. */

import { formatKey, formatToml } from '../config/keys/table.ts'
import type { Json } from '../config/text/raw.ts'
import type { Notes } from './notes.ts'
import { type Blanks, replaceLogins, replaceLong, STAND_IN_HOST, withoutLong } from './variables-to-set.ts'

/** What every importer is given. */
export interface Tools {
  readonly notes: Notes
  readonly blanks: Blanks
  readonly host: string | null
  readText(path: string): string
}

export interface Entry {
  readonly key: string
  readonly value: Json
  /** Where it comes from, or why it is so. */
  readonly comment?: string
  /** A list with a line for each item, so that one can be taken out; the comment is the first one's. */
  readonly isByLine?: boolean
}

export function entry(key: string, value: Json, comment?: string): Entry {
  return comment === undefined ? { key, value } : { key, value, comment }
}

export interface Section {
  /** `[server]`, `[[routes]]`. */
  readonly title: string
  readonly about?: string
  readonly entries: readonly Entry[]
  /** Said below its entries: keys that may be wanted. */
  readonly also?: readonly string[]
}

/** A rule of `deny` for everyone, by any address. */
export const EVERYONE: Json = { networks: ['0.0.0.0/0', '::/0'] }

export const CLOSING = 'everyone, until you decide: '

/**
 * The `deny` of a route that refuses everyone until the operator decides about `reasons`. The operator then removes
 * the line that denies everyone. The denials of the old file are on separate lines, and stay.
 */
export function closingEntry(reasons: readonly string[], deny: readonly Json[]): Entry {
  const comment = CLOSING + reasons.join(', ')
  return { key: 'deny', value: [EVERYONE, ...deny], comment, isByLine: deny.length > 0 }
}

/** What an importer makes of a file. */
export interface Draft {
  readonly sections: readonly Section[]
  readonly beside: BesideFile | null
}

/** A file for the proxy in front, which is written beside routes.toml. */
export interface BesideFile {
  /** What its name ends with, in place of `toml`. */
  readonly ending: string
  readonly title: string
  /** What changes in a file as people have it, line by line: `- ` is taken out, `+ ` is new. */
  readonly changes: string
  /** The same for another program that may stand there. */
  readonly also: { readonly title: string; readonly changes: string }
  readonly text: string
}

/** What every answer says is no secret, nor is a folder of this machine. */
const STAYS: ReadonlySet<string> = new Set(['response_headers', 'files'])

/**
 * The same sections with a variable for each long part of a path or an address that may be a secret: `/hook/9f8b7c…` lets in whoever
 * knows it. Comments and notes have none of them either.
 */
function withoutLongParts(sections: readonly Section[], blanks: Blanks): readonly Section[] {
  const known = new Map<string, string>()
  const variableFor = (part: string, before: string): string => {
    const which = known.size === 0 ? '' : ` (long part ${known.size + 1} of that file)`
    const meaning = `the long part after ${withoutLong(before.replace(/^[=^]+/, ''))} in the old file${which}`
    const reference = known.get(part) ?? blanks.add('PATH_PART', meaning, `fill-in-part-${known.size}`)
    known.set(part, reference)
    return reference
  }
  return sections.map(section => {
    if (section.title !== '[[routes]]') return section
    const entries = section.entries.map(one => ({
      ...one,
      value: STAYS.has(one.key)
        ? one.value
        : replaceTexts(one.value, /path|prefix/.test(one.key), (text, isPath) =>
            isPath || text.includes('/') ? replaceLong(text, variableFor) : text,
          ),
      ...(one.comment === undefined ? {} : { comment: withoutLong(one.comment) }),
    }))
    return { ...section, entries }
  })
}

/** A value with its texts replaced; `isPath`: one under a key that is for paths. */
function replaceTexts(value: Json, isPath: boolean, replace: (text: string, isPath: boolean) => string): Json {
  if (typeof value === 'string') return replace(value, isPath)
  if (Array.isArray(value)) return value.map(one => replaceTexts(one, isPath, replace))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, replaceTexts(one, /path/.test(key), replace)]),
  )
}

/** The same sections with a variable for each name and password in an address, whatever the address is for. */
function withoutLogins(sections: readonly Section[], blanks: Blanks): readonly Section[] {
  const known = new Map<string, string>()
  return sections.map(section => ({
    ...section,
    entries: section.entries.map(one => ({
      ...one,
      value: replaceTexts(one.value, false, text =>
        replaceLogins(text, login => {
          const which = known.size === 0 ? '' : ` (login ${known.size + 1} of that file)`
          const meaning = `the name and password before the @ in ${one.key}${which}`
          const reference = known.get(login) ?? blanks.add('ADDRESS_LOGIN', meaning, 'fill-in:fill-in')
          known.set(login, reference)
          return reference
        }),
      ),
    })),
  }))
}

/** The same sections without what may be a secret. */
export function withoutSecrets(sections: readonly Section[], blanks: Blanks): readonly Section[] {
  return withoutLongParts(withoutLogins(sections, blanks), blanks)
}

/** The text of a routes.toml, as `sallyport fmt` leaves it. `about` is said at its top. */
export function writeToml(sections: readonly Section[], about: readonly string[]): string {
  const blocks = [about.map(comment), ...sections.map(block)]
  return `${blocks.map(lines => lines.join('\n')).join('\n\n')}\n`
}

function block({ title, about, entries, also }: Section): readonly string[] {
  const shown = entries.filter(({ value }) => value !== null)
  return [
    ...(about === undefined ? [] : [comment(about)]),
    title,
    ...shown.flatMap(({ key, value, comment: said, isByLine }) => {
      if (isByLine !== true || !Array.isArray(value))
        return [withComment(`${formatKey(key)} = ${formatToml(value)}`, said)]
      const items = value.map((item, index) => withComment(`  ${formatToml(item)},`, index === 0 ? said : undefined))
      return [`${formatKey(key)} = [`, ...items, ']']
    }),
    ...(also ?? []).map(comment),
  ]
}

function withComment(line: string, said: string | undefined): string {
  return said === undefined ? line : `${line}  ${comment(said)}`
}

function comment(text: string): string {
  return text === '' ? '#' : `# ${text}`
}

const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
]

/** Milliseconds as routes.toml writes them: `7d`, `1h30m`; at least `1ms`. */
export function spellDuration(ms: number): string {
  let rest = Math.max(1, Math.round(ms))
  let text = ''
  for (const [unit, unitMs] of UNITS) {
    const count = Math.floor(rest / unitMs)
    if (count > 0) text += `${count}${unit}`
    rest -= count * unitMs
  }
  return text
}

/** A route's `path` as a file has it: `=/x` for only that path, and null for a whole host, which needs no key. */
export function spellPath({ path, isExact }: { readonly path: string; readonly isExact: boolean }): string | null {
  if (isExact) return `=${path}`
  return path === '/' ? null : path
}

/**
 * The scopes of an old file, in its order. "openid" may be missing: the old program added it automatically, or did not
 * need an ID token.
 *
 * Source: OpenID Connect Core 1.0 §3.1.2.1 (a request without "openid" is not an OpenID Connect request).
 */
export function openidScopes(stated: readonly string[]) {
  const list = [...new Set(stated)]
  if (list.length === 0 || list.includes('openid')) return { list, outcome: 'kept', say: 'scopes' } as const
  return {
    list: ['openid', ...list],
    outcome: 'changed',
    say: 'scopes, with "openid": without it a provider need not name the user',
  } as const
}

const ISSUERS: Readonly<Record<string, string>> = {
  google: 'https://accounts.google.com',
  gitlab: 'https://gitlab.com',
}

/** The issuer of a provider that a file only calls by its name. */
export function issuerOf(name: string, blanks: Blanks): string {
  const meaning = 'the provider’s address, as its metadata has it in "issuer"'
  return ISSUERS[name] ?? blanks.add('OIDC_ISSUER', meaning, `https://${STAND_IN_HOST}`)
}

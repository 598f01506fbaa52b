/** Texts of old files: env files, words of a command line, and references to variables. */

import type { Alpha } from './alpha.ts'
import type { Gap, Stated } from './options.ts'

export interface OldText {
  readonly text: string
  readonly path: string
  readonly shownAs: string
}

/** Why a file is of no use. */
export class Unreadable extends Error {}

/** What the old files are read with, and what was found in them. */
export interface Reading {
  readText(path: string): string
  /** A variable for references in the old files, from the env files that were given; undefined for none. */
  lookUp(name: string): string | undefined
  /** Names of the files that were given themselves, without their folders. */
  readonly given: ReadonlySet<string>
  readonly colour: boolean
  /** By rank: a flag outranks a variable, and that the configuration file. */
  readonly found: Readonly<Record<'flags' | 'variables' | 'settings', Stated[]>>
  readonly gaps: Gap[]
  /** Where there can be nothing else than what was read. */
  readonly known: Set<'flags' | 'variables'>
  alpha: Alpha | null
}

/** The program as it is started: in a container, by a unit, by a command. */
export interface Program {
  readonly flags: readonly Word[]
  readonly variables: readonly Variable[]
  /** The text of the file at a path; null where that is missing here. */
  readonly mounted: (path: string) => OldText | null
  readonly knowsVariables: boolean
}

export interface Word {
  readonly text: string
  readonly line: number | null
}

/** A variable of the environment, and where it is set. */
export interface Variable {
  readonly name: string
  readonly value: string
  readonly line: number | null
  readonly file: string | null
}

/** The words of shell text: quotes, backslashes before line ends, comments. */
export function splitWords(text: string, firstLine = 1): readonly Word[] {
  const words: Word[] = []
  const form = /(\\\r?\n|\s)|(#[^\n]*)|((?:\\[\s\S]|'[^']*'|"(?:\\[\s\S]|[^"\\])*"|[^\s\\'"])+)|[\s\S]/g
  let line = firstLine
  for (const [all, , , word] of text.matchAll(form)) {
    if (word !== undefined) words.push({ text: bare(word), line })
    line += all.split('\n').length - 1
  }
  return words
}

function bare(word: string): string {
  return word.replace(
    /\\\r?\n|\\([\s\S])|'([^']*)'|"((?:\\[\s\S]|[^"\\])*)"/g,
    (_, escaped, single, double) => escaped ?? single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? '',
  )
}

/** The lines of an env file: `NAME=value`, `export NAME="value"`; quotes are taken off, and what is behind ` #` without them. */
export function readEnvFile(text: string, file: string): readonly Variable[] {
  return text.split(/\r?\n/).flatMap((row, index) => {
    const [, name, raw = ''] = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(row) ?? []
    if (name === undefined) return []
    const [, single, double] = /^(?:'([^']*)'|"((?:[^"\\]|\\.)*)")\s*(?:#.*)?$/.exec(raw) ?? []
    const plain = single ?? double?.replace(/\\(["\\$])/g, '$1') ?? raw.replace(/(?:^|\s)#.*$/, '').trim()
    return [{ name, value: plain, line: index + 1, file }]
  })
}

/**
 * `${NAME}`, `$NAME` and `${NAME:-otherwise}` filled in, `$$` as a dollar; without the colon an empty value counts. What is not known
 * here becomes `<NAME>`, which is to be filled in in the new file.
 */
export function fillIn(text: string, lookUp: (name: string) => string | undefined): string {
  const form = /\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?)([-?+])([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))/g
  return text.replace(form, (_, dollar, braced, colon, operator, more, plain) => {
    if (dollar !== undefined) return '$'
    const name = braced ?? plain
    const value = lookUp(name)
    const isSaid = value !== undefined && (value !== '' || colon === '')
    if (operator === '+') return isSaid ? more : ''
    if (operator === '-' && !isSaid) return more
    return value ?? `<${name}>`
  })
}

/** A text; null where it cannot be read. */
export function readOrNull(readText: (path: string) => string, path: string): string | null {
  try {
    return readText(path)
  } catch {
    return null
  }
}

/** Each variable once: the last one counts, also where it is empty. */
export function last(variables: readonly Variable[]): readonly Variable[] {
  return [...new Map(variables.map(one => [one.name, one])).values()]
}

/** Whether a word names the program, or an image of it. */
export function isProgram(text: string | null): boolean {
  return text !== null && /^[^-].*$/s.test(text) && /(?:^|[/:])oauth2[-_]proxy(?:\.exe)?(?:[:@][^/]*)?$/i.test(text)
}

/** What is after the program's name; all, where that is not there. */
export function afterProgram(words: readonly Word[]): readonly Word[] {
  return words.slice(words.findIndex(({ text }) => isProgram(text)) + 1)
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

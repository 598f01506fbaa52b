/** Fills in `${VARIABLE}` and `${file:PATH}`. */

import { basename, dirname, resolve } from 'node:path'
import type { DiagnosticCode } from './diagnostic.ts'
import { quote, type Raw, type RawList, type RawPiece, type RawTable, type RawText } from './raw.ts'
import type { Report } from './report.ts'
import { suggest } from './suggest.ts'

/** What `${…}` may read; effects arrive as arguments. */
export interface Sources {
  readText(path: string): string
  readBytes(path: string): Uint8Array
  /** The names in a folder, in any order; throws what the platform throws. Without it nothing is included. */
  listFolder?(path: string): readonly string[]
  env(name: string): string | undefined
  /** What to do about a variable that is not set here, where the service of this machine has it; null: it has not. */
  hintForUnset?(name: string): string | null
  /** Milliseconds since the epoch; without it nothing is said that depends on the day. */
  now?(): number
}

/** Why a file's content cannot be filled in, as the end of a sentence, and what to do about it. */
interface Unusable {
  readonly failed: string
  readonly hint: string
}

export interface Substituted {
  readonly tree: RawTable
  /** Absolute paths of all files that the text refers to, readable or not: what a reload has to watch. */
  readonly files: readonly string[]
  /** Everything that was filled in, in order of appearance. Secret: for hashing only. */
  readonly filled: readonly string[]
}

/** `$${` means a literal `${`; `${NAME}` and `${file:PATH}` are filled in; any other `${` is a mistake. */
const REFERENCE = /\$\$\{|\$\{(?:file:([^{}]+)|([A-Za-z_][A-Za-z0-9_]*))\}|\$\{[^}]*\}?/g

/** An address of a session store that may have a password in it. */
const REDIS = /^(?:unix|(?:redis|valkey)s?(?:\+\w+)?):/

/**
 * The tree with every `${NAME}` and `${file:PATH}` in it filled in. Relative paths start at the config file's
 * directory.
 *
 * A variable or file that is missing, unreadable or empty is a mistake that names it, never its content. The text is
 * then null, so that no other check reports it. Absent on purpose: defaults (`${X:-y}`) and references inside a
 * filled-in value.
 */
export function substitute(
  tree: RawTable,
  directory: string,
  sources: Pick<Sources, 'readText' | 'env' | 'hintForUnset' | 'listFolder'>,
  report: Report,
): Substituted {
  const files = new Map<string, string | Unusable>()
  const filled: string[] = []

  function readFile(path: string): string | Unusable {
    const known = files.get(path)
    if (known !== undefined) return known
    let content: string | Unusable
    try {
      content = textOf(sources.readText(path))
    } catch (error) {
      const why = whyUnreadable(error)
      content = { failed: why, hint: fileHint({ why, near: nearestFile(path, sources) }) }
    }
    files.set(path, content)
    return content
  }

  function fillText(raw: RawText): RawText {
    if (!raw.source.includes('${')) return raw
    let isWhole = true
    let isFilled = false
    const refuse = (code: DiagnosticCode, message: string, hint: string, mark: string): string => {
      isWhole = false
      report.mistake(raw.at, code, message, { hint, mark })
      return ''
    }
    // Before the last @ of such an address is a password, and after a ? another; a filled-in value is not percent-encoded.
    const loginEnd = REDIS.test(raw.source) ? raw.source.lastIndexOf('@') : -1
    const queryAt = REDIS.test(raw.source) ? raw.source.indexOf('?', loginEnd + 1) : -1
    const pieces: RawPiece[] = []
    let end = 0
    const fillIn = (reference: string, path: string | undefined, name: string | undefined, at: number): string => {
      const asIs = (value: string) => {
        if (queryAt !== -1 && at > queryAt) return encodeURIComponent(value)
        return at < loginEnd ? value.replaceAll('%', '%25') : value
      }
      if (reference === '$${') return '${'
      if (path !== undefined) {
        isFilled = true
        const content = readFile(resolve(directory, path))
        if (typeof content !== 'string') {
          return refuse(
            'substitution.unreadable',
            `${subjectOf(quote(path), content.failed)} ${content.failed}`,
            content.hint,
            reference,
          )
        }
        filled.push(content)
        return content !== ''
          ? asIs(content)
          : refuse('substitution.empty', `the file ${quote(path)} is empty`, '', reference)
      }
      if (name !== undefined) {
        isFilled = true
        const value = sources.env(name)
        if (value === undefined) {
          const hint =
            sources.hintForUnset?.(name) ??
            `set ${name} in the environment that Sallyport is started in, or read a file: \${file:/run/secrets/…}`
          return refuse('substitution.unset', `the environment variable ${name} is not set`, hint, reference)
        }
        filled.push(value)
        return value !== ''
          ? asIs(value)
          : refuse('substitution.empty', `the environment variable ${name} is empty`, '', reference)
      }
      return refuse('substitution.syntax', `${quote(reference)} is not a reference`, SYNTAX_HINT, reference)
    }
    for (const { 0: reference, 1: path, 2: name, index } of raw.source.matchAll(REFERENCE)) {
      pieces.push({ text: raw.source.slice(end, index), isLiteral: false })
      pieces.push({ text: fillIn(reference, path, name, index), isLiteral: true })
      end = index + reference.length
    }
    pieces.push({ text: raw.source.slice(end), isLiteral: false })
    return { ...raw, text: isWhole ? pieces.map(({ text }) => text).join('') : null, isFilled, pieces }
  }

  function fill(raw: Raw): Raw {
    switch (raw.kind) {
      case 'text':
        return fillText(raw)
      case 'list':
        return fillList(raw)
      case 'table':
        return fillTable(raw)
      default:
        return raw
    }
  }

  // What names nothing stays as it is: of a long file, nearly all of it.
  function fillList(raw: RawList): RawList {
    const items = raw.items.map(fill)
    return items.every((item, index) => item === raw.items[index]) ? raw : { ...raw, items }
  }

  function fillTable(raw: RawTable): RawTable {
    let entries: Map<string, Raw> | null = null
    for (const [name, entry] of raw.entries) {
      const whole = fill(entry)
      if (whole === entry) continue
      entries ??= new Map(raw.entries)
      entries.set(name, whole)
    }
    return entries === null ? raw : { ...raw, entries }
  }

  const filledTree = fillTable(tree)
  return { tree: filledTree, files: [...files.keys()], filled }
}

/** How to fix a file that cannot be read. */
export function fileHint({ why, near }: { readonly why: string; readonly near: string | null }): string {
  if (why === 'is a folder') return 'name a file in it'
  if (why.startsWith(FORBIDDEN) || why.startsWith(UNKNOWN)) return rightHint('read it', 'FILE')
  if (!why.startsWith('does not exist')) return 'name another file'
  return `${near === null ? '' : `did you mean ${quote(near)}? `}the path is absolute, or starts at the config file's folder`
}

/** Who has to be given which right. */
export function rightHint(to: string, what: 'FILE' | 'FOLDER'): string {
  return `the user that runs Sallyport must be able to ${to} (in the container: chown 65532 ${what})`
}

/** How a file that is there is called where that is no file: its reason says then what it is. */
export function subjectOf(shown: string, why: string): string {
  return /^is an? /.test(why) ? shown : `the file ${shown}`
}

/** The file that has nearly the name of one that does not exist, in the same folder; null where none has. */
export function nearestFile(path: string, { listFolder }: Pick<Sources, 'listFolder'>): string | null {
  try {
    const names = listFolder?.(dirname(path)) ?? []
    return names.includes(basename(path)) ? null : suggest(basename(path), names)
  } catch {
    return null
  }
}

const SYNTAX_HINT = 'write ${NAME} for an environment variable, ${file:/path} for a file, $${ for a literal ${'

/**
 * What a file holds, without the line breaks at its end and the mark that some editors write at its beginning. What is not UTF-8,
 * as PowerShell's `>` writes it, would be another secret than the one that is meant.
 */
function textOf(text: string): string | Unusable {
  if (text.includes('\uFFFD'))
    return { failed: 'is not UTF-8 text', hint: 'save it as UTF-8; the path may also be that of another file' }
  let end = text.length
  while (end > 0 && /[\r\n]/.test(text.charAt(end - 1))) end--
  return text.slice(text.startsWith('\uFEFF') ? 1 : 0, end)
}

/** The code of a system's error, such as `ENOENT`; undefined where there is none. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

const FORBIDDEN = 'may not be read by this user'
const UNKNOWN = 'cannot be read'

/** Whether the code of an error says that a right is missing. */
export function isForbidden(code: unknown): boolean {
  return code === 'EACCES' || code === 'EPERM'
}

/** Why a file cannot be read, as the end of a sentence. */
export function whyUnreadable(error: unknown): string {
  const code = codeOf(error)
  switch (code) {
    case 'ENOENT':
      return 'does not exist'
    case 'EACCES':
    case 'EPERM':
      return FORBIDDEN
    case 'EISDIR':
      return 'is a folder'
    case 'EFBIG':
      return 'is longer than 16 MB'
    case 'EPIPE':
      return 'is a pipe, not a file'
    case 'ENODEV':
      return 'is a device, not a file'
    case 'ELOOP':
      return 'is a symbolic link to itself'
    case 'ENOTDIR':
      return 'does not exist: a part of its path is not a folder'
    default:
      return typeof code === 'string' ? `${UNKNOWN} (${code})` : UNKNOWN
  }
}

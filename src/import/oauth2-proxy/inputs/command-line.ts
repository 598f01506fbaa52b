import { formOfFlag } from './names.ts'
import type { Gap, Stated } from './stated.ts'
import type { Variable } from './variables.ts'

/** A word of a command line, and its line in the file that has it. */
export interface Word {
  readonly text: string
  readonly line: number | null
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

/** What words of a command line say. */
export interface SaidByFlags {
  readonly stated: readonly Stated[]
  readonly gaps: readonly Gap[]
}

/** `--flag=value`, `--flag value` and `--switch`; one that may be given several times adds up. */
export function statedByFlags(words: readonly Word[], file: string | null): SaidByFlags {
  const found = new Map<string, Stated>()
  const gaps: Gap[] = []
  for (let index = 0; index < words.length; index++) {
    const { text, line } = words[index] ?? { text: '', line: null }
    const [, flag, given] = /^--?([A-Za-z][A-Za-z0-9_-]*)(?:=([\s\S]*))?$/.exec(text) ?? []
    if (flag === undefined) {
      if (text !== '') gaps.push({ option: 'command line', line, file, say: 'a word of it is no flag' })
      continue
    }
    const { name, isList, isSwitch } = formOfFlag(flag)
    const next = words[index + 1]
    const hasNext = given === undefined && !isSwitch && next !== undefined && !next.text.startsWith('--')
    if (hasNext) index++
    const value = given ?? (hasNext ? next.text : 'true')
    const before = isList ? (found.get(name)?.values ?? []) : []
    found.set(name, { name, values: isList ? [...before, ...entries(value)] : [value], isList, line, file })
  }
  return { stated: [...found.values()], gaps }
}

/** One line of CSV (RFC 4180), as these flags take their lists. */
function entries(value: string): readonly string[] {
  if (!value.includes('"')) return value.split(',')
  return [...value.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain,
  )
}

/** A command that starts oauth2-proxy: what is before its name sets variables, what is after it are its flags. */
export interface StartCommand {
  readonly flags: readonly Word[]
  readonly variables: readonly Variable[]
  /** Files of variables, by `--env-file` of docker. */
  readonly envFiles: readonly Word[]
}

/** Whether a word names the program, or an image of it. */
export function isProgram(text: string): boolean {
  return /(?:^|[/:])oauth2[-_]proxy(?:\.exe)?(?:[:@][^/]*)?$/i.test(text) && !text.startsWith('-')
}

/** `NAME=value oauth2-proxy --flag`, `docker run -e NAME=value IMAGE --flag`, or flags alone. */
export function readStartCommand(words: readonly Word[], file: string): StartCommand {
  const at = words.findLastIndex(
    ({ text }, index) =>
      isProgram(text) && !/^(?:--name|-n|--hostname|-h|--network|--net)$/.test(words[index - 1]?.text ?? ''),
  )
  const before = words.slice(0, Math.max(at, 0))
  const variables: Variable[] = []
  const envFiles: Word[] = []
  for (const [index, { text, line }] of before.entries()) {
    const last = before[index - 1]?.text ?? ''
    const [, inline] = /^(?:--env|-e)=(.+)$/s.exec(text) ?? []
    const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)(?:=([\s\S]*))?$/.exec(inline ?? text) ?? []
    const isEnv =
      inline !== undefined || last === '-e' || last === '--env' || (value !== undefined && !last.startsWith('-'))
    if (last === '--env-file') envFiles.push({ text, line })
    const [, envFile] = /^--env-file=(.+)$/.exec(text) ?? []
    if (envFile !== undefined) envFiles.push({ text: envFile, line })
    if (isEnv && name !== undefined) variables.push({ name, value: value ?? `<${name}>`, line, file })
  }
  return { flags: words.slice(at + 1), variables, envFiles }
}

/** Parses the arguments of a command, by its usage. */

import { type ParseArgsConfig, parseArgs } from 'node:util'
import { suggest } from '../config/text/suggest.ts'
import type { Io } from './io.ts'
import { servedConfig } from './running-server.ts'
import { layOutUsage, usageLines } from './usage.ts'

/** What a command takes. `--help` is always among its options. */
export interface Usage<O extends NonNullable<ParseArgsConfig['options']>> {
  /** Shown for `--help`, and its first paragraph after a mistake. Ends without a line break. */
  readonly text: string
  readonly options: O
  /** How many positional arguments it takes at most. */
  readonly maxPositionals: number
}

/** Exit codes that every command shares. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const

/** Writes why a command did nothing; answers the exit code. */
export function failWith(io: Pick<Io, 'stderr'>, why: string, code: number = EXIT.failed): number {
  io.stderr(`${why}\n`)
  return code
}

type Values<O extends NonNullable<ParseArgsConfig['options']>> = ReturnType<typeof parseArgs<{ options: O }>>['values']

/** The arguments of a command, or the code to exit with, help or mistake having been written. */
export type ParsedArguments<O extends NonNullable<ParseArgsConfig['options']>> =
  | { readonly ok: true; readonly values: Values<O>; readonly positionals: readonly string[] }
  | { readonly ok: false; readonly exitCode: number }

/** Arguments by a command's usage. Unknown options, missing values and surplus arguments are mistakes: exit code 2. */
export function parseArguments<const O extends NonNullable<ParseArgsConfig['options']>>(
  argv: readonly string[],
  usage: Usage<O>,
  io: Io,
): ParsedArguments<O> {
  const separator = argv.indexOf('--')
  const options = separator === -1 ? argv : argv.slice(0, separator)
  if (options.includes('--help') || options.includes('-h')) {
    io.stdout(`${layOutUsage(usage.text)}\n`)
    return { ok: false, exitCode: EXIT.ok }
  }
  try {
    const parsed = parseArgs({ args: [...argv], options: usage.options, allowPositionals: true, strict: true })
    const surplus = parsed.positionals[usage.maxPositionals]
    if (surplus === undefined) return { ok: true, values: parsed.values, positionals: parsed.positionals }
    return failUsage(`unexpected argument "${surplus}"`, usage.text, io)
  } catch (error) {
    if (!(error instanceof TypeError) || !('code' in error) || !String(error.code).startsWith('ERR_PARSE_ARGS'))
      throw error
    const message = (error.message.split('\n')[0] ?? '').replace(/\. To specify .*$/, '')
    return failUsage(meantOption(message, usage.options), usage.text, io)
  }
}

/**
 * The routes.toml that a command is about: its argument or `--config`, `fallback` or `routes.toml` without either. For both of them the code to exit
 * with, the mistake having been written.
 */
export function namedFile(
  {
    values,
    positionals,
  }: { readonly values: { readonly config?: string | undefined }; readonly positionals: readonly string[] },
  usage: { readonly text: string },
  io: Io,
  fallback: string | null = null,
): { readonly ok: true; readonly file: string } | { readonly ok: false; readonly exitCode: number } {
  const [given] = positionals
  if (given !== undefined && values.config !== undefined)
    return failUsage(`"${given}" and --config ${values.config}: name one file`, usage.text, io)
  return { ok: true, file: given ?? values.config ?? fallback ?? 'routes.toml' }
}

/**
 * The same for a command whose other arguments are words and ids, and those: neither has a dot or a slash in it, as a file has. Named
 * or not, the file may be that of the server that runs here.
 */
export function namedFileAmong(
  {
    values,
    positionals,
  }: { readonly values: { readonly config?: string | undefined }; readonly positionals: readonly string[] },
  usage: { readonly text: string },
  io: Io,
):
  | { readonly ok: true; readonly file: string; readonly others: readonly string[] }
  | { readonly ok: false; readonly exitCode: number } {
  const [files, others] = [positionals.filter(isFile), positionals.filter(one => !isFile(one))]
  const [, second] = files
  if (second !== undefined) return failUsage(`"${files[0]}" and "${second}": name one file`, usage.text, io)
  const named = namedFile({ values, positionals: files }, usage, io, servedConfig(io))
  return named.ok ? { ...named, others } : named
}

function isFile(argument: string): boolean {
  return /[./]/.test(argument)
}

/** What an unknown option was probably meant to be, behind a sentence about it. */
function meantOption(message: string, options: NonNullable<ParseArgsConfig['options']>): string {
  const unknown = /^Unknown option '--([^']+)'/.exec(message)?.[1]
  const meant = unknown === undefined ? null : suggest(unknown, [...Object.keys(options), 'help'])
  return meant === null ? message : `${message}: did you mean "--${meant}"?`
}

function failUsage(message: string, text: string, io: Io): { readonly ok: false; readonly exitCode: number } {
  io.stderr(`${message}\n${usageLines(text)}\n`)
  return { ok: false, exitCode: EXIT.usage }
}

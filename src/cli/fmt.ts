/** `sallyport fmt`: formats files, and keeps their values and comments. */

import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import * as binary from '../../node_modules/@tombi-toml/wasm-lib/dist/tombi_wasm_bg.wasm' with { type: 'file' }
import { readIncluded } from '../config/includes.ts'
import { loadConfig } from '../config/load.ts'
import { renderDiagnostics } from '../config/render-diagnostics.ts'
import { parseToml } from '../config/text/parse.ts'
import { commentsOf } from '../config/text/positions.ts'
import { whyUnreadable } from '../config/text/substitute.ts'
import { EXIT, failWith, namedFile, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { replaceFile, whyUnwritten } from '../console/replace-file.ts'

export const USAGE = {
  text: `usage: sallyport fmt [routes.toml] [--check]

Formats the file and the files that it includes: spaces, empty lines, quotes and long lists. Values and comments stay. Each file is
replaced as a whole, and keeps its owner and mode.
Exit code: 0 done, 1 a file could not be formatted or, with --check, is not formatted, 2 for a wrong command line.

  --config FILE, -c   the file, as for other commands
  --check             writes nothing, and exits with 1 if a file would change`,
  options: { config: { type: 'string', short: 'c' }, check: { type: 'boolean' } },
  maxPositionals: 1,
} as const

/** What became of one file. */
type Outcome = 'same' | 'other' | 'failed'

/** `sallyport fmt`: answers the exit code. */
export async function runFmt(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const named = namedFile(parsed, USAGE, io)
  if (!named.ok) return named.exitCode
  const { file } = named
  const path = resolve(io.cwd, file)
  let text: string
  try {
    text = io.readText(path)
  } catch (error) {
    return failWith(io, `${file} ${whyUnreadable(error)}`)
  }
  const included = readIncluded(text, { ...io, file: path, shownAs: file }).files
  const format = await openFormatter()
  const isCheck = parsed.values.check === true
  const outcomes: Outcome[] = []
  for (const one of [{ path, shownAs: file, text, why: '' }, ...included]) {
    if (one.text === null) {
      io.stderr(`${one.shownAs} ${one.why}\n`)
      outcomes.push('failed')
    } else outcomes.push(await formatOne({ ...one, text: one.text }, format, isCheck, io))
  }
  return outcomes.includes('failed') || (isCheck && outcomes.includes('other')) ? EXIT.failed : EXIT.ok
}

async function formatOne(
  { path, shownAs, text }: { readonly path: string; readonly shownAs: string; readonly text: string },
  format: Format,
  isCheck: boolean,
  io: Io,
): Promise<Outcome> {
  const fail = (why: string): Outcome => {
    io.stderr(`${shownAs} is left as it is: ${why}\n`)
    return 'failed'
  }
  if (!parseToml(text).ok) {
    const broken = loadConfig(path, { ...io, readText: () => text }, shownAs)
    const diagnostics = broken.ok ? [] : broken.diagnostics.filter(({ code }) => code.startsWith('toml.'))
    io.stderr(renderDiagnostics(diagnostics, broken.texts, { colour: io.colour.stderr }))
    return 'failed'
  }
  const formatted = await format(text)
  if (!formatted.ok) return fail(formatted.why)
  if (formatted.text === text) return 'same'
  if (isCheck) {
    io.stdout(`${shownAs} is not formatted\n`)
    return 'other'
  }
  try {
    // Somebody may have saved it meanwhile.
    if (io.readText(path) !== text) return fail('it was saved meanwhile')
    replaceFile(path, formatted.text, { isOwnerKept: true })
  } catch (error) {
    return fail(`it ${whyUnwritten(path, error)}`)
  }
  io.stdout(`${shownAs} is formatted\n`)
  return 'other'
}

/** A formatted text, or why there is none, as a sentence. */
type Formatted = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly why: string }

export type Format = (text: string) => Promise<Formatted>

/** Inline tables are broken into lines only where a file has such tables already: that is TOML 1.1, which not every editor knows. */
const VERSIONS = ['v1.0.0', 'v1.1.0'] as const

const LINE_WIDTH = 110

/**
 * The formatter, loaded on first use: it is a part of the executable, some megabytes long, and reads nothing else.
 *
 * Its output is compared with the input: every value and every comment has to be the same. Otherwise there is no
 * formatted text.
 */
export async function openFormatter(): Promise<Format> {
  const { initSync, format } = await import('@tombi-toml/wasm-lib')
  initSync({ module: await unpacked(Bun.file(pathOf(binary))) })
  return async text => {
    for (const version of VERSIONS) {
      const { formatted } = await format(text, 'routes.toml', { config: configFor(version) })
      if (formatted !== undefined) return sameAs(text, formatted)
    }
    return { ok: false, why: 'the formatter does not understand it' }
  }
}

/** WebAssembly as it is, or as the executable has it: packed. Source: RFC 8878 §3.1.1 (how Zstandard begins). */
async function unpacked(file: Blob): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await file.bytes()
  return ZSTANDARD.every((byte, at) => bytes[at] === byte) ? new Uint8Array(Bun.zstdDecompressSync(bytes)) : bytes
}

const ZSTANDARD = [0x28, 0xb5, 0x2f, 0xfd]

function configFor(version: string): string {
  return `toml-version = "${version}"\n[schema]\nenabled = false\n[format.rules]\nline-width = ${LINE_WIDTH}\n`
}

function sameAs(before: string, after: string): Formatted {
  if (!isDeepStrictEqual(parseToml(before), parseToml(after))) return { ok: false, why: 'its meaning would change' }
  const [comments, kept] = [commentsOf(before), commentsOf(after)]
  return comments !== null && isDeepStrictEqual(comments, kept)
    ? { ok: true, text: after }
    : { ok: false, why: 'a comment would be lost or moved' }
}

/** Where the runtime has a file that is a part of the program; its own types say what is in it. */
function pathOf(module: object): string {
  const path: unknown = Reflect.get(module, 'default')
  if (typeof path !== 'string') throw new TypeError('a file is imported by its path')
  return path
}

/** Parses TOML; says in words where a text stops being TOML. */

import { parse, TomlError } from 'smol-toml'
import { bad, good, type Refusal } from './diagnostic.ts'
import { explainSyntax } from './explain-syntax.ts'
import { parseRaw, type RawTable } from './raw.ts'

/** A refusal, and where in the text it is when TOML itself is broken; null where the whole file is meant. */
interface SyntaxRefusal {
  readonly refusal: Refusal
  /** What is wrong, or how it is written, without a part of the text; empty where only the refusal says that. */
  readonly plain: string
  readonly line: number
  /** 1-based, in UTF-16 code units of that line. */
  readonly column: number
  /** What to write instead of that line, where that is known. Secret: it repeats what stands there. */
  readonly write?: string
}

/** The file's raw tree, or the one place where it stops being TOML. */
export type ParsedToml = { readonly ok: true; readonly value: RawTable } | ({ readonly ok: false } & SyntaxRefusal)

/**
 * TOML text as a raw tree, unchecked.
 *
 * The only importer of the TOML parser, so that another can take its place. Never throws for any text.
 * Source: TOML 1.1.0.
 */
export function parseToml(text: string): ParsedToml {
  const odd = text.indexOf('\uFFFD')
  if (odd !== -1) return { ok: false, ...notUtf8(text, odd) }
  let values: unknown
  try {
    values = parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) {
      return { ok: false, refusal: bad('toml.syntax', 'this is not TOML'), plain: '', line: 1, column: 1 }
    }
    const { line, column } = error
    const reason = reasonOf(error)
    const told = explainSyntax(text, { message: reason, hint: '', line, column }, isToml)
    // The parser's own words may repeat a part of the line, and what is there twice is named.
    const plain = reason.includes('redefine') ? '' : told.message === reason ? told.hint : told.message
    const refusal = bad('toml.syntax', told.message, told.hint)
    const { write } = told
    return {
      ok: false,
      refusal,
      plain,
      line: told.line,
      column: told.column,
      ...(write === undefined ? {} : { write }),
    }
  }
  const raw = parseRaw(values, [])
  if (!raw.ok) return { ok: false, refusal: raw, plain: raw.message, line: 1, column: 1 }
  if (raw.value.kind !== 'table') throw new TypeError('a TOML document is a table')
  return good(raw.value)
}

/** TOML is UTF-8: all other bytes were decoded to U+FFFD, and would be in a title or a secret too. */
function notUtf8(text: string, at: number): SyntaxRefusal {
  const before = text.slice(0, at).split('\n')
  const hint = 'save the file as UTF-8: here is a character in another encoding'
  const refusal = bad('toml.encoding', 'this is not UTF-8 text', hint)
  return {
    refusal,
    plain: refusal.message,
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
  }
}

/** The parser's message without its preamble and its own code frame. */
function reasonOf(error: TomlError): string {
  const firstLine = error.message.split('\n')[0] ?? ''
  return firstLine.replace(/^Invalid TOML document:\s*/, '') || 'this is not TOML'
}

function isToml(text: string): boolean {
  try {
    parse(text)
    return true
  } catch {
    return false
  }
}

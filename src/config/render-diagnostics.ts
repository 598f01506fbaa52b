/** Shows diagnostics as a compiler does: the line, with carets below it. */

import { showUnseen } from '../base/control-characters.ts'
import { createLines, type HalfHidden } from './hidden/lines.ts'
import type { Diagnostic } from './text/diagnostic.ts'

export interface RenderOptions {
  /** ANSI colours, for a terminal. */
  readonly colour: boolean
}

/** How many columns of a line a frame shows; longer ones are cut around the caret. */
const FRAME_COLUMNS = 120
const TAB = '    '

/** More mistakes than an operator fixes at a time; one missing quote can cause thousands. */
const MOST_SHOWN = 100

/**
 * Diagnostics as a compiler shows them: message, place, the line with carets, hint; then how many there are.
 *
 * Of very many, the first hundred; all of them are counted. Of a line, what may be a secret is not shown: a log may be where this goes.
 * Shape: `sources` has the text of each file by the name that diagnostics give it; without it there is no frame. The answer
 * ends with a line break; nothing for no diagnostics. Control and bidirectional characters become visible, so that neither a
 * file nor a value can drive the terminal.
 */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: ReadonlyMap<string, string>,
  options: RenderOptions,
): string {
  if (diagnostics.length === 0) return ''
  const paint = options.colour ? ANSI : PLAIN
  const lines = new Map([...sources].map(([file, text]) => [file, createLines(text)]))
  const blocks = diagnostics
    .slice(0, MOST_SHOWN)
    .map(diagnostic => renderOne(diagnostic, lines.get(diagnostic.file), paint))
  const more = diagnostics.length > MOST_SHOWN ? `\n… and ${diagnostics.length - MOST_SHOWN} more\n` : ''
  return `${blocks.join('\n')}${more}\n${summarise(diagnostics, paint)}\n`
}

interface Paint {
  readonly error: (text: string) => string
  readonly warning: (text: string) => string
  readonly faint: (text: string) => string
  readonly strong: (text: string) => string
}

const PLAIN: Paint = { error: text => text, warning: text => text, faint: text => text, strong: text => text }
const ANSI: Paint = {
  error: text => `\x1b[1;31m${text}\x1b[0m`,
  warning: text => `\x1b[1;33m${text}\x1b[0m`,
  faint: text => `\x1b[36m${text}\x1b[0m`,
  strong: text => `\x1b[1m${text}\x1b[0m`,
}

function renderOne(diagnostic: Diagnostic, lines: ReturnType<typeof createLines> | undefined, paint: Paint): string {
  const { severity, code, message, hint, file, line, column } = diagnostic
  const accent = paint[severity]
  const gutter = ' '.repeat(String(line).length)
  let block = `${accent(severity)}${paint.strong(`: ${showUnseen(message)}`)}\n`
  // Of a file that cannot be read there is no line.
  if (code !== 'file.unreadable' || lines !== undefined)
    block += `${gutter}${paint.faint('-->')} ${showUnseen(file)}:${line}:${column}\n`
  const own = lines?.(line) ?? null
  if (own !== null && own.source.trim() !== '') {
    const frame = cutFrame(charactersOf(own), diagnostic)
    block += `${gutter} ${paint.faint('|')}\n`
    block += `${paint.faint(`${line} |`)} ${frame.text}\n`
    block += `${gutter} ${paint.faint('|')} ${frame.indent}${accent(frame.carets)}\n`
  }
  if (hint !== '') block += `${gutter} ${paint.faint('=')} ${paint.strong('hint:')} ${showUnseen(hint)}\n`
  return block
}

/**
 * Each character of a line as it is shown: the first character of a hidden part replaces the whole part, and the
 * others are empty.
 */
function charactersOf({ source, stretches }: HalfHidden): readonly string[] {
  let at = 0
  return [...source].map(character => {
    const own = stretches.find(({ start, end }) => start <= at && at < end)
    const isFirst = own?.start === at
    at += character.length
    if (own !== undefined) return isFirst ? '…' : ''
    return character === '\t' ? TAB : visible(character)
  })
}

/** The part of a line around the caret, and carets as wide as what they underline is on a terminal. */
function cutFrame(
  characters: readonly string[],
  { column, length }: Diagnostic,
): { text: string; indent: string; carets: string } {
  let start = column - 1
  let before = characters.slice(0, start).join('')
  const marked = characters.slice(start, start + length).join('')
  let after = characters.slice(start + length).join('')
  if (Bun.stringWidth(before + marked + after) > FRAME_COLUMNS) {
    start = Math.max(0, start - 40)
    before = (start > 0 ? '…' : '') + characters.slice(start, column - 1).join('')
    const room = Math.max(20, FRAME_COLUMNS - Bun.stringWidth(before + marked))
    if (after.length > room) after = `${[...after].slice(0, room).join('')}…`
  }
  const shown =
    Bun.stringWidth(marked) > FRAME_COLUMNS ? `${[...marked].slice(0, FRAME_COLUMNS - 1).join('')}…` : marked
  return {
    text: before + shown + (shown === marked ? after : ''),
    indent: ' '.repeat(Bun.stringWidth(before)),
    carets: '^'.repeat(Math.max(1, Bun.stringWidth(shown))),
  }
}

/** In a frame each character keeps its one column, above the carets: what moves the cursor, colours or reorders text is U+FFFD. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '\uFFFD')
}

function summarise(diagnostics: readonly Diagnostic[], paint: Paint): string {
  const files = [...new Set(diagnostics.map(diagnostic => diagnostic.file))].map(showUnseen).join(', ')
  const errors = diagnostics.filter(diagnostic => diagnostic.severity === 'error').length
  const warnings = diagnostics.length - errors
  const counts = [
    ...(errors > 0 ? [paint.error(count(errors, 'mistake'))] : []),
    ...(warnings > 0 ? [paint.warning(count(warnings, 'warning'))] : []),
  ]
  return `${counts.join(', ')} in ${files}`
}

/** `1 mistake`, `2 mistakes`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

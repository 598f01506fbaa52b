/** Lines of a file as diagnostics may show them: without the secrets in them. */

import { splitSections, type TextPosition } from '../text/locate.ts'
import { type Secret, secretsOf } from './secrets.ts'

/** What is hidden of a line, with `…` for it, given the text that it is in. */
function shownLine(text: string, line: number): string {
  let shown = ''
  let from = 0
  const { source, stretches } = createLines(text)(line) ?? { source: '', stretches: [] }
  for (const { start, end, isWhole } of stretches) {
    shown += source.slice(from, start) + (isWhole ? '"…"' : '…')
    from = end
  }
  return shown + source.slice(from)
}

/** A line of a text, and what of it is not shown. */
export interface HalfHidden {
  readonly source: string
  /** In order, in UTF-16 code units of the line. */
  readonly stretches: readonly Pick<Secret, 'start' | 'end' | 'isWhole'>[]
}

/** A text from this many characters on is searched in parts, each of which is valid TOML. */
const LONG = 65_536

/** Lines of a text by number, 1-based. What is hidden is found when the first is asked for: of a long text, in the part around it. */
export function createLines(text: string): (line: number) => HalfHidden | null {
  const lines: { readonly start: number; readonly source: string }[] = []
  for (let start = 0; ; ) {
    const end = text.indexOf('\n', start)
    lines.push({ start, source: text.slice(start, end === -1 ? text.length : end).replace(/\r$/, '') })
    if (end === -1) break
    start = end + 1
  }
  const known = new Map<number, readonly Secret[]>()
  let parts: readonly { readonly start: number; readonly end: number }[] | undefined

  function secretsAround(at: number): readonly Secret[] {
    if (parts === undefined) {
      const sections = text.length < LONG ? null : splitSections(text)
      parts = sections === null ? [{ start: 0, end: text.length }] : [...sections.routes, ...sections.rest]
    }
    const { start, end } = parts.find(part => part.start <= at && at < part.end) ?? { start: 0, end: text.length }
    const found = known.get(start) ?? secretsOf(text.slice(start, end))
    known.set(start, found)
    return found.map(secret => ({ ...secret, start: secret.start + start, end: secret.end + start }))
  }

  return line => {
    const own = lines[line - 1]
    if (own === undefined) return null
    const { start, source } = own
    const end = start + source.length
    const stretches = secretsAround(start)
      .filter(secret => secret.start < end && secret.end > start)
      .map(secret => ({
        start: Math.max(0, secret.start - start),
        end: Math.min(secret.end, end) - start,
        isWhole: secret.isWhole,
      }))
    return { source, stretches }
  }
}

/**
 * Whether what is said of a stretch of a text may repeat what is hidden there: of a hidden value, or of any on a line on which a part of
 * one is, since what is said names whole values.
 */
export function createHiddenAt(text: string): (stretch: TextPosition) => boolean {
  const lineAt = createLines(text)
  return ({ line, column, length }) => {
    const own = lineAt(line)
    if (own === null) return true
    const { source, stretches } = own
    // Columns count characters, of which some are two here.
    if (stretches.some(({ isWhole }) => !isWhole) || /[^ -~\t]/.test(source)) return stretches.length > 0
    return stretches.some(({ start, end }) => start < column - 1 + length && end > column - 1)
  }
}

/** What to write instead of a line, as the end of a sentence, without what is hidden of it. */
export function hintToWrite(text: string, line: number, write: string): string {
  const lines = text.split(/\r?\n/)
  lines[line - 1] = write
  return `write ${shownLine(lines.join('\n'), line).trim()}`
}

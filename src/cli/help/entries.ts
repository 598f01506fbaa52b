import { CODES } from '../../base/errors.ts'
import { SECTIONS } from '../../config/keys/keys.ts'

/** The chapters that are tables of names. */
export const REFERENCES: readonly string[] = ['keys', 'errors', 'metrics']

/** What can be looked up by itself, for a hint: every key and every error code. */
export function entryNames(): readonly string[] {
  return [...new Set(SECTIONS.flatMap(({ keys }) => Object.keys(keys))), ...Object.keys(CODES)]
}

/**
 * What a chapter's tables say of one name: the rows that begin with it, each as a table under its heading. Markdown in and out; empty
 * where there are none.
 */
export function entriesOf(markdown: string, name: string): string {
  let heading = ''
  let head = ''
  const found: string[] = []
  const lines = markdown.split('\n')
  for (const [index, line] of lines.entries()) {
    const below = lines[index + 1] ?? ''
    if (line.startsWith('#')) heading = line
    else if (below.startsWith('|---')) head = `${line}\n${below}`
    else if (line.startsWith(`| \`${name}\` |`)) found.push(`${heading}\n\n${head}\n${line}\n\n`)
  }
  return found.join('')
}

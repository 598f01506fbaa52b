/** Writes the tables of docs/keys.md. */

import { SECTIONS, type Section } from './keys.ts'
import { formatToml, type Keys } from './table.ts'

/** The key tables of docs/keys.md: one Markdown table for each table of routes.toml. Ends without a line break. */
export function configReference(): string {
  return SECTIONS.map(renderSection).join('\n\n')
}

function renderSection({ title, doc, keys }: Section): string {
  const rows = Object.entries(keys).map(([name, key]) => renderRow(name, key))
  return [
    `## \`${title}\``,
    '',
    ...filled(doc),
    '',
    '| key | type | default | meaning |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')
}

/** Prose in lines of at most 110 characters, as everything in docs/ has them. No key or example is broken: they are in the tables. */
function filled(text: string): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`.trimStart()
    if (lines.length > 0 && longer.length <= 110) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}

function renderRow(name: string, key: Keys[string]): string {
  const meaning = `${key.doc} Example: ${code(formatToml(key.example))}`
  return `| ${[code(name), key.type.label, fallbackOf(key), meaning].map(escapeCell).join(' | ')} |`
}

function fallbackOf(key: Keys[string]): string {
  if (key.isRequired) return '**required**'
  return key.fallback === undefined ? key.fallbackNote : code(formatToml(key.fallback))
}

function code(text: string): string {
  return `\`${text}\``
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|')
}

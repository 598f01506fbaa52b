import { SECTIONS, type Section } from './keys.ts'
import { formatToml, type Key } from './table.ts'

/** The key table of the README: one Markdown table for each table of routes.toml. Ends without a line break. */
export function configReference(): string {
  return SECTIONS.map(renderSection).join('\n\n')
}

function renderSection({ title, doc, keys }: Section): string {
  const rows = Object.entries(keys).map(([name, key]) => renderRow(name, key))
  return [`#### \`${title}\``, '', doc, '', '| key | type | default | meaning |', '|---|---|---|---|', ...rows].join(
    '\n',
  )
}

function renderRow(name: string, key: Key<unknown>): string {
  const meaning = `${key.doc} Example: ${code(formatToml(key.example))}`
  return `| ${[code(name), key.type.label, fallbackOf(key), meaning].map(escapeCell).join(' | ')} |`
}

function fallbackOf(key: Key<unknown>): string {
  if (key.isRequired) return '**required**'
  return key.fallback === undefined ? key.fallbackNote : code(formatToml(key.fallback))
}

function code(text: string): string {
  return `\`${text}\``
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|')
}

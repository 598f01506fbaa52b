import { showTurning } from '../base/visible.ts'

/**
 * Columns as wide as their widest cell. Control characters, which a provider may have put into a name, are left out, and marks that
 * turn the direction of text are escapes.
 */
export function columns(rows: readonly (readonly string[])[]): string {
  const clean = rows.map(row => row.map(cell => showTurning(cell.replace(/\p{Cc}/gu, ''))))
  const widths = (clean[0] ?? []).map((_, column) => Math.max(...clean.map(row => Bun.stringWidth(row[column] ?? ''))))
  return clean
    .map(row => row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - Bun.stringWidth(cell))).join('  '))
    .map(line => `${line.trimEnd()}\n`)
    .join('')
}

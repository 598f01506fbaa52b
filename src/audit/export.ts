/** Records of the audit trail as JSON lines and as CSV. */

import { showJson } from '../base/control-characters.ts'
import { type AuditRecord, FACTS } from './record.ts'

/** A record as one line of JSON, with the line's end. */
export function jsonLine({ atMs, event, facts }: AuditRecord): string {
  return `${showJson({ time: new Date(atMs).toISOString(), event, ...facts })}\n`
}

/** The names of the columns, and then a row for each record (RFC 4180). */
export const CSV_HEAD = csvRow(['time', 'event', ...FACTS])

/** A record as a row, its time in UTC (ISO 8601); empty where it has no such fact. */
export function csvLine({ atMs, event, facts }: AuditRecord): string {
  return csvRow([new Date(atMs).toISOString(), event, ...FACTS.map(name => String(facts[name] ?? ''))])
}

function csvRow(cells: readonly string[]): string {
  return `${cells.map(cell => `"${unarmed(cell).replaceAll('"', '""')}"`).join(',')}\r\n`
}

/**
 * What a spreadsheet would take for a formula, as text: strangers choose names and browsers. So is what comes after a semicolon, a tab or
 * the end of a line: where commas are in numbers, as in French and German, a spreadsheet parts cells at these, and finds no quotes at
 * their beginning; those that somebody wrote there it takes off. Source: OWASP, CSV Injection.
 */
function unarmed(cell: string): string {
  if (!/[=+\-@＝＋－＠\t\r\n]/.test(cell)) return cell
  // From its end: whether a formula follows is known then, and no blank is looked at twice.
  let made = ''
  let end = cell.length
  let isFormula = false
  for (let at = cell.length - 1; at >= 0; at--) {
    const letter = cell.charAt(at)
    // What the cell itself begins with is behind its own quote.
    if (isFormula && (at === 0 ? letter === ';' : /[;\t\r\n]/.test(letter))) {
      made = `'${cell.slice(at + 1, end)}${made}`
      end = at + 1
    }
    isFormula = /[=+\-@＝＋－＠]/.test(letter) || (isFormula && /[\s"]/.test(letter))
  }
  const isArmed = isFormula || /^[\t\r\n]/.test(cell)
  return `${isArmed ? "'" : ''}${cell.slice(0, end)}${made}`
}

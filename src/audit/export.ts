import { showJson } from '../base/visible.ts'
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
  return cell.replace(/(^|[;\t\r\n])(?=[\s"]*[=+\-@＝＋－＠])|^(?=[\t\r\n])/g, "$1'")
}

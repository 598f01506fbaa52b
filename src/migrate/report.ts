/** The report of an import, as the command prints it. */

import { showUnseen } from '../base/control-characters.ts'
import { renderDiagnostics } from '../config/render-diagnostics.ts'
import { columns } from '../console/terminal.ts'
import { type BesideFile, CLOSING } from './draft.ts'
import type { Note, Outcome } from './notes.ts'
import type { Checked } from './self-check.ts'

const TITLES: readonly (readonly [outcome: Outcome, title: string])[] = [
  ['closed', 'Closed until you decide'],
  ['people', 'People will notice'],
  ['decide', 'To decide'],
  ['changed', 'Changed'],
  ['left', 'Not carried over'],
]

/** How wide the report is. Beyond that a terminal breaks lines where it likes. */
const WIDTH = 100

/** What is known once a file is imported. */
export interface Imported {
  /** The imported file, as it was named. */
  readonly from: string
  /** The new file's text. */
  readonly text: string
  readonly notes: readonly Note[]
  readonly checked: Checked
  readonly beside: BesideFile | null
}

/**
 * The report for people: what those behind the gate notice and what needs a decision comes first, each with its line of the imported
 * file; what is carried over is one line, so that the report is shorter than the file.
 */
export function renderReport(
  { from, text, notes, checked, beside }: Imported,
  { colour, isVerbose }: { readonly colour: boolean; readonly isVerbose: boolean },
): string {
  const strong = (title: string) => (colour ? `\x1b[1m${title}\x1b[0m` : title)
  const block = (title: string, rows: readonly string[]) =>
    rows.length === 0 ? [] : [`${strong(title)}\n${rows.map(row => `${hang(row)}\n`).join('')}`]
  const { unset, missingFiles, mistakes } = checked
  const table = columns(unset.map(({ name, meaning }) => [name, meaning]))
  const blocks = [
    ...TITLES.flatMap(([outcome, title]) => block(title, rowsOf(notes, outcome))),
    ...(beside === null ? [] : [beside, beside.also]).map(
      ({ title, changes }) => `${strong(title)}\n${changes.replace(/^/gm, '    ')}\n`,
    ),
    ...block('To set in the environment, or to write into routes.toml', table.split('\n').filter(Boolean)),
    ...block('Files that have to be there', missingFiles),
  ]
  if (mistakes.length > 0) {
    const shown = renderDiagnostics(mistakes, new Map([['routes.toml', text]]), { colour })
    blocks.push(`${strong('To fix in routes.toml before it can be served')}\n\n${shown}`)
  }
  const kept = rowsOf(notes, 'kept')
  if (isVerbose) blocks.push(...block('Carried over', kept))
  const count = notes.filter(({ outcome }) => outcome === 'kept').length
  const carried = isVerbose || count === 0 ? '' : `Carried over from ${from}: ${count} more; --verbose lists them.\n`
  blocks.push(`${carried}${conclusion(checked, isClosed(notes), text.includes(CLOSING))}\n`)
  return blocks.join('\n')
}

/** Whether something that was guarded is closed, as what guarded it is not carried over. */
export function isClosed(notes: readonly Note[]): boolean {
  return notes.some(({ outcome }) => outcome === 'closed')
}

/** One row for each thing that is said, in the order of the file, with every option that it is said of. */
function rowsOf(notes: readonly Note[], outcome: Outcome): readonly string[] {
  const own = notes
    .filter(note => note.outcome === outcome)
    .toSorted((one, other) => (one.line ?? 0) - (other.line ?? 0))
  return [...Map.groupBy(own, ({ say }) => say)].map(([say, said]) => {
    const lines = [...new Set(said.flatMap(({ line, file }) => (line === null || file !== null ? [] : line)))]
    const places = [
      ...new Set(said.flatMap(({ line, file }) => (line === null || file === null ? [] : `${file}:${line}`))),
    ]
    const own = lines.length === 0 ? [] : [`line${lines.length === 1 ? '' : 's'} ${lines.join(', ')}`]
    const where = [...own, ...places].map(place => `${place}  `).join('')
    return `${where}${[...new Set(said.map(({ option }) => option))].join(', ')}: ${say}`
  })
}

function conclusion({ mistakes, unset, missingFiles }: Checked, hasClosed: boolean, hasLine: boolean): string {
  if (mistakes.length > 0) return 'The new file is not good yet: see above.'
  const until = unset.length + missingFiles.length > 0 ? ' once the missing parts above exist' : ''
  if (!hasClosed) return `The new file is good${until}.`
  const way = hasLine ? 'until you remove the line for everyone from its deny' : 'until you write who may, or remove it'
  return `The new file can be served${until}.\nWhat is closed above stays closed ${way}.`
}

/** A row of a block; text that does not fit continues below it, indented further. */
function hang(row: string): string {
  return `  ${Bun.wrapAnsi(showUnseen(row), WIDTH - 6).replaceAll('\n', '\n      ')}`
}

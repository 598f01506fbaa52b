import { renderDiagnostics } from '../config/text/render.ts'
import { columns } from '../console/columns.ts'
import type { Note, Outcome } from './notes.ts'
import type { Checked } from './self-check.ts'

const TITLES: readonly (readonly [outcome: Outcome, title: string])[] = [
  ['closed', 'Closed until you decide'],
  ['decide', 'To decide'],
  ['left', 'Not carried over'],
  ['changed', 'Changed'],
  ['kept', 'Carried over'],
]

/** What is known once a file is imported. */
export interface Imported {
  /** The imported file, as it was named. */
  readonly from: string
  /** The new file's text. */
  readonly text: string
  readonly notes: readonly Note[]
  readonly checked: Checked
}

/** The report for people: what needs them first, each line with its line of the imported file. */
export function renderReport({ from, text, notes, checked }: Imported, colour: boolean): string {
  const strong = (title: string) => (colour ? `\x1b[1m${title}\x1b[0m` : title)
  const blocks = TITLES.flatMap(([outcome, title]) => {
    const rows = notes
      .filter(note => note.outcome === outcome)
      .sort((one, other) => (one.line ?? 0) - (other.line ?? 0))
    if (rows.length === 0) return []
    const cells = rows.map(({ line, option, say }) => [line === null ? '' : `line ${line}`, option, say])
    return [`${strong(`${title} (${from})`)}\n${indent(columns(cells))}`]
  })
  const { unset, missingFiles, mistakes } = checked
  if (unset.length > 0) {
    const rows = unset.map(({ name, meaning }) => [name, meaning])
    blocks.push(`${strong('To set in the environment, or to write into routes.toml')}\n${indent(columns(rows))}`)
  }
  if (missingFiles.length > 0) {
    blocks.push(`${strong('Files that have to be there')}\n${indent(columns(missingFiles.map(path => [path])))}`)
  }
  if (mistakes.length > 0) {
    const shown = renderDiagnostics(mistakes, new Map([['routes.toml', text]]), { colour })
    blocks.push(`${strong('To mend in routes.toml before it can be served')}\n\n${shown}`)
  }
  blocks.push(`${conclusion(checked, isClosed(notes))}\n`)
  return blocks.join('\n')
}

/** Whether something that was guarded is closed, as what guarded it is not carried over. */
export function isClosed(notes: readonly Note[]): boolean {
  return notes.some(({ outcome }) => outcome === 'closed')
}

function conclusion({ mistakes, unset, missingFiles }: Checked, hasClosed: boolean): string {
  if (mistakes.length > 0) return 'The new file is not good yet: see above.'
  const until = unset.length + missingFiles.length > 0 ? ' once what is named above is there' : ''
  if (!hasClosed) return `The new file is good${until}.`
  return `The new file can be served${until}, but what is closed above lets nobody in until you decide.`
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}

import type { MaybePromise } from '../base/maybe-promise.ts'

/** Something that `check` says of a file. */
export interface Finding {
  readonly severity: 'error' | 'warning'
  /** As the files are named on the page. */
  readonly file: string
  readonly line: number
  readonly column: number
  readonly message: string
  /** May be empty. */
  readonly hint: string
}

/** A line of one text, of the other, or of both; `gap` stands for lines of both that are left out. */
export interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed' | 'gap'
  readonly text: string
}

/** One of the files, with secrets hidden. */
export interface ShownFile {
  readonly name: string
  /** Null where it is not there. */
  readonly inForce: string | null
  readonly onDisk: string | null
  /** What differs, with a few lines around it; none where nothing does. */
  readonly difference: readonly DiffLine[]
}

/** What an admin sees of the file. */
export interface DeskView {
  /** The one that includes the others comes first. */
  readonly files: readonly ShownFile[]
  /** Of what is on disk. */
  readonly findings: readonly Finding[]
  /** Whether what is on disk is refused. */
  readonly isRefused: boolean
}

/** The file as an admin sees it. No secret of it leaves it. */
export interface Desk {
  /** Null for a portal that is not the only one of the file: its admins are not those of the others. */
  look(portal: string): MaybePromise<DeskView | null>
}

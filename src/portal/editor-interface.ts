/** The config editor as the portal sees it: the types of what its pages show and send. */

import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Session } from '../session/session.ts'

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

/** A line of one text, of the other, or of both. `gap` replaces lines of both texts that are left out. */
export interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed' | 'gap'
  readonly text: string
  /** Its number in the text that it is in; of both in the new one; 0 for a gap. */
  readonly number: number
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
  /** Whether it may be changed here. */
  readonly isEditable: boolean
}

/** A file on disk as it is edited: secrets are hidden, lines end with a line feed. */
export interface EditorFile {
  readonly name: string
  readonly text: string
  /** The hash of the file on disk. Trying all secrets against it would reveal them, so it leaves only sealed. */
  readonly version: string
  /** All that may be edited, this one among them. */
  readonly names: readonly string[]
}

/** What somebody made of a sheet. */
export type Draft = Pick<EditorFile, 'name' | 'text' | 'version'>

/** Why somebody could not edit the file again. */
export type Lockout = 'role' | 'session' | 'edit'

/** What somebody may open now and could not, or the other way round, by the addresses that were judged. */
interface Turning {
  readonly address: string
  readonly method: string
}

interface Turnings {
  readonly gains: readonly Turning[]
  readonly loses: readonly Turning[]
  readonly again: readonly Turning[]
}

/** What a file would change. */
export interface Preview {
  readonly routes: {
    readonly added: readonly { readonly route: string; readonly allow: string }[]
    readonly removed: readonly { readonly route: string; readonly allow: string }[]
    readonly changed: readonly { readonly route: string; readonly keys: readonly { readonly key: string }[] }[]
  }
  readonly settings: readonly { readonly key: string; readonly change: 'added' | 'removed' | 'changed' }[]
  /** Keys that only take effect after a restart. */
  readonly restart: readonly string[]
  readonly anybody: Turnings
  readonly people: readonly (Turnings & {
    readonly name: string | null
    readonly email: string | null
    readonly subject: string
    readonly ended: number
  })[]
  /** How many people were looked at. */
  readonly judged: number
}

/** The result of checking a draft. */
export type Judged =
  /** There is no such file, or it cannot be edited here. */
  | { readonly kind: 'unknown' }
  /** Another one is on disk by now: that, and what is different in the draft. */
  | { readonly kind: 'changed'; readonly editorFile: EditorFile; readonly difference: readonly DiffLine[] }
  | { readonly kind: 'wrong'; readonly findings: readonly Finding[] }
  | {
      readonly kind: 'good'
      /** Warnings. */
      readonly findings: readonly Finding[]
      /** From what is on disk to the draft. */
      readonly difference: readonly DiffLine[]
      readonly preview: Preview
      /** Whether more people are signed in than were looked at. */
      readonly isCut: boolean
      /** What the editor loses by it. */
      readonly lockouts: readonly Lockout[]
    }

export type Saved =
  | Judged
  | { readonly kind: 'saved' /** Where the file before it is. */; readonly old: string }
  | { readonly kind: 'unwritten' /** A sentence. */; readonly why: string }

/** The file as an admin sees it and may change it. No secret of it leaves it. */
export interface ConfigEditor {
  /** Null for a portal that is not the only one of the file: its admins are not those of the others. */
  look(portal: string): MaybePromise<DeskView | null>
  /** Whether the current file lets this portal's admins change it. */
  isEditable(portal: string): boolean
  /** A file to be edited, the main one without a name; null where there is none of it, or it cannot be edited here. */
  open(name: string | null): EditorFile | null
  /** What `check` says of a draft; nothing is compared. */
  check(draft: Draft): MaybePromise<Exclude<Judged, { kind: 'good' }> | { kind: 'fine'; findings: readonly Finding[] }>
  judge(draft: Draft, editor: Session): Promise<Judged>
  /** Saves a draft that is good, where the editor may edit again after it or `isSure`. */
  save(draft: Draft, editor: Session, isSure: boolean): Promise<Saved>
}

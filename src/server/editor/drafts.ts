/** A file in the editor: as it is on disk, as it is shown with secrets hidden, and as a draft with them put back. */

import { sha256 } from '../../base/bytes.ts'
import { createVeil, hasMarks, type MarkOf, type Veil } from '../../config/hidden/redact.ts'
import { readIncluded } from '../../config/includes.ts'
import type { Sources } from '../../config/text/substitute.ts'
import type { Draft, EditorFile, Finding } from '../../portal/editor-interface.ts'

/** Longer texts are not shown: finding all that is secret in one takes the memory of a hundred of it. */
export const LONGEST_SHOWN = 262_144

/** A file that may be edited, as it is on disk, and how it is shown. */
export interface Base {
  readonly name: string
  readonly names: readonly string[]
  readonly version: string
  /** Secret. */
  readonly text: string
  readonly redact: Veil
  /** Hidden. */
  readonly shown: string
  /** A text as this file writes its lines. */
  asWritten(text: string): string
}

/** The content of a draft. */
export type Unveiled =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'wrong'; readonly findings: readonly Finding[] }

/** Files that may be edited: the main one and its includes. */
function editableNames(path: string, sources: Sources): readonly string[] {
  const text = readOr(path, sources)
  if (text === null) return []
  const { files } = readIncluded(text, { ...sources, file: path, shownAs: path })
  return [path, ...files.filter(file => file.text !== null).map(file => file.path)]
}

/** One of them, the main one without a name; null for what is not among them, is too long, or would not come back as it is. */
export function openBase(path: string, name: string | null, sources: Sources, markOf: MarkOf): Base | null {
  const names = editableNames(path, sources)
  const own = name ?? path
  const text = names.includes(own) ? readOr(own, sources) : null
  if (text === null || text.length > LONGEST_SHOWN || hasMarks(text) || text.includes('\u0000')) return null
  const hasMark = text.startsWith('\uFEFF')
  const isWindows = text.includes('\r\n')
  const plain = plainLines(text)
  const redact = createVeil(markOf)
  const asWritten = (draft: string) => (hasMark ? '\uFEFF' : '') + (isWindows ? draft.replaceAll('\n', '\r\n') : draft)
  return { name: own, names, version: sha256(text), text, redact, shown: redact.hide(plain), asWritten }
}

/** What a browser is given of a file: its secrets are hidden. */
export function sheetOf({ name, names, version, shown }: Base): EditorFile {
  return { name, text: shown, version, names }
}

/** A draft with its secrets in place, as it would be written. */
export function unveil({ redact, asWritten, name }: Base, draft: Draft): Unveiled {
  const shown = plainLines(draft.text)
  const restored = redact.restore(shown)
  switch (restored.kind) {
    case 'whole':
      if (hasMarks(restored.text)) return wrongMark(name, restored.text, UNKNOWN_MARK, MARK_HINT)
      return { kind: 'text', text: asWritten(restored.text) }
    case 'broken':
      // With its marks in it, what is no TOML says nothing of what they stand for.
      return { kind: 'text', text: asWritten(shown) }
    case 'exposed': {
      const keys = [...new Set(restored.keys)].join(', ')
      return wrongMark(name, shown, `the hidden part of ${keys} would be visible at its new place`, EXPOSED_HINT)
    }
  }
}

const UNKNOWN_MARK = 'this placeholder belongs to no secret of this file'
const MARK_HINT = 'write what is meant'
const EXPOSED_HINT = 'a hidden secret stays at its key; at any other place, write it in full'

function wrongMark(file: string, text: string, message: string, hint: string): Unveiled {
  const line = text.slice(0, text.indexOf('${kept:')).split('\n').length
  return { kind: 'wrong', findings: [{ severity: 'error', file, line, column: 1, message, hint }] }
}

/** As a text area sends it, or an editor of Windows writes it, without the mark that some write at its beginning. */
export function plainLines(text: string): string {
  return text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
}

function readOr(path: string, sources: Sources): string | null {
  try {
    return sources.readText(path)
  } catch {
    return null
  }
}

/** The notes of an import: what became of each option of the old file. */

import { withoutLong } from './variables-to-set.ts'

/**
 * The result for a part of an imported file. It guarded something and is not carried over, so that no user passes
 * there. Or users will notice the change. Or the operator has to decide about it. Or it means something else now. Or
 * it is not carried over. Or it is carried over, also where that needs nothing in the new file.
 */
export type Outcome = 'closed' | 'people' | 'decide' | 'changed' | 'left' | 'kept'

export interface Note {
  readonly outcome: Outcome
  /** 1-based, in the imported file; null for what that file does not say. */
  readonly line: number | null
  /** The file that says it, where there are several; else null. */
  readonly file: string | null
  /** The option or directive, as it is called there. */
  readonly option: string
  /** What became of it, and what to do. Never a secret. */
  readonly say: string
}

export type Notes = ReturnType<typeof createNotes>

/** Collects notes while a file is imported: the same note for the same line is kept once. */
export function createNotes() {
  const list: Note[] = []
  const known = new Set<string>()
  let isQuiet = false
  return {
    list: list as readonly Note[],
    /** Does what only tries something out: nothing is noted meanwhile. */
    quietly<T>(work: () => T): T {
      isQuiet = true
      try {
        return work()
      } finally {
        isQuiet = false
      }
    },
    /** `file`: which one it is in, where there are several. */
    add(outcome: Outcome, option: string, line: number | null, say: string, file: string | null = null) {
      const key = JSON.stringify([option, line, say])
      if (isQuiet || known.has(key)) return
      known.add(key)
      list.push({ outcome, line, file, option: withoutLong(option), say: withoutLong(say) })
    },
  }
}

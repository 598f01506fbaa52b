import type { Blanks } from '../blanks.ts'
import type { Notes, Outcome } from '../notes.ts'
import type { Alpha } from './alpha/alpha.ts'
import type { Layers } from './inputs/layers.ts'
import type { Gap } from './inputs/stated.ts'
import type { Options } from './options.ts'

/** What the parts of an import have in hand. */
export interface Context {
  readonly options: Options
  /** What an alpha configuration says beside its options; null without one. */
  readonly alpha: Alpha | null
  /** What is named, and was not at hand. */
  readonly gaps: readonly Gap[]
  /** Whether there can be no other flags, and no other variables, than those that were read. */
  readonly knows: Layers['knows']
  readonly notes: Notes
  readonly blanks: Blanks
  /** The application's host, where the command line says it. */
  readonly host: string | null
  readText(path: string): string
}

/** Notes what became of options; those that the file does not have say nothing. */
export function note(
  { options, notes }: Context,
  outcome: Outcome,
  names: string | readonly string[],
  say: string,
): void {
  for (const name of typeof names === 'string' ? [names] : names) {
    if (options.has(name)) notes.add(outcome, name, options.line(name), say)
  }
}

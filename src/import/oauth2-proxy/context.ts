import type { Blanks } from '../blanks.ts'
import type { Notes, Outcome } from '../notes.ts'
import type { Options } from './options.ts'

/** What the parts of an import have in hand. */
export interface Context {
  readonly options: Options
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

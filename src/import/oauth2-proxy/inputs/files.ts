import type { Layers } from './layers.ts'
import type { Gap } from './stated.ts'
import type { Variable } from './variables.ts'

/** One of the old files. */
export interface OldText {
  readonly text: string
  /** Where it is. */
  readonly path: string
  /** As it was named. */
  readonly shownAs: string
}

/** What reading the old files needs. */
export interface Reader {
  /** Reads a file; throws where that cannot be. */
  readText(path: string): string
  /** A variable for references in the old files, from the env files that were given; undefined for none. */
  lookUp(name: string): string | undefined
  /** Names of the configuration files that were given themselves, without their folders. */
  readonly given: ReadonlySet<string>
}

/** A program in a container or a unit: how it is started, and what it finds there. */
export interface Started {
  readonly flags: Layers['flags']
  readonly variables: readonly Variable[]
  readonly gaps: readonly Gap[]
  readonly file: string
  readonly knows: Layers['knows']
  /** The text that the program finds at a path; null where that is not at hand. */
  readonly mounted: (path: string) => OldText | null
}

/** What went wrong, for people, or what was read. */
export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string }

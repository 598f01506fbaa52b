import type { Target } from '../runtime.ts'

/** What is released, and where it goes. */
export interface Release {
  /** The checkout. */
  readonly root: string
  /** The folder that all of it is put in; absolute. */
  readonly out: string
  readonly version: string
  /** Forty hexadecimal digits. */
  readonly commit: string
  /** When the commit was made, in seconds since 1970; of every file in it. */
  readonly time: number
}

/** An executable that was built. */
export interface Executable {
  readonly target: Target
  readonly path: string
}

/** SHA-256 of a file, in hexadecimal. */
export interface Sum {
  readonly name: string
  readonly sha256: string
}

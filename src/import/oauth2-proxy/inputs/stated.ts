/** One option, as a file, a variable or a flag states it. */
export interface Stated {
  /** As oauth2-proxy.cfg calls it. */
  readonly name: string
  readonly values: readonly string[]
  /** Whether each value is one by itself; a single text is split at its commas where a list is meant. */
  readonly isList: boolean
  /** 1-based; null where it has none. */
  readonly line: number | null
  /** The file, as it was named; null for arguments of the command itself. */
  readonly file: string | null
}

/** Something that is named, and not at hand: whatever it says may have kept people out. */
export interface Gap {
  readonly option: string
  readonly line: number | null
  readonly file: string | null
  readonly say: string
}

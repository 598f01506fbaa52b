/** One mistake (or warning) in routes.toml, with where it is and how to mend it. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning'
  /** Closed set, for scripts: `toml.syntax`, `key.unknown`, `key.type`, … */
  readonly code: string
  /** What is wrong, one sentence. */
  readonly message: string
  /** How to mend it; empty where the message says it all. */
  readonly hint: string
  /** Dotted path of the key: `portals.home.roles`, `routes[2].upstream`. */
  readonly path: string
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** 1-based, in characters. */
  readonly column: number
  /** How many characters the caret underlines; at least 1. */
  readonly length: number
}

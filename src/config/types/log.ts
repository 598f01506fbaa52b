/** How lines are written; null: text at a terminal, JSON elsewhere. */
export type LogFormat = 'json' | 'text' | 'combined'

/** Where lines go: a stream of the process, or the absolute path of a file. */
export type LogPlace = 'stdout' | 'stderr' | `/${string}`

/** `[log]`. */
export interface LogConfig {
  /** Combined is for requests alone: whatever else is said is text there. */
  readonly format: LogFormat | null
  readonly requests: LogPlace
  readonly events: LogPlace
}

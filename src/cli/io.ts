/** What a command may touch of the terminal and the process around it; built once in main, and a plain value in tests. */
export interface Io {
  /** Writes text as it is to standard output. */
  out(text: string): void
  /** Writes text as it is to standard error. */
  err(text: string): void
  /** Whether standard output is a terminal that wants colours. */
  readonly colour: boolean
  /** Relative paths in arguments start here. */
  readonly cwd: string
  /** An environment variable, or undefined. */
  env(name: string): string | undefined
}

/** Effects as values: the clock, randomness, the log and the network, which only `console` makes real. */

import type { Facts } from './errors.ts'
import type { Ask, ProxyFor } from './http-client.ts'

/**
 * Where the program's own sentences go. A message is a plain sentence; what varies travels as facts.
 *
 * `lines` is what people read below it, where there is more to show than a sentence.
 */
export interface Log {
  debug(message: string, facts?: Facts, lines?: ShownLines): void
  info(message: string, facts?: Facts, lines?: ShownLines): void
  warn(message: string, facts?: Facts, lines?: ShownLines): void
  error(message: string, facts?: Facts, lines?: ShownLines): void
}

/** Whole lines that are safe for a terminal: their author has already escaped control characters. */
export type ShownLines = (hasColours: boolean) => string

export interface RunOptions {
  /** All of it. */
  readonly env: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

/**
 * Every effect that the rooms below `cli` may have, built once in the composition root and faked in tests.
 *
 * Absent on purpose: the session store and the listeners, which have lifetimes of their own.
 */
export interface Ports {
  /** Milliseconds since the epoch. */
  now(): number
  /** Milliseconds by a monotonic clock; absent: `now` is monotonic. */
  tick?(): number
  /** Cryptographically strong random bytes. */
  random(byteCount: number): Uint8Array<ArrayBuffer>
  /** For requests that are proxied to an application unchanged. Only the proxy uses it. */
  forward(address: string, init: BunFetchRequestInit): Promise<Response>
  /** For all that is asked on our own account: nothing of an answer is inflated, and its length is bounded (`http-client.ts`). */
  readonly ask: Ask
  /** By which proxy `ask` goes; absent: by none. */
  readonly proxyFor?: ProxyFor
  /** All addresses of a host's name, as this machine resolves it; throws what the platform throws where there are none. */
  resolve(host: string): Promise<readonly string[]>
  /** The file as UTF-8 text; throws what the platform throws. */
  readText(path: string): string
  /** The same for a file that is not text. */
  readBytes(path: string): Uint8Array
  /** The names in a folder, in any order; throws what the platform throws. */
  listFolder?(path: string): readonly string[]
  /**
   * Runs a program without a shell and discards its output. Returns its exit code, or null where it was killed, for
   * example by the time limit.
   */
  run(command: readonly string[], options: RunOptions): Promise<number | null>
  /** An environment variable, or undefined. */
  env(name: string): string | undefined
  /** What to do about a variable that is not set here, and that the service of this machine has; null: it has not. */
  hintForUnset?(name: string): string | null
  readonly log: Log
}

/** Signals before and beside those of a service, and an end that does not wait for ever. */

import type { Log } from '../base/ports.ts'

/** What ends a program that does not listen for it, and means nothing to this one. */
const MEANINGLESS = ['SIGUSR1', 'SIGUSR2'] as const

/** Ignores signals that mean nothing here, or nothing yet. Call it first: a signal before that ends the process. */
export function ignoreStrays(log: Log): void {
  for (const signal of MEANINGLESS) {
    process.on(signal, () => {
      log.info('A signal that means nothing here was ignored', {
        signal,
        hint: 'SIGHUP reads the file again, SIGTERM stops',
      })
    })
  }
  // Until there is something to reload: the watch notices a save meanwhile.
  process.on('SIGHUP', () => undefined)
}

/** How long a stopped process waits for the reader of its log: a reader that is stuck would keep it for ever. */
const LAST_WORDS_MS = 2000

/** Ends this process with this code once its output has been read, or when that takes too long. */
export function boundExit(code: number): void {
  setTimeout(() => process.exit(code), LAST_WORDS_MS).unref()
}

import type { Log } from '../base/ports.ts'

/** What ends a program that does not listen for it, and means nothing to this one. */
const MEANINGLESS = ['SIGUSR1', 'SIGUSR2'] as const

/** Keeps the process alive whatever it is sent that means nothing here, or nothing yet; to be called first, since what comes before that ends it. */
export function ignoreStrays(log: Log): void {
  for (const signal of MEANINGLESS) {
    process.on(signal, () => {
      log.info('A signal that means nothing here was ignored', {
        signal,
        hint: 'SIGHUP reads the file again, SIGTERM stops',
      })
    })
  }
  // Until there is something to reload: whatever is saved meanwhile is seen by itself.
  process.on('SIGHUP', () => undefined)
}

/** How long a process that has stopped waits for whoever reads its log: one that is stuck would keep it for ever. */
const LAST_WORDS_MS = 2000

/** Lets this process end by itself, with this code, once what it wrote has been read; ends it where that takes too long. */
export function boundExit(code: number): void {
  setTimeout(() => process.exit(code), LAST_WORDS_MS).unref()
}

import { createLog, type LevelledLog } from '../base/log.ts'
import type { Ports } from '../base/ports.ts'
import type { Io } from './io.ts'

/** The real effects: the one place where the program touches the process it runs in. */
export function realPorts(io: Io): Omit<Ports, 'log'> & { readonly log: LevelledLog } {
  return {
    now: Date.now,
    random: byteCount => crypto.getRandomValues(new Uint8Array(byteCount)),
    fetch: (address, init) => fetch(address, init),
    readText: io.readText,
    env: io.env,
    log: createLog({ write: io.stderr, now: Date.now, style: io.colour.stderr ? 'pretty' : 'json' }),
  }
}

const REQUEST_LIMIT = 'BUN_CONFIG_MAX_HTTP_REQUESTS'

/**
 * Starts this program anew, in the same process, with Bun's limit on simultaneous fetches lifted; returns when it is lifted.
 *
 * Bun 1.4.5 allows 256 and reads the variable only at start; open event streams count, so a gate would silently stall.
 */
export function liftRequestLimit(argv: readonly string[]): void {
  if (process.env[REQUEST_LIMIT] !== undefined) return
  const { execve } = process
  if (execve === undefined) return
  const isCompiled = Bun.main.startsWith('/$bunfs/')
  const own = isCompiled ? [process.execPath] : [process.execPath, Bun.main]
  execve(process.execPath, [...own, ...argv], { ...process.env, [REQUEST_LIMIT]: '65535' } as Record<string, string>)
}

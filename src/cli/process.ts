import { readFileSync } from 'node:fs'
import { createLog, type LevelledLog } from '../base/log.ts'
import type { Ports } from '../base/ports.ts'
import type { Io } from './io.ts'

/** A reader that has fallen this far behind loses lines, so that a stuck pipe never fills the memory. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024

/** The real effects: the one place where the program touches the process it runs in. */
export function realPorts(io: Io): Omit<Ports, 'log'> & { readonly log: LevelledLog } {
  return {
    now: Date.now,
    random: byteCount => crypto.getRandomValues(new Uint8Array(byteCount)),
    fetch: (address, init) => fetch(address, init),
    readText: path => readFileSync(path, 'utf8'),
    env: io.env,
    log: createLog({ write: io.err, now: Date.now, style: io.colour ? 'pretty' : 'json' }),
  }
}

/** The terminal and environment of this process. A closed pipe ends no request: what cannot be written is let go. */
export function realIo(): Io {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  const write = (stream: NodeJS.WriteStream) => (text: string) => {
    if (stream.writableLength < MAX_UNREAD_BYTES) stream.write(text)
  }
  return {
    out: write(process.stdout),
    err: write(process.stderr),
    colour: process.stdout.isTTY === true && process.env.NO_COLOR === undefined && process.env.TERM !== 'dumb',
    cwd: process.cwd(),
    env: name => process.env[name],
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

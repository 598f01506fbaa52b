/** The real effects of this process: clock, randomness, network, files and programs. */

import { lookup } from 'node:dns/promises'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { errorFacts } from '../base/errors.ts'
import type { LevelledLog } from '../base/log.ts'
import type { Log, Ports, RunOptions } from '../base/ports.ts'
import type { Io } from './io.ts'
import { openLogs } from './logs.ts'
import { ask, forward } from './network.ts'
import { becomeAnew, isAsNeeded, ownCommand, REQUEST_LIMIT } from './reexec.ts'

/** The real effects: the one place where the program touches its process. Without `log` it writes to standard error. */
export function realPorts(
  io: Io,
  log: LevelledLog = openLogs(io, Date.now).log,
): Omit<Ports, 'log'> & { readonly log: LevelledLog } {
  return {
    now: Date.now,
    random: byteCount => crypto.getRandomValues(new Uint8Array(byteCount)),
    forward,
    ask,
    resolve: async host => (await lookup(host, { all: true })).map(({ address }) => address),
    run: runProgram,
    tick: () => performance.now(),
    readText: io.readText,
    readBytes: io.readBytes,
    ...(io.listFolder === undefined ? {} : { listFolder: io.listFolder }),
    env: io.env,
    ...(io.hintForUnset === undefined ? {} : { hintForUnset: io.hintForUnset }),
    log,
  }
}

/**
 * Executes this program again where it does not have the environment that it needs. Returns when it has, or with a
 * warning where that is impossible.
 */
export function liftRequestLimit(argv: readonly string[], log: Log): void {
  if (isAsNeeded()) return
  try {
    becomeAnew(argv)
  } catch (error) {
    // A sandbox may forbid it. What is then missing can be had by hand.
    log.warn('Only 256 requests can be under way at a time', {
      ...errorFacts(error),
      hint: `start Sallyport with ${REQUEST_LIMIT.name}=${REQUEST_LIMIT.value} in its environment, and without HTTP_PROXY and its kin`,
    })
  }
}

/** How this program was called: a symbolic link that is to lead to another version later is not followed. */
function startedAs(): string {
  const path = resolve(process.argv0)
  return process.argv0.includes('/') && existsSync(path) ? path : process.execPath
}

/** What starts the program that is now where this one was started from. */
export function nextCommand(): readonly string[] {
  const [, ...rest] = ownCommand()
  return [startedAs(), ...rest]
}

/**
 * Runs a program without a shell, with only this environment. Returns its exit code; null where a signal ended it.
 * After the time limit it kills the program and all its child processes. Throws the platform's error where it cannot
 * be run.
 */
export async function runProgram(command: readonly string[], { env, timeoutMs }: RunOptions): Promise<number | null> {
  const silent = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const
  // A separate process group: its child processes end with it.
  const child = Bun.spawn([...command], { ...silent, env: { ...env }, detached: true })
  const tooLate = setTimeout(() => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It ended in this very moment.
    }
  }, timeoutMs)
  try {
    await child.exited
    return child.signalCode === null ? child.exitCode : null
  } finally {
    clearTimeout(tooLate)
  }
}

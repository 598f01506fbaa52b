import { ptr } from 'bun:ffi'
import { lookup } from 'node:dns/promises'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { errorFacts } from '../base/errors.ts'
import { LINUX, type Libc, libc } from '../base/libc.ts'
import type { LevelledLog } from '../base/log.ts'
import type { Log, Ports } from '../base/ports.ts'
import { handedDescriptors } from './handed.ts'
import type { Io } from './io.ts'
import { openLogs } from './logs.ts'
import { runProgram } from './run-program.ts'

/**
 * The real effects: the one place where the program touches the process it runs in. Without a `log` of its own, on standard error.
 */
export function realPorts(
  io: Io,
  log: LevelledLog = openLogs(io, Date.now).log,
): Omit<Ports, 'log'> & { readonly log: LevelledLog } {
  return {
    now: Date.now,
    random: byteCount => crypto.getRandomValues(new Uint8Array(byteCount)),
    fetch: (address, init) => fetch(address, init),
    resolve: async host => (await lookup(host, { all: true })).map(({ address }) => address),
    run: runProgram,
    readText: io.readText,
    readBytes: io.readBytes,
    ...(io.listFolder === undefined ? {} : { listFolder: io.listFolder }),
    env: io.env,
    log,
  }
}

const REQUEST_LIMIT = { name: 'BUN_CONFIG_MAX_HTTP_REQUESTS', value: '65535' }

/** What makes Bun's fetch go through a proxy of its own: upstreams are reached directly. */
const PROXY_VARIABLES = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy']

/**
 * Starts this program anew, in the same process, with Bun's limit on simultaneous fetches lifted and without its proxy
 * variables; returns when that is so, or, with a warning, where this cannot be done.
 *
 * Bun 1.4.5 allows 256 and reads these variables only at start; open event streams count, so a gate would silently stall.
 */
export function liftRequestLimit(argv: readonly string[], log: Log): void {
  const isLifted = process.env[REQUEST_LIMIT.name] !== undefined
  if (isLifted && PROXY_VARIABLES.every(name => process.env[name] === undefined)) return
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

/** Replaces the program in this process by itself, with the environment that it should have had; returns where that is impossible. */
function becomeAnew(argv: readonly string[]): void {
  const [, ...rest] = ownCommand()
  const words = [startedAs(), ...rest, ...argv]
  const sockets = handedDescriptors(name => process.env[name], process.pid)
  const system = sockets.length > 0 ? libc() : null
  // Bun has every descriptor from 4 on closed by `execve`, and `process.execve` those that are left.
  for (const socket of sockets) system?.fcntl(socket, LINUX.F_SETFD, 0)
  if (system === null) process.execve?.(process.execPath, words, ownEnvironment() as Record<string, string>)
  else execveWithSockets(system, words)
}

function execveWithSockets(system: Libc, words: readonly string[]): void {
  const settings = Object.entries(ownEnvironment()).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  )
  const [argv, environment] = [words, settings].map(texts => texts.map(text => Buffer.from(`${text}\0`)))
  const list = (texts: readonly Buffer[] = []) => new BigUint64Array([...texts.map(text => BigInt(ptr(text))), 0n])
  const [path, argvList, environmentList] = [Buffer.from(`${process.execPath}\0`), list(argv), list(environment)]
  system.execve(ptr(path), ptr(argvList), ptr(environmentList))
  throw new Error('execve failed')
}

/** How this program was called: a symbolic link that is to lead to another version later is not followed. */
function startedAs(): string {
  const [word = ''] = process.platform === 'linux' ? readFileSync('/proc/self/cmdline', 'utf8').split('\0') : []
  const path = resolve(word)
  return word.includes('/') && existsSync(path) ? path : process.execPath
}

/** What starts the program that is now where this one was started from. */
export function nextCommand(): readonly string[] {
  const [, ...rest] = ownCommand()
  return [startedAs(), ...rest]
}

/** What starts this program once more: the compiled executable, or Bun with the sources. */
export function ownCommand(): readonly string[] {
  return Bun.main.startsWith('/$bunfs/') ? [process.execPath] : [process.execPath, Bun.main]
}

/** The environment for starting this program once more, with Bun's limit on simultaneous fetches lifted. */
export function ownEnvironment(): Readonly<Record<string, string | undefined>> {
  const environment = { [REQUEST_LIMIT.name]: REQUEST_LIMIT.value, ...process.env }
  for (const name of PROXY_VARIABLES) delete environment[name]
  return environment
}

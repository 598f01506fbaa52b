/** Starts this program anew with another environment, where Bun reads a setting only at its start. */

import { ptr } from 'bun:ffi'
import { LINUX, type Libc, libc } from '../base/libc.ts'
import { handedDescriptors } from './inherited-sockets.ts'

/** What lifts Bun's limit on simultaneous fetches. */
export const REQUEST_LIMIT = { name: 'BUN_CONFIG_MAX_HTTP_REQUESTS', value: '65535' }

/** Environment variables that make Bun's fetch use a proxy. Sallyport connects to upstreams directly. */
const PROXY_VARIABLES = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy']

/**
 * The variable that names the proxy variables that were set, for the restarted program. It warns about them where the
 * file names no proxy.
 */
const LEFT_OUT = 'SALLYPORT_PROXY_VARIABLES'

/** The variables by which other programs would know a proxy, by name; in the environment, or left out of it at the start. */
export function proxyVariables(env: (name: string) => string | undefined): readonly string[] {
  const left = (env(LEFT_OUT) ?? '').split(' ').filter(name => PROXY_VARIABLES.includes(name))
  return [...new Set([...PROXY_VARIABLES.filter(name => env(name)), ...left])]
}

/**
 * Whether the environment is as a server needs it: with Bun's limit on simultaneous fetches lifted, and without its proxy variables.
 *
 * Bun 1.4.5 allows 256 and reads these variables only at start; open event streams count, so a gate would silently stall.
 */
export function isAsNeeded(): boolean {
  return process.env[REQUEST_LIMIT.name] !== undefined && PROXY_VARIABLES.every(name => process.env[name] === undefined)
}

/** Executes this program again in the same process, with the right environment. Returns where that is impossible. */
export function becomeAnew(argv: readonly string[]): void {
  const [, ...rest] = ownCommand()
  const words = [process.argv0, ...rest, ...argv]
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

/** What starts this program once more: the compiled executable, or Bun with the sources. */
export function ownCommand(): readonly string[] {
  return Bun.main.startsWith('/$bunfs/') ? [process.execPath] : [process.execPath, Bun.main]
}

/** The environment for starting this program once more, with Bun's limit on simultaneous fetches lifted. */
export function ownEnvironment(): Readonly<Record<string, string | undefined>> {
  const environment: Record<string, string | undefined> = { [REQUEST_LIMIT.name]: REQUEST_LIMIT.value, ...process.env }
  const found = proxyVariables(name => process.env[name])
  if (found.length > 0) environment[LEFT_OUT] = found.join(' ')
  for (const name of PROXY_VARIABLES) delete environment[name]
  return environment
}

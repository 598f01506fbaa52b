import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** A command that has ended, and all that it said. */
export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end, with nothing to read. */
export async function runToEnd(
  command: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string | undefined>> } = {},
): Promise<Ended> {
  const child = Bun.spawn([...command], { ...options, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  return { code, stdout, stderr }
}

/** Signals one process, by an id that may have been read somewhere: of 0, as an empty text is, all of this run would be signalled. */
export function signalOne(pid: string | number | undefined, signal: NodeJS.Signals): void {
  const one = Number(pid)
  if (!(one > 1)) throw new Error(`${pid} is no process of a test`)
  process.kill(one, signal)
}

/** Whether a process runs; one that has ended and that nobody has asked about does not. */
export function isAlive(pid: number): boolean {
  const state = stateOf(pid)
  return state !== '' && (!state.startsWith('Z') || hasThreads(pid))
}

/** Whether threads of a process go on whose first one has ended: its sockets are open as long. */
function hasThreads(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).length > 1
  } catch {
    return false
  }
}

/** By a letter; empty where there is no such process. */
function stateOf(pid: number): string {
  if (!existsSync('/proc/self/stat')) {
    return Bun.spawnSync(['ps', '-o', 'stat=', '-p', `${pid}`])
      .stdout.toString()
      .trim()
  }
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^\d+ \(.*\) /, '')
  } catch {
    return ''
  }
}

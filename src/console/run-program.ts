import type { RunOptions } from '../base/ports.ts'

/**
 * Runs a program without a shell, with this environment alone. Answers its exit code; null where a signal ended it, as it does with
 * all that it has started once it takes too long. Throws what the platform throws where it cannot be run.
 */
export async function runProgram(command: readonly string[], { env, timeoutMs }: RunOptions): Promise<number | null> {
  const silent = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const
  // A group of its own: what it has started ends with it.
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

import { eventually } from '../gate.ts'
import type { Child } from '../programs/child.ts'
import { isAlive } from '../programs/ended.ts'

/** The process that took over from another, by its id. */
export interface SuccessorProcess extends AsyncDisposable {
  readonly pid: number
}

const TAKEN = /"message":"Another process has taken over[^\n]*"pid":(\d+)/g

/** Tells a process to have another take over, and waits until that one is the service; it is stopped at the end of the scope. */
export async function handOver(child: Child, pid = child.process.pid): Promise<SuccessorProcess> {
  const taken = () => [...child.output().matchAll(TAKEN)]
  const before = taken().length
  process.kill(pid, 'SIGUSR2')
  await eventually(() => taken().length > before, 'another process takes over')
  const successor = Number(taken().at(-1)?.[1])
  return {
    pid: successor,
    async [Symbol.asyncDispose]() {
      if (isAlive(successor)) process.kill(successor, 'SIGTERM')
      await eventually(() => !isAlive(successor), 'the successor ends')
    },
  }
}

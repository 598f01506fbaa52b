import { join } from 'node:path'
import { eventually } from '../gate.ts'
import { signalOne } from '../programs/ended.ts'

/** One thing that happened to a managed service: it was started or ended, or sent a datagram. */
export type ManagerEvent = Readonly<Record<string, string | number>>

export interface Managed extends AsyncDisposable {
  /** What happened so far. */
  readonly events: readonly ManagerEvent[]
  /** What the service and the manager wrote on standard error. */
  errors(): string
  /** Waits for something that holds of an event, and answers it. */
  until(what: string, holds: (event: ManagerEvent) => boolean): Promise<ManagerEvent>
  startAgain(): void
}

export interface ManagedOptions {
  readonly command: readonly string[]
  /** A path, or a name that begins with @. */
  readonly notifySocket: string
  /** Ports that the manager listens on itself, and hands to the service. */
  readonly ports?: readonly number[]
  /** PID_OF_SERVICE in a value is the service's. */
  readonly env: Readonly<Record<string, string>>
}

/** Runs a command as a service with `Type=notify` (manager.py). Ends all of it at the end of the scope. */
export function startManaged({ command, notifySocket, ports = [], env }: ManagedOptions): Managed {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const script = join(import.meta.dir, 'manager.py')
  const child = Bun.spawn(['python3', script, notifySocket, ports.join(','), ...settings, '--', ...command], {
    env: { PATH: process.env.PATH ?? '' },
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const events: ManagerEvent[] = []
  let said = ''
  let part = ''
  const collect = async (stream: ReadableStream<Uint8Array>, take: (text: string) => void) => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream() as never)) take(chunk as unknown as string)
  }
  void collect(child.stdout, text => {
    const lines = (part + text).split('\n')
    part = lines.pop() ?? ''
    // What the service itself writes there are access records, which have no such names.
    for (const line of lines) events.push(JSON.parse(line))
  })
  void collect(child.stderr, text => {
    said += text
  })
  return {
    events,
    errors: () => said,
    async until(what, holds) {
      await eventually(() => events.some(holds), what)
      return events.find(holds) ?? {}
    },
    startAgain() {
      child.stdin.write('\n')
      child.stdin.flush()
    },
    async [Symbol.asyncDispose]() {
      const pids = events.flatMap(({ started, MAINPID }) => [started, MAINPID])
      for (const pid of pids) {
        try {
          if (pid !== undefined) signalOne(pid, 'SIGKILL')
        } catch {
          // It has ended by itself.
        }
      }
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

/** One worker as its supervisor sees it: started, asked, and ended. */

import { inTime } from '../base/maybe-promise.ts'
import { type Order, parseReport, type Question } from './worker-messages.ts'

/** How a process ended: with a code, or by a signal. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

/** One worker while it lives. */
export interface WorkerProcess {
  readonly index: number
  readonly pid: number
  readonly isListening: boolean
  /** True once it listens, false when it ended before. */
  readonly listening: Promise<boolean>
  readonly exited: Promise<Exit>
  /** Its answer, or undefined when there is none in time. */
  ask(what: Question): Promise<unknown>
  tell(order: 'reload' | 'renew' | 'stop' | 'leave'): void
  /** Notifies it of sessions that another worker could not end. */
  owe(ids: readonly string[]): void
  /** Asks for a sign of life; answers how often in a row none has come since the time before. */
  beat(): number
  kill(): void
}

export interface WorkerOptions {
  readonly index: number
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Descriptors of sockets that it is to listen on. */
  readonly sockets: readonly number[]
  /** What the worker reads on standard input. */
  readonly input: string
  /** Whole lines that it wrote. */
  readonly stdout: (lines: string) => void
  readonly stderr: (lines: string) => void
  /** What the other workers know, for one that asks. */
  readonly others: () => Promise<readonly unknown[]>
  /** Called with sessions that this worker could not end. */
  readonly owe: (ids: readonly string[]) => void
}

/** Well below the time that a client of the admin listener is likely to wait. */
const ANSWER_MS = 1000

/** Starts one worker with a channel for messages, and forwards its output in whole lines. */
export function spawnWorker(options: WorkerOptions): WorkerProcess {
  const waiting = new Map<number, (value: unknown) => void>()
  const { promise: listening, resolve: settleListening } = Promise.withResolvers<boolean>()
  const { promise: exited, resolve: settleExited } = Promise.withResolvers<Exit>()
  let lastId = 0
  let isListening = false
  let isGone = false
  let isAwaited = false
  let missed = 0

  const child = Bun.spawn([...options.command], {
    env: { ...options.env },
    stdio: [new Blob([options.input]), 'pipe', 'pipe', ...options.sockets],
    serialization: 'json',
    ipc(raw) {
      const report = parseReport(raw)
      if (report === null) return
      // A worker that sends anything is not stuck, however slow it is.
      isAwaited = false
      if (report.kind === 'listening') {
        isListening = true
        settleListening(true)
      } else if (report.kind === 'owe') options.owe(report.ids)
      else if (report.kind === 'answer') waiting.get(report.id)?.(report.value)
      else if (report.kind === 'ask-others') {
        void options.others().then(values => send({ kind: 'others', id: report.id, values }))
      }
    },
  })
  const written = Promise.all([passLines(child.stdout, options.stdout), passLines(child.stderr, options.stderr)])
  void child.exited.then(async () => {
    isGone = true
    isListening = false
    for (const settle of waiting.values()) settle(undefined)
    settleListening(false)
    // A child process that it left behind may keep the pipes open; the worker's own output is complete at once.
    await Promise.race([written, Bun.sleep(LAST_WORDS_MS)])
    settleExited({ code: child.exitCode, signal: child.signalCode === null ? null : String(child.signalCode) })
  })

  function send(order: Order): void {
    if (isGone) return
    try {
      child.send(order)
    } catch {
      // The channel closed just before the process ended; `exited` reports that.
    }
  }

  return {
    index: options.index,
    pid: child.pid,
    get isListening() {
      return isListening
    },
    listening,
    exited,
    async ask(what) {
      if (isGone) return undefined
      const id = ++lastId
      const { promise, resolve } = Promise.withResolvers<unknown>()
      waiting.set(id, resolve)
      send({ kind: 'ask', id, what })
      const answer = await inTime(promise, ANSWER_MS, undefined)
      waiting.delete(id)
      return answer
    },
    tell: kind => send({ kind }),
    owe: ids => send({ kind: 'owe', ids }),
    beat() {
      missed = isAwaited ? missed + 1 : 0
      isAwaited = true
      send({ kind: 'beat' })
      return missed
    },
    kill: () => child.kill('SIGKILL'),
  }
}

const LAST_WORDS_MS = 200

/**
 * Passes a stream on in whole lines.
 *
 * Workers do not write to our output themselves: Bun (1.4.5) keeps what a full pipe does not take and writes it later in larger
 * pieces, which the system no longer keeps apart from those of another process.
 */
async function passLines(stream: ReadableStream<Uint8Array>, write: (lines: string) => void): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of stream) {
      const text = rest + decoder.decode(chunk, { stream: true })
      const end = text.lastIndexOf('\n') + 1
      if (end > 0) write(text.slice(0, end))
      rest = text.slice(end)
    }
  } finally {
    if (rest !== '') write(`${rest}\n`)
  }
}

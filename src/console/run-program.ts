/** Runs another program, with limits in time and output. */

/** The exit status and the output of a program. */
export interface Captured {
  /** Where it wrote more than was wanted, or took too long, it was killed. */
  readonly end: 'exited' | 'too long' | 'too late'
  /** Null where a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CaptureOptions {
  /** Its standard input; empty where absent. */
  readonly stdin?: string
  readonly cwd: string
  readonly timeoutMs: number
  /** How much of either stream is read. */
  readonly maxBytes: number
}

/** The path of a program that is on this PATH; null where there is none. */
export function findProgram(name: string, path: string | undefined): string | null {
  return path === undefined ? null : Bun.which(name, { PATH: path })
}

/**
 * Runs a program without a shell, in the environment of this process, and returns its output. It stays in the
 * terminal's session, so that sudo can ask for a password. Throws the platform's error where it cannot be run.
 */
export async function capture(
  command: readonly string[],
  { stdin, cwd, timeoutMs, maxBytes }: CaptureOptions,
): Promise<Captured> {
  const child = Bun.spawn([...command], {
    cwd,
    stdin: stdin === undefined ? 'ignore' : new Blob([stdin]),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  let end: Captured['end'] = 'exited'
  const cancelled = new AbortController()
  const stop = (why: Captured['end']) => {
    if (end !== 'exited') return
    end = why
    child.kill('SIGKILL')
    // Its own child processes may keep its streams open.
    cancelled.abort()
  }
  const tooLate = setTimeout(() => stop('too late'), timeoutMs)
  try {
    const read = (stream: ReadableStream<Uint8Array>) => readText(stream, maxBytes, cancelled.signal, stop)
    const [stdout, stderr] = await Promise.all([read(child.stdout), read(child.stderr)])
    await child.exited
    return { end, code: child.signalCode === null ? child.exitCode : null, stdout, stderr }
  } finally {
    clearTimeout(tooLate)
  }
}

async function readText(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  cancelled: AbortSignal,
  stop: (why: 'too long') => void,
): Promise<string> {
  const reader = stream.getReader()
  const cancel = () => void reader.cancel().catch(() => undefined)
  cancelled.addEventListener('abort', cancel)
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.byteLength
    if (length > maxBytes) {
      stop('too long')
      break
    }
    chunks.push(value)
  }
  cancelled.removeEventListener('abort', cancel)
  return new TextDecoder().decode(Buffer.concat(chunks))
}

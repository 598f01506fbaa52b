import type { Io } from '../../../src/console/io.ts'
import { readBytes, readText } from '../../../src/console/read-file.ts'

/** Streams that nobody looks at, and what was written on them. */
export function keepingIo(): Io & { readonly out: string[]; readonly err: string[] } {
  const out: string[] = []
  const err: string[] = []
  return {
    out,
    err,
    stdout: text => void out.push(text),
    stderr: text => void err.push(text),
    colour: { stdout: false, stderr: false },
    terminal: { stdout: false, stderr: false },
    cwd: '/',
    env: () => undefined,
    readText,
    readBytes,
  }
}

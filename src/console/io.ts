/** What a command may touch of its process: streams, environment, files, terminal. */

import type { Running } from './drop-root.ts'
import { journalStreams, type PerStream } from './journal.ts'
import { listFolder, readBytes, readText } from './read-file.ts'
import { hintForUnset } from './service-definition.ts'

/** What a command may touch of the process it runs in; a test hands in its own. */
export interface Io {
  /** A promise where the reader is behind: who has much to write waits for it, and loses nothing. */
  stdout(text: string): void | Promise<void>
  stderr(text: string): void
  /** Whether colours are wanted on each stream. */
  readonly colour: PerStream
  /** Whether each stream leads to people, at a terminal. */
  readonly terminal: PerStream
  /** Where relative paths on the command line start. */
  readonly cwd: string
  /** Which of them is the journal of systemd, that takes a priority in front of a line; absent: neither. */
  readonly journal?: PerStream
  env(name: string): string | undefined
  /** A file as UTF-8 text; throws what the platform throws. */
  readText(path: string): string
  /** The same for a file that is not text. */
  readBytes(path: string): Uint8Array
  /** The names in a folder, in any order; throws what the platform throws. */
  listFolder?(path: string): readonly string[]
  /** What to do about a variable that is not set, where the service of this machine has it; null: it has not. */
  hintForUnset?(name: string): string | null
  /** What a server left for commands beside it; absent: they look for none. */
  running?(): Running | null
}

/** A reader that has fallen this far behind loses lines, so that a stuck pipe never fills the memory. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024

/** The Io of this process. What cannot be written any more (a closed pipe) is let go: no request fails for it. Colours follow NO_COLOR (no-color.org), FORCE_COLOR and TERM=dumb, in this order. */
export function processIo(): Io {
  const wantsColour = (stream: NodeJS.WriteStream) => {
    if (process.env.NO_COLOR) return false
    if (process.env.FORCE_COLOR) return process.env.FORCE_COLOR !== '0'
    return stream.isTTY === true && process.env.TERM !== 'dumb'
  }
  const write = (stream: NodeJS.WriteStream) => {
    // Once a write has failed, Bun 1.4.5 says of every one that it waits, and never that it is done.
    let hasFailed = false
    stream.on('error', () => {
      hasFailed = true
    })
    let behind: Promise<void> | null = null
    let unreadBytes = 0
    const caughtUp = () =>
      new Promise<void>(resolve => {
        const done = () => {
          for (const event of ['drain', 'error']) stream.off(event, done)
          behind = null
          unreadBytes = 0
          resolve()
        }
        for (const event of ['drain', 'error']) stream.on(event, done)
      })
    return (text: string): void | Promise<void> => {
      if (unreadBytes >= MAX_UNREAD_BYTES) return
      if (stream.write(text) || hasFailed) return
      unreadBytes += text.length
      behind ??= caughtUp()
      return behind
    }
  }
  return {
    stdout: write(process.stdout),
    stderr: write(process.stderr),
    colour: { stdout: wantsColour(process.stdout), stderr: wantsColour(process.stderr) },
    terminal: { stdout: process.stdout.isTTY === true, stderr: process.stderr.isTTY === true },
    cwd: process.cwd(),
    journal: journalStreams(process.env.JOURNAL_STREAM),
    env: name => process.env[name],
    hintForUnset,
    readText,
    readBytes,
    listFolder,
  }
}

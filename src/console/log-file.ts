import { closeSync, constants, fstatSync, openSync, statSync, writeSync } from 'node:fs'

/** A file that lines are added to. Pairs with `close`. */
export interface LogFile {
  /** Adds whole lines; false where they could not be written. Never throws, and waits for nobody. */
  write(lines: string): boolean
  close(): void
}

export interface LogFileOptions {
  readonly path: string
  /** It cannot be written from now on, with what the platform says; called once, until it can again. */
  onTrouble(error: unknown): void
  /** It can be written again; `lost` is how many lines were not meanwhile. */
  onMended(lost: number): void
}

/**
 * Opens by itself what it writes to, and follows a rename: before it writes, it looks whether the path still leads to the file that
 * it has open, and otherwise makes another. So `logrotate` needs no signal; and since everything is added at the end, wherever that
 * is now, `copytruncate` works too.
 *
 * A full disk, a folder that is not there or a pipe that nobody reads costs lines and nothing else: each write tries again. What was
 * written in part is ended with a line of its own, so that the next one is whole.
 */
export function createLogFile({ path, onTrouble, onMended }: LogFileOptions): LogFile {
  let file: number | null = null
  let isInTrouble = false
  let isTorn = false
  let lost = 0

  function close(): void {
    if (file !== null) closeSync(file)
    file = null
  }

  /** The file that the path leads to now. Throws what the platform throws. */
  function current(): number {
    if (file !== null && !isAt(file, path)) close()
    // A pipe without a reader is not waited for.
    file ??= openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o640)
    return file
  }

  return {
    write(lines) {
      let rest = Buffer.from(isTorn ? `\n${lines}` : lines)
      const whole = rest.length
      try {
        const to = current()
        while (rest.length > 0) rest = rest.subarray(writeSync(to, rest))
        isTorn = false
      } catch (error) {
        isTorn = rest.length === whole ? isTorn : rest.length > 0
        lost += countLines(rest)
        if (!isInTrouble) {
          isInTrouble = true
          onTrouble(error)
        }
        return false
      }
      if (isInTrouble) {
        isInTrouble = false
        const before = lost
        lost = 0
        onMended(before)
      }
      return true
    },
    close,
  }
}

function isAt(file: number, path: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false })
  if (there === undefined) return false
  const own = fstatSync(file)
  return there.ino === own.ino && there.dev === own.dev
}

function countLines(bytes: Uint8Array): number {
  let count = 0
  for (const byte of bytes) if (byte === LINE_END) count++
  return count
}

const LINE_END = 10

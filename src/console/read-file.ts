/** Reads files and folders that a file names, up to a size. */

import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'

/** Far beyond any routes.toml, secret or picture: what is longer was named by mistake, and would be in memory many times over. */
export const MAX_FILE_BYTES = 16 * 1024 * 1024

const PIECE_BYTES = 256 * 1024

/** A pipe that the parent process keeps open, as for `<(…)` in a shell: reading never waits there. */
const OPEN_PIPE = /^\/(?:dev\/fd|proc\/self\/fd)\/[0-9]+$/

/**
 * All bytes of a file. Throws what the platform throws, an error with the code `EFBIG` for more than `MAX_FILE_BYTES`, of which no
 * more than that was read, and one with `EPIPE` or `ENODEV` for a named pipe, a socket or a device: to open a pipe is to wait for
 * its other end, and everything else in this process would wait too.
 */
export function readBytes(path: string): Buffer {
  const kind = statSync(path)
  if (kind.isFIFO() ? !OPEN_PIPE.test(path) : !kind.isFile() && !kind.isDirectory()) {
    throw Object.assign(new Error(`${path} is no file`), { code: kind.isFIFO() ? 'EPIPE' : 'ENODEV' })
  }
  const file = openSync(path, 'r')
  try {
    const pieces: Buffer[] = []
    let size = 0
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES)
      const count = readSync(file, piece)
      if (count === 0) return Buffer.concat(pieces, size)
      size += count
      if (size > MAX_FILE_BYTES) throw Object.assign(new Error(`${path} is too long`), { code: 'EFBIG' })
      pieces.push(piece.subarray(0, count))
    }
  } finally {
    closeSync(file)
  }
}

/** A file as UTF-8 text; what is not UTF-8 becomes U+FFFD. Throws what `readBytes` throws. */
export function readText(path: string): string {
  return readBytes(path).toString('utf8')
}

/** The names in a folder, in any order. Throws what the platform throws. */
export function listFolder(path: string): readonly string[] {
  return readdirSync(path)
}

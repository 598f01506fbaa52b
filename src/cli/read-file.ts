import { closeSync, openSync, readSync } from 'node:fs'

/** Far beyond any routes.toml, secret or picture: what is longer was named by mistake, and would be in memory many times over. */
export const MAX_FILE_BYTES = 16 * 1024 * 1024

const PIECE_BYTES = 256 * 1024

/**
 * All bytes of a file, a pipe included. Throws what the platform throws, and an error with the code `EFBIG` for more than
 * `MAX_FILE_BYTES`, of which no more than that was read.
 */
export function readBytes(path: string): Buffer {
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

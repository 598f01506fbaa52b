import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** Longer than any line of a request: what is longer is cut, and cannot be read. */
const MAX_LINE_CHARACTERS = 256 * 1024

/** What is read of a log at a time. */
const PIECE_BYTES = 256 * 1024

/**
 * The lines of a log, many at a time, however long it is; compressed by gzip too, which is seen from its first bytes. `-` is
 * standard input. Throws what the platform throws, and an error of zlib for a damaged file.
 */
export async function* linesOf(path: string): AsyncGenerator<readonly string[]> {
  const source = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: PIECE_BYTES })
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of unpacked(source)) {
    rest += decoder.decode(piece, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    yield lines.map(line => (line.endsWith('\r') ? line.slice(0, -1) : line))
    if (rest.length > MAX_LINE_CHARACTERS) rest = rest.slice(0, MAX_LINE_CHARACTERS)
  }
  if (rest !== '') yield [rest]
}

async function* unpacked(source: Readable): AsyncGenerator<Uint8Array> {
  const pieces: AsyncIterator<Uint8Array> = source[Symbol.asyncIterator]()
  const first = await pieces.next()
  if (first.done === true) return
  const all = async function* () {
    yield first.value
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value
  }
  const isGzip = first.value[0] === 0x1f && first.value[1] === 0x8b
  if (!isGzip) {
    yield* all()
    return
  }
  const gunzip = createGunzip()
  const from = Readable.from(all())
  from.on('error', error => gunzip.destroy(error))
  yield* from.pipe(gunzip)
}

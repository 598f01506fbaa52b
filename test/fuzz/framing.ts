/** One message of HTTP/1.1 at the beginning of some bytes, read plainly and strictly. */
export interface Message {
  readonly startLine: string
  /** Names in lower case. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** How many bytes it has in all. */
  readonly length: number
}

/** Why bytes are no message: more have to come, or they are none. */
export type NoMessage = 'more' | 'malformed'

/** DEL may stay in a value (RFC 9110 §5.5), and Bun 1.4.5 lets it pass. */
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\xff]*?)[ \t]*$/

/**
 * Reads one request, or the answer to a request: RFC 9112 §2 to §7, with every freedom left out.
 *
 * `isToHead` says that an answer has no body whatever it says; `isClosed` that nothing more comes.
 */
export function readMessage(bytes: Buffer, isToHead: boolean, isClosed: boolean): Message | NoMessage {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return isClosed ? 'malformed' : 'more'
  const [startLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  const fields: (readonly [string, string])[] = []
  for (const line of lines) {
    const [, name, value] = FIELD.exec(line) ?? []
    if (name === undefined || value === undefined) return 'malformed'
    fields.push([name.toLowerCase(), value])
  }
  const start = end + 4
  const whole = (body: Buffer, length: number): Message => ({ startLine, fields, body, length })
  const valuesOf = (wanted: string) => fields.filter(([name]) => name === wanted).map(([, value]) => value)
  const [lengths, codings] = [valuesOf('content-length'), valuesOf('transfer-encoding')]
  if (lengths.length + codings.length > 1) return 'malformed'
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(startLine)?.[1]
  if (status === undefined && !/^[A-Z-]+ \S+ HTTP\/1\.1$/.test(startLine)) return 'malformed'
  if (isToHead || status === '204' || status === '304') return whole(Buffer.alloc(0), start)
  if (codings[0] !== undefined)
    return codings[0] === 'chunked' ? readChunks(bytes, start, isClosed, whole) : 'malformed'
  if (lengths[0] === undefined) {
    if (status === undefined) return whole(Buffer.alloc(0), start)
    return isClosed ? whole(bytes.subarray(start), bytes.length) : 'more'
  }
  if (!/^\d{1,9}$/.test(lengths[0])) return 'malformed'
  const length = start + Number(lengths[0])
  if (bytes.length >= length) return whole(bytes.subarray(start, length), length)
  return isClosed ? 'malformed' : 'more'
}

function readChunks(
  bytes: Buffer,
  start: number,
  isClosed: boolean,
  whole: (body: Buffer, length: number) => Message,
): Message | NoMessage {
  const parts: Buffer[] = []
  for (let at = start; ; ) {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return isClosed ? 'malformed' : 'more'
    const size = bytes.toString('latin1', at, end)
    if (!/^[0-9a-f]{1,7}$/i.test(size)) return 'malformed'
    const next = end + 2 + Number.parseInt(size, 16)
    if (bytes.length < next + 2) return isClosed ? 'malformed' : 'more'
    if (bytes.toString('latin1', next, next + 2) !== '\r\n') return 'malformed'
    if (next === end + 2) return whole(Buffer.concat(parts), next + 2)
    parts.push(bytes.subarray(end + 2, next))
    at = next + 2
  }
}

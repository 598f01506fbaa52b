import { connect, createServer, type Socket } from 'node:net'
import { patienceMs } from '../clock.ts'

/** Bytes to send: text is Latin-1, so that every byte can be written as a character. A number is a pause in milliseconds. */
export type WirePart = string | Uint8Array | number

export interface WireOptions {
  /** Stops reading once this holds of what arrived; default: one whole response, or the other side's close. */
  readonly until?: (received: Buffer) => boolean
  /** Milliseconds after which the test fails; default 40 000 of a quiet machine. */
  readonly timeoutMs?: number
  /** The address of this machine to come from. */
  readonly from?: string
}

/** What came back, as far as a test needs it taken apart. */
export interface WireResponse {
  readonly raw: Buffer
  /** 0 when nothing that looks like a response arrived. */
  readonly status: number
  /** Names as they were sent; repeated fields stay apart, in order. */
  readonly fields: readonly (readonly [string, string])[]
  /** After the head, transfer coding left in place. */
  readonly body: Buffer
  readonly isClosed: boolean
  /** The first value of a field by its name in any case, or null. */
  field(name: string): string | null
}

/**
 * Sends exactly these bytes to a loopback port (or a unix socket's path) and answers what came back.
 *
 * Rejects when the time is over before `until` holds and the connection is still open.
 */
export async function sendRaw(
  port: number | string,
  parts: WirePart | readonly WirePart[],
  options: WireOptions = {},
): Promise<WireResponse> {
  const connection = await openWire(port, options.from)
  try {
    for (const part of Array.isArray(parts) ? parts : [parts]) await connection.send(part)
    return await connection.receive(options)
  } finally {
    connection.close()
  }
}

/** A raw connection for tests that talk in turns. */
export interface Wire {
  send(part: WirePart): Promise<void>
  /** Waits for a response (or for `until`) among the bytes that were not received before. */
  receive(options?: WireOptions): Promise<WireResponse>
  /** All bytes that ever arrived. */
  readonly received: Buffer
  readonly isClosed: boolean
  pause(): void
  resume(): void
  /** Ends the writing side only. */
  end(): void
  /** Cuts the connection. */
  close(): void
}

/** A raw connection to a loopback port or a unix socket's path; from this address of the machine, where one is given. */
export async function openWire(port: number | string, from?: string): Promise<Wire> {
  const localAddress = from === undefined ? {} : { localAddress: from }
  const socket = typeof port === 'number' ? connect({ port, host: '127.0.0.1', ...localAddress }) : connect(port)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return wireOf(socket)
}

/** One connection to a raw upstream. */
export interface UpstreamConnection extends Wire {
  /** 1 for the first connection. */
  readonly number: number
}

export interface RawUpstream extends AsyncDisposable {
  readonly port: number
  /** Every connection so far, with the exact bytes it brought in `received`. */
  readonly connections: readonly UpstreamConnection[]
  /** All bytes of all connections, as Latin-1 text. */
  readonly text: string
  close(): Promise<void>
}

/**
 * An upstream on a raw socket that records what it is sent and answers what a test scripts.
 *
 * A list of parts answers each request once its head has arrived; a function has the connection to itself.
 */
export async function startRawUpstream(
  script: readonly WirePart[] | ((connection: UpstreamConnection) => Promise<void> | void),
  port = 0,
): Promise<RawUpstream> {
  const connections: UpstreamConnection[] = []
  const server = createServer(socket => {
    const connection = Object.assign(wireOf(socket), { number: connections.length + 1 })
    connections.push(connection)
    if (typeof script === 'function') void Promise.resolve(script(connection)).catch(() => connection.close())
    else void answerEach(connection, script)
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const address = server.address()
  const close = async (): Promise<void> => {
    for (const connection of connections) connection.close()
    await new Promise(resolve => server.close(resolve))
  }
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections,
    get text() {
      return connections.map(connection => connection.received.toString('latin1')).join('')
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Whether a whole request head is among the bytes. */
export function hasHead(received: Buffer): boolean {
  return received.includes('\r\n\r\n')
}

/** A response with its length, for a scripted upstream. */
export function httpResponse(status: number, body = '', fields: readonly string[] = []): string {
  const lines = [`HTTP/1.1 ${status} X`, `Content-Length: ${Buffer.byteLength(body, 'latin1')}`, ...fields]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

async function answerEach(connection: UpstreamConnection, script: readonly WirePart[]): Promise<void> {
  try {
    while (!connection.isClosed) {
      await connection.receive({ until: hasHead, timeoutMs: 300_000 })
      if (connection.isClosed) return
      for (const part of script) await connection.send(part)
    }
  } catch {
    connection.close()
  }
}

/** A socket that is open, for tests that talk in turns. */
export function wireOf(socket: Socket): Wire {
  // Twice as wide each time it is full: to join all that came so far at each piece is work by the square of it.
  let room: Buffer = Buffer.alloc(1024)
  let filled = 0
  let taken = 0
  let isClosed = false
  let wake: () => void = () => {}
  const all = (): Buffer => room.subarray(0, filled)
  socket.on('data', (chunk: Buffer) => {
    if (filled + chunk.length > room.length) {
      const wider = Buffer.allocUnsafe(Math.max(2 * room.length, filled + chunk.length))
      room.copy(wider, 0, 0, filled)
      room = wider
    }
    room.set(chunk, filled)
    filled += chunk.length
    wake()
  })
  const onEnd = (): void => {
    isClosed = true
    wake()
  }
  socket.on('error', onEnd)
  socket.on('end', onEnd)
  socket.on('close', onEnd)

  return {
    async send(part) {
      if (typeof part === 'number') return void (await Bun.sleep(part))
      const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : part
      if (!socket.destroyed) await new Promise<void>(resolve => void socket.write(bytes, () => resolve()))
    },
    async receive({ until = hasResponse, timeoutMs = patienceMs(40_000) } = {}) {
      const deadline = performance.now() + timeoutMs
      for (;;) {
        const fresh = all().subarray(taken)
        if (isClosed || until(fresh)) {
          taken = filled
          return parseResponse(fresh, isClosed)
        }
        const leftMs = deadline - performance.now()
        if (leftMs <= 0)
          throw new Error(`nothing fitting came in ${timeoutMs} ms: ${JSON.stringify(fresh.toString('latin1'))}`)
        let timer: ReturnType<typeof setTimeout> | undefined
        await new Promise<void>(resolve => {
          wake = resolve
          timer = setTimeout(resolve, leftMs)
        })
        clearTimeout(timer)
      }
    },
    get received() {
      return all()
    },
    get isClosed() {
      return isClosed
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    close: () => void socket.destroy(),
  }
}

/** Whether one final response is there: its head, and the body that its framing promises. */
function hasResponse(received: Buffer): boolean {
  const head = /^HTTP\/1\.[01] ([0-9]{3})/.exec(received.toString('latin1', 0, 16))
  const end = received.indexOf('\r\n\r\n')
  if (head === null || end === -1) return false
  const status = Number(head[1])
  if (status !== 101 && status < 200) return hasResponse(received.subarray(end + 4))
  if (status === 101 || status === 204 || status === 304) return true
  const fields = received.toString('latin1', 0, end + 2)
  const length = /\r\ncontent-length: *([0-9]+)\r\n/i.exec(fields)?.[1]
  if (length !== undefined) return received.length >= end + 4 + Number(length)
  // Without a length and without chunks the close is the end.
  return /\r\ntransfer-encoding:/i.test(fields) && received.includes('\r\n0\r\n\r\n', end + 2)
}

function parseResponse(raw: Buffer, isClosed: boolean): WireResponse {
  const end = raw.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = (end === -1 ? '' : raw.toString('latin1', 0, end)).split('\r\n')
  const status = Number(/^HTTP\/1\.[01] ([0-9]{3})/.exec(statusLine)?.[1] ?? 0)
  if (status >= 100 && status < 200 && status !== 101) return parseResponse(raw.subarray(end + 4), isClosed)
  const fields = lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  return {
    raw,
    status,
    fields,
    body: end === -1 ? Buffer.alloc(0) : raw.subarray(end + 4),
    isClosed,
    field: name => fields.find(([given]) => given.toLowerCase() === name.toLowerCase())?.[1] ?? null,
  }
}

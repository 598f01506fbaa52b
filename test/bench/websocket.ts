import { createHash } from 'node:crypto'
import type { Socket } from 'bun'
import { type Child, cpuUs, forgetPeak, peakRssMb } from './process.ts'
import type { Way } from './subject.ts'

/** One load of echoes through a proxy. */
export interface EchoLoad {
  /** Messages that came back whole. The proxy relayed each of them twice. */
  readonly echoes: number
  readonly echoesPerS: number
  /** What the proxy spent on an echo, both ways together. */
  readonly cpuUsPerEcho: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly peakRssMb: number
}

export interface EchoOptions {
  /** The length of a binary message. */
  readonly bytes: number
  readonly connections: number
  readonly seconds: number
}

/**
 * WebSockets to an echo behind a proxy, each with one message under way: sent again as soon as it is back.
 *
 * Throws when a handshake is refused, when a connection ends or when something else than the message comes back.
 */
export async function echo(way: Way, child: Child, { bytes, connections, seconds }: EchoOptions): Promise<EchoLoad> {
  const frame = clientFrame(bytes)
  const trips: Trips = { count: 0, times: [], isOver: false, failure: null }
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(way, frame, bytes, trips)))
  try {
    for (const socket of sockets) socket.data.send()
    // The first echoes of every connection pay for what is made once.
    await Bun.sleep(200)
    forgetPeak(child)
    trips.count = 0
    trips.times.length = 0
    const [cpuBefore, startMs] = [cpuUs(child), performance.now()]
    await Bun.sleep(seconds * 1000)
    const [cpu, elapsedS] = [cpuUs(child) - cpuBefore, (performance.now() - startMs) / 1000]
    const { count, times } = trips
    if (trips.failure !== null) throw new Error(`echoes through ${way.port}: ${trips.failure}`)
    times.sort((one, other) => one - other)
    return {
      echoes: count,
      echoesPerS: count / elapsedS,
      cpuUsPerEcho: cpu / count,
      p50Ms: times[Math.floor(times.length * 0.5)] ?? Number.NaN,
      p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.NaN,
      peakRssMb: peakRssMb(child),
    }
  } finally {
    trips.isOver = true
    for (const socket of sockets) socket.terminate()
  }
}

interface Trips {
  count: number
  /** Milliseconds each. */
  readonly times: number[]
  isOver: boolean
  failure: string | null
}

interface Echoing {
  send(): void
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** A WebSocket whose handshake is done. Raw, so that the load's own work is a comparison of bytes. */
function open(way: Way, frame: Buffer, bytes: number, trips: Trips): Promise<Socket<Echoing>> {
  const fields = Object.entries(way.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const request = `GET / HTTP/1.1\r\n${fields.join('')}connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${KEY}\r\n\r\n`
  const expected = Buffer.concat([frameHead(bytes, 0), frame.subarray(frame.length - bytes)])
  return new Promise((resolve, reject) => {
    let head = ''
    let isOpen = false
    let got = 0
    let sentAtMs = 0
    let left = frame
    const flush = (socket: Socket<Echoing>): void => {
      left = left.subarray(socket.write(left))
    }
    const fail = (why: string): void => {
      if (!trips.isOver) trips.failure ??= why
      reject(new Error(why))
    }
    void Bun.connect<Echoing>({
      hostname: '127.0.0.1',
      port: way.port,
      socket: {
        open(socket) {
          socket.data = {
            send() {
              sentAtMs = performance.now()
              left = frame
              flush(socket)
            },
          }
          socket.write(request)
        },
        drain(socket) {
          if (isOpen) flush(socket)
        },
        data(socket, chunk) {
          if (!isOpen) {
            head += chunk.toString('latin1')
            if (!head.endsWith('\r\n\r\n')) return
            if (!head.startsWith('HTTP/1.1 101') || !head.includes(ACCEPT)) return fail(`no WebSocket: ${head}`)
            isOpen = true
            return resolve(socket)
          }
          if (chunk.compare(expected, got, Math.min(expected.length, got + chunk.length)) !== 0) {
            return fail('something else than the message came back')
          }
          got += chunk.length
          if (got < expected.length) return
          got = 0
          trips.count++
          trips.times.push(performance.now() - sentAtMs)
          if (!trips.isOver) socket.data.send()
        },
        close: () => fail('a connection ended'),
        error: (_, error) => fail(error.message),
        connectError: (_, error) => fail(error.message),
      },
    }).catch(reject)
  })
}

/** What a server that understood the key answers (RFC 6455 §1.3). */
const ACCEPT = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

/** One binary message as a client sends it. A mask of zeros leaves it readable; to a proxy it makes no difference. */
function clientFrame(bytes: number): Buffer {
  return Buffer.concat([frameHead(bytes, 0x80), Buffer.alloc(4), Buffer.alloc(bytes, 'sallyport ')])
}

/** RFC 6455 §5.2, without the mask. */
function frameHead(bytes: number, maskBit: number): Buffer {
  if (bytes < 126) return Buffer.from([0x82, maskBit | bytes])
  if (bytes < 65_536) return Buffer.from([0x82, maskBit | 126, bytes >> 8, bytes & 255])
  const head = Buffer.alloc(10)
  head[0] = 0x82
  head[1] = maskBit | 127
  head.writeUInt32BE(bytes, 6)
  return head
}

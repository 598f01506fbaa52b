import { connect } from 'node:net'
import { cpuUs, forgetPeak, peakRssMb } from './process.ts'

export const TRANSFER_BYTES = 100 * 1024 * 1024

export interface Transfer {
  readonly name: string
  readonly cpuMs: number
  readonly seconds: number
  readonly peakRssMb: number
}

interface Way {
  readonly pid: number
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  readonly path: string
}

/** One download of TRANSFER_BYTES through a proxy; throws when a byte is missing. */
export function download(way: Way): Promise<Transfer> {
  return measure('download', way.pid, async () => {
    const { status, bytes } = await exchange(way, 'GET', 0)
    if (status !== 200 || bytes !== TRANSFER_BYTES) throw new Error(`${bytes} bytes came with status ${status}`)
  })
}

/** One upload of TRANSFER_BYTES through a proxy, with a length; throws when the upstream counted otherwise. */
export function upload(way: Way): Promise<Transfer> {
  return measure('upload', way.pid, async () => {
    const { status, text } = await exchange(way, 'PUT', TRANSFER_BYTES)
    if (status !== 200 || text !== String(TRANSFER_BYTES))
      throw new Error(`the upstream counted "${text}", status ${status}`)
  })
}

async function measure(name: string, pid: number, act: () => Promise<void>): Promise<Transfer> {
  forgetPeak(pid)
  const [cpuBefore, startMs] = [cpuUs(pid), performance.now()]
  await act()
  const seconds = (performance.now() - startMs) / 1000
  return { name, cpuMs: (cpuUs(pid) - cpuBefore) / 1000, seconds, peakRssMb: peakRssMb(pid) }
}

/** One request on a socket of its own; a body of zeros is sent as fast as it is taken. */
function exchange(
  way: Way,
  method: string,
  bodyBytes: number,
): Promise<{ status: number; bytes: number; text: string }> {
  const fields = Object.entries({ ...way.headers, 'content-length': String(bodyBytes), connection: 'close' })
  const head = `${method} ${way.path} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  return new Promise((resolve, reject) => {
    const socket = connect(way.port, '127.0.0.1')
    const chunk = Buffer.alloc(256 * 1024)
    const reader = new BodyCounter()
    let left = bodyBytes
    const pump = (): void => {
      while (left > 0) {
        const part = chunk.subarray(0, Math.min(left, chunk.length))
        left -= part.length
        if (!socket.write(part)) return void socket.once('drain', pump)
      }
    }
    socket.once('connect', () => {
      socket.write(head)
      pump()
    })
    socket.on('data', bytes => reader.take(Buffer.from(bytes)))
    socket.once('error', reject)
    socket.once('close', () => resolve(reader.result()))
  })
}

/** Counts the bytes of a response's body, chunked or not, and keeps its beginning. */
class BodyCounter {
  #head = Buffer.alloc(0)
  #status = 0
  #isChunked = false
  #bytes = 0
  #start = ''
  #chunkLeft = 0
  #line = ''

  take(bytes: Buffer): void {
    if (this.#status !== 0) {
      this.#body(bytes)
      return
    }
    this.#head = Buffer.concat([this.#head, bytes])
    const end = this.#head.indexOf('\r\n\r\n')
    if (end === -1) return
    const text = this.#head.toString('latin1', 0, end)
    this.#status = Number(text.slice(9, 12))
    this.#isChunked = /\r\ntransfer-encoding: *chunked/i.test(text)
    this.#body(this.#head.subarray(end + 4))
  }

  result(): { status: number; bytes: number; text: string } {
    return { status: this.#status, bytes: this.#bytes, text: this.#start }
  }

  #count(bytes: Buffer): void {
    this.#bytes += bytes.length
    if (this.#start.length < 100) this.#start += bytes.toString('latin1', 0, 100)
  }

  #body(bytes: Buffer): void {
    if (!this.#isChunked) {
      this.#count(bytes)
      return
    }
    for (let at = 0; at < bytes.length; ) {
      if (this.#chunkLeft > 0) {
        const part = bytes.subarray(at, at + this.#chunkLeft)
        this.#count(part)
        this.#chunkLeft -= part.length
        at += part.length
        continue
      }
      const character = bytes.toString('latin1', at, ++at)
      if (character !== '\n') this.#line += character
      else {
        this.#chunkLeft = Number.parseInt(this.#line || '0', 16)
        this.#line = ''
      }
      if (this.#line === '\r') this.#line = ''
    }
  }
}

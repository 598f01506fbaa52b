import { connect as connectPlain, type Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import type { SecureOptions } from './tls.ts'

/** A field or a pseudo-header, as it is said on the wire. */
export type Field = readonly [name: string, value: string]

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const
export const FLAG = { endStream: 1, endHeaders: 4 } as const

/** One frame (RFC 9113 §4.1). */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** HPACK as plain as it can be: literals that are not indexed (RFC 7541 §6.2.2). */
export function packed(fields: readonly Field[]): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value, 'latin1')
    if (bytes.length > 126) throw new TypeError('a short text')
    return Buffer.concat([Buffer.from([bytes.length]), bytes])
  }
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

/** A whole head in one frame. */
export function headers(fields: readonly Field[], isLast: boolean, stream = 1): Buffer {
  return frame(FRAME.headers, FLAG.endHeaders | (isLast ? FLAG.endStream : 0), stream, packed(fields))
}

/** A frame that came, without its payload. */
interface SeenFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly length: number
  /** Why a stream or the connection was given up (RFC 9113 §7); null in all other frames. */
  readonly code: number | null
}

/** A connection whose frames a test writes itself. */
export interface Http2Wire {
  readonly socket: TLSSocket
  /** The connection below TLS, which alone can be reset. */
  readonly below: Socket
  frames(): readonly SeenFrame[]
}

/** Connects by TLS, insists on HTTP/2, and has said its preface; from this address of the machine, where one is given. */
export async function openHttp2Wire({ port, name, ca }: SecureOptions, localAddress?: string): Promise<Http2Wire> {
  const below = connectPlain({ host: '127.0.0.1', port, ...(localAddress === undefined ? {} : { localAddress }) })
  below.on('error', () => undefined)
  const socket = connect({ socket: below, servername: name ?? '', ca, ALPNProtocols: ['h2'] })
  let got = Buffer.alloc(0)
  socket.on('data', (bytes: Buffer) => {
    got = Buffer.concat([got, bytes])
  })
  socket.on('error', () => undefined)
  await new Promise(resolve => socket.once('secureConnect', resolve))
  socket.write(
    Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(FRAME.settings, 0, 0, Buffer.alloc(0))]),
  )
  const frames = () => {
    const found: SeenFrame[] = []
    for (let at = 0; at + 9 <= got.length && at + 9 + got.readUIntBE(at, 3) <= got.length; ) {
      const [length, type, flags] = [got.readUIntBE(at, 3), got.readUInt8(at + 3), got.readUInt8(at + 4)]
      const codeAt = type === FRAME.reset ? at + 9 : type === FRAME.goAway ? at + 13 : null
      const code = codeAt === null ? null : got.readUInt32BE(codeAt)
      found.push({ type, flags, stream: got.readUInt32BE(at + 5) & 0x7fffffff, length, code })
      at += 9 + length
    }
    return found
  }
  return { socket, below, frames }
}

import { connect } from 'node:net'
import type { NameServer } from '../../../config/types/tls.ts'
import { uint16 } from './message.ts'

const ANSWER_MS = 10_000

/** Sends a message to a name server by TCP, and answers what comes back. Throws what the platform throws, or that it took too long (RFC 1035 §4.2.2). */
export async function exchange({ host, port }: NameServer, message: Buffer): Promise<Buffer> {
  const socket = connect({ host, port })
  const tooLate = setTimeout(() => socket.destroy(new Error('it did not answer in time')), ANSWER_MS)
  try {
    socket.write(Buffer.concat([uint16(message.length), message]))
    let got = Buffer.alloc(0)
    for await (const piece of socket) {
      got = Buffer.concat([got, piece])
      if (got.length < 2) continue
      const end = 2 + got.readUInt16BE(0)
      if (got.length >= end) return got.subarray(2, end)
    }
    throw new Error('it closed the connection without an answer')
  } finally {
    clearTimeout(tooLate)
    socket.destroy()
  }
}

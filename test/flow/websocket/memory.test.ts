import { expect } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { constants, deflateRawSync } from 'node:zlib'
import { patienceMs } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { needs } from '../../kit/needs.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { type Child, freePort, startChild } from '../../kit/programs/child.ts'
import { routeTo } from '../../kit/toml.ts'
import { acceptWebSocket, askForWebSocket, frameBytes, type WireFrame } from '../../kit/wire/websocket.ts'
import {
  hasHead,
  openWire,
  type RawUpstream,
  startRawUpstream,
  type UpstreamConnection,
  type Wire,
} from '../../kit/wire/wire.ts'

const { afterAll, beforeAll, describe, test } = needs('/proc')

/** The compiled executable, and what it keeps resident while somebody sends and somebody does not read. */
const MIB = 1024 * 1024

let program: Child
let upstream: RawUpstream
const folder = temporaryFolder()

beforeAll(async () => {
  upstream = await startRawUpstream(async connection => {
    const request = await connection.receive({ until: hasHead })
    const isCompressed = /^sec-websocket-extensions:/im.test(request.raw.toString('latin1'))
    await connection.send(acceptWebSocket(request, isCompressed ? [AGREED] : []))
  })
  program = await startChild({
    command: [await compiledBinary()],
    folder: folder.path,
    port: await freePort(),
    toml: routeTo(upstream, 'ws.example', 'allow = "public"\nwebsocket_compression = true'),
  })
})
afterAll(async () => {
  await program[Symbol.asyncDispose]()
  await upstream.close()
  folder[Symbol.dispose]()
})

const AGREED = 'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover'

async function open(fields: readonly string[] = []): Promise<{ client: Wire; server: UpstreamConnection }> {
  const before = upstream.connections.length
  const client = await openWire(program.port)
  await client.send(askForWebSocket('ws.example', '/', fields))
  const { status } = await client.receive({ until: hasHead })
  const server = upstream.connections[before]
  if (status !== 101 || server === undefined) throw new Error(`the handshake is answered with ${status}`)
  return { client, server }
}

/** How much more than before the program had resident at the worst moment of `act`, in MiB. */
async function growth(act: () => Promise<void>): Promise<number> {
  const { pid } = program.process
  const read = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
  const before = read('VmRSS')
  // proc(5): VmHWM begins again.
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  await act()
  return read('VmHWM') - before
}

/** Sends until all is sent, the connection is over, or the other end has taken nothing for so long. Answers how many bytes went. */
async function flood(wire: Wire, bytes: Buffer, total: number, quietMs = 500): Promise<number> {
  let sent = 0
  while (sent < total && !wire.isClosed) {
    const isTaken = await Promise.race([wire.send(bytes).then(() => true), Bun.sleep(quietMs).then(() => false)])
    if (!isTaken) return sent
    sent += bytes.length
  }
  return sent
}

const frame = (opcode: number, payload: Uint8Array, more: Partial<WireFrame> = {}): WireFrame => ({
  opcode,
  payload,
  isFinal: true,
  reserved: 0,
  ...more,
})
const mask = randomBytes(4)
const MESSAGES: readonly (readonly [string, number])[] = [
  ['of 100 bytes', 100],
  ['of 64 KiB', 65_536],
  ['of 4 MiB', 4 * MIB],
]

describe('nothing is taken from one side that the other does not take', () => {
  /** Sends messages of this length for as long as they are taken; the other side reads nothing. */
  async function expectHeldUp(from: Wire, to: Wire, length: number, key: Uint8Array | null): Promise<void> {
    to.pause()
    const one = frameBytes(frame(2, Buffer.alloc(length, 7)), key)
    const bytes = Buffer.concat(Array(Math.max(1, Math.floor(MIB / one.length))).fill(one))
    let sent = 0
    expect(
      await growth(async () => {
        sent = await flood(from, bytes, 500 * MIB)
      }),
    ).toBeLessThan(120)
    expect(sent).toBeLessThan(60 * MIB)
    expect(from.isClosed).toBe(false)
  }

  test.each(MESSAGES)('an upstream floods a client that does not read, with messages %s', async (_, length) => {
    const { client, server } = await open()
    await expectHeldUp(server, client, length, null)
    client.close()
  })

  test.each(MESSAGES)('a client floods an upstream that does not read, with messages %s', async (_, length) => {
    const { client, server } = await open()
    await expectHeldUp(client, server, length, mask)
    client.close()
  })
})

describe('what is small to send is small to keep', () => {
  const MILLION = 1_000_000

  /** Floods from one side, then waits until the other has what comes after it. */
  async function growthBy(from: 'client' | 'server', frames: { first?: WireFrame; each: WireFrame; last: WireFrame }) {
    const sides = await open()
    const [sender, receiver] = from === 'client' ? [sides.client, sides.server] : [sides.server, sides.client]
    const bytes = (one: WireFrame) => frameBytes(one, from === 'client' ? mask : null)
    // Nobody reads pongs.
    sender.pause()
    if (frames.first !== undefined) await sender.send(bytes(frames.first))
    const each = bytes(frames.each)
    const many = Buffer.concat(Array(10_000).fill(each))
    const lengthBefore = receiver.received.length
    const grown = await growth(async () => {
      // All of it has to be taken, however long a busy machine is at it.
      await flood(sender, many, each.length * MILLION, patienceMs(40_000))
      await sender.send(bytes(frames.last))
      await receiver.receive({ until: fresh => fresh.length >= (frames.first === undefined ? 6 : MILLION) })
    })
    expect(receiver.received.length).toBeGreaterThan(lengthBefore)
    sides.client.close()
    return grown
  }

  test.each(['client', 'server'] as const)('a message of a million fragments of a byte, from the %s', async from => {
    const part = Buffer.from('x')
    const grown = await growthBy(from, {
      first: frame(2, part, { isFinal: false }),
      each: frame(0, part, { isFinal: false }),
      last: frame(0, part),
    })
    expect(grown).toBeLessThan(80)
  })

  test.each(['client', 'server'] as const)('a million pings, from the %s', async from => {
    const grown = await growthBy(from, { each: frame(9, Buffer.from('beat')), last: frame(1, Buffer.from('the end')) })
    expect(grown).toBeLessThan(80)
  })
})

describe('what inflates a thousand times', () => {
  const OFFER = ['Sec-WebSocket-Extensions: permessage-deflate']
  const payload = deflateRawSync(Buffer.alloc(MIB + 1, 7), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
  const compressed = frame(2, payload, { reserved: 4 })

  test('waits compressed, from an upstream whose client does not read', async () => {
    const { client, server } = await open(OFFER)
    client.pause()
    const one = frameBytes(compressed, null)
    const bytes = Buffer.concat(Array(100).fill(one))
    let sent = 0
    expect(
      await growth(async () => {
        // Inflated, 10 GiB.
        sent = await flood(server, bytes, one.length * 10_000)
      }),
    ).toBeLessThan(120)
    expect(sent).toBeLessThan(one.length * 10_000)
    expect(server.isClosed).toBe(false)
    client.close()
  })

  test('ends the connection, from a client whose upstream does not read', async () => {
    const { client, server } = await open(OFFER)
    server.pause()
    const one = frameBytes(compressed, mask)
    const bytes = Buffer.concat(Array(1000).fill(one))
    const grown = await growth(async () => {
      await flood(client, bytes, one.length * 10_000)
      await client.receive({ until: () => false })
    })
    expect(grown).toBeLessThan(200)
    expect(client.isClosed).toBe(true)
  })
})

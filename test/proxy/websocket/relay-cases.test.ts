import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { WebSocket as Client, type WebSocket, WebSocketServer } from 'ws'
import { patienceMs } from '../../kit/clock.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { acceptWebSocket, askForWebSocket, frameBytes, framesIn, type WireFrame } from '../../kit/wire/websocket.ts'
import { hasHead, openWire, type RawUpstream, startRawUpstream, type Wire } from '../../kit/wire/wire.ts'
import { CASES, type Case, NO_STATUS } from './cases.ts'

/**
 * Every case in both directions, through the whole gate: what a client says to a good server, and what a server says to a
 * good client. Both ends are held against the case: what the scripted side is answered, and what the other one hears.
 */
const cases = Object.values(CASES).flat()

setDefaultTimeout(300_000)

/** Sent at once, or in pieces that end anywhere. */
type Cut = 'at once' | 'in pieces'
const CUTS: readonly Cut[] = ['at once', 'in pieces']

/** Each of many that go on at once waits for all of them, and on a busy machine for others. */
const PATIENCE_MS = patienceMs(60_000)

/** What the good side heard of one conversation. */
interface Heard {
  readonly messages: (string | Buffer)[]
  code: number
  reason: string
}

let gate: Gate
let server: WebSocketServer
let scripted: RawUpstream
const heardByServer = new Map<string, Promise<Heard>>()
const toldByServer = new Map<string, Promise<Told>>()

beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 32 * 1024 * 1024 })
  await once(server, 'listening')
  server.on('connection', (socket, request) => heardByServer.set(request.url ?? '', listen(socket)))
  scripted = await startRawUpstream(async connection => {
    const request = await connection.receive({ until: hasHead })
    await connection.send(acceptWebSocket(request))
    const path = /^GET (\S+)/.exec(request.raw.toString('latin1'))?.[1] ?? ''
    const { one, cut } = parsePath(path)
    const told = converse(connection, request.raw.length, one, cut, false)
    toldByServer.set(path, told)
    await told
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not listening')
  gate = await startGate(
    ['echo', 'script']
      .map((host, index) => {
        const port = index === 0 ? address.port : scripted.port
        return `[[routes]]\nhost = "${host}.example"\nupstream = "http://127.0.0.1:${port}"\nallow = "public"\n`
      })
      .join('\n'),
  )
})

afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  await scripted.close()
  for (const client of server.clients) client.terminate()
  server.close()
})

describe.each(Object.entries(CASES))('RFC 6455 %s', (_, section) => {
  test.each(CUTS)('said by a client, %s', async cut => {
    expect(await failures(cutBy(cut, section), one => saidByClient(one, cut))).toEqual([])
  })

  test.each(CUTS)('said by an upstream, %s', async cut => {
    expect(await failures(cutBy(cut, section), one => saidByUpstream(one, cut))).toEqual([])
  })
})

/** What is longer than a socket holds comes in pieces by itself. */
function cutBy(cut: Cut, section: readonly Case[]): readonly Case[] {
  const isCutAnyway = ({ frames }: Case) => frames.some(({ payload }) => payload.length > 4 * 1024 * 1024)
  return cut === 'at once' ? section : section.filter(one => !isCutAnyway(one))
}

/** Runs cases many at a time, since each that is broken waits for silence, and answers what was not as it should be. */
async function failures(section: readonly Case[], run: (one: Case) => Promise<string[]>): Promise<string[]> {
  const found: string[] = []
  const left = section.values()
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      for (const one of left) {
        const wrong = await run(one).catch((error: unknown) => [String(error)])
        found.push(...wrong.map(what => `${one.name}: ${what}`))
      }
    }),
  )
  return found
}

async function saidByClient(one: Case, cut: Cut): Promise<string[]> {
  const path = pathOf(one, cut)
  const wire = await openWire(gate.port)
  try {
    await wire.send(askForWebSocket('echo.example', path))
    const answer = await wire.receive({ until: hasHead })
    if (answer.status !== 101) return [`the handshake is answered with ${answer.status}`]
    const told = await converse(wire, answer.raw.indexOf('\r\n\r\n') + 4, one, cut, true)
    const heard = await heardByServer.get(path)
    if (heard === undefined) return ['the server heard nothing']
    // A client that breaks the protocol is cut off from the server without a word.
    return [...judgeTold(one, told), ...judgeHeard(one, heard, 1006)]
  } finally {
    wire.close()
  }
}

async function saidByUpstream(one: Case, cut: Cut): Promise<string[]> {
  const path = pathOf(one, cut)
  const client = new Client(`ws://127.0.0.1:${gate.port}${path}`, {
    headers: { host: 'script.example' },
    maxPayload: 32 * 1024 * 1024,
  })
  const heard = await listen(client)
  const told = await toldByServer.get(path)
  if (told === undefined) return ['the upstream was not asked']
  // A server that breaks the protocol is a bad gateway to the client.
  return [...judgeTold(one, told), ...judgeHeard(one, heard, 1006)]
}

/** Echoes every message until the end. */
function listen(socket: WebSocket): Promise<Heard> {
  const heard: Heard = { messages: [], code: 0, reason: '' }
  return new Promise(resolve => {
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      heard.messages.push(isBinary ? data : data.toString())
      socket.send(data, { binary: isBinary })
    })
    socket.on('error', () => {})
    socket.on('close', (code, reason) => resolve({ ...heard, code, reason: reason.toString() }))
  })
}

/** What came back to the scripted side. */
interface Told {
  readonly messages: readonly (string | Buffer)[]
  readonly pongs: readonly Buffer[]
  /** Of the Close frame; null without one. */
  readonly code: number | null
  readonly isClosed: boolean
}

async function converse(wire: Wire, headLength: number, one: Case, cut: Cut, isClient: boolean): Promise<Told> {
  const mask = isClient ? randomBytes(4) : null
  const bytes = Buffer.concat(one.frames.map(frame => frameBytes(frame, mask)))
  const pieces = cut === 'at once' ? [bytes] : inPieces(bytes)
  const told = (): Told => tell(framesIn(wire.received.subarray(headLength)), wire.isClosed)
  let needed = one.arrives.reduce((sum, message) => sum + Buffer.byteLength(message), 0)
  const until = (fresh: Buffer): boolean => {
    if (fresh.length < needed) return false
    const { messages, pongs, code } = told()
    return code !== null || (messages.length >= one.arrives.length && pongs.length >= one.pongs.length)
  }
  const received = wire.receive({ until, timeoutMs: PATIENCE_MS })
  for (const piece of pieces) await wire.send(piece)
  if (one.ends === 'stays') {
    await received
    await wire.send(frameBytes({ opcode: 8, payload: Buffer.from([3, 232]), isFinal: true, reserved: 0 }, mask))
    needed = 0
    await wire.receive({ until: () => told().code !== null, timeoutMs: PATIENCE_MS })
  } else {
    needed = 0
    await received
    if (told().code === null) await wire.receive({ until: () => told().code !== null, timeoutMs: PATIENCE_MS })
  }
  // The server is the one to close the connection (RFC 6455 §7.1.1): here the gate, there the script.
  if (!isClient) wire.end()
  await wire.receive({ until: () => false, timeoutMs: PATIENCE_MS })
  return told()
}

function tell(frames: readonly WireFrame[], isClosed: boolean): Told {
  const close = frames.find(({ opcode }) => opcode === 8)
  return {
    messages: frames
      .filter(({ opcode }) => opcode === 1 || opcode === 2)
      .map(({ opcode, payload }) => (opcode === 1 ? Buffer.from(payload).toString() : Buffer.from(payload))),
    pongs: frames.filter(({ opcode }) => opcode === 10).map(({ payload }) => Buffer.from(payload)),
    code:
      close === undefined ? null : close.payload.length === 0 ? NO_STATUS : Buffer.from(close.payload).readUInt16BE(),
    isClosed,
  }
}

function judgeTold(one: Case, told: Told): string[] {
  const wrong: string[] = []
  const code = one.ends === 'stays' ? 1000 : one.ends
  if (told.code !== code) wrong.push(`it is closed with ${told.code}, not ${code}`)
  if (!told.isClosed) wrong.push('the connection stays open')
  if (one.ends !== 'stays') return wrong
  if (!same(told.messages, one.arrives)) wrong.push(`${told.messages.length} echoes, or other ones`)
  if (!same(told.pongs, one.pongs)) wrong.push(`${told.pongs.length} pongs, or other ones`)
  return wrong
}

function judgeHeard(one: Case, heard: Heard, broken: number): string[] {
  const wrong: string[] = []
  const expected = one.ends === 'stays' ? { code: 1000, reason: '' } : (one.passesOn ?? { code: broken, reason: '' })
  if (!same(heard.messages, one.arrives))
    wrong.push(`the other side heard ${heard.messages.length} messages, or others`)
  if (heard.code !== expected.code || heard.reason !== expected.reason) {
    wrong.push(
      `the other side is closed with ${heard.code} "${heard.reason}", not ${expected.code} "${expected.reason}"`,
    )
  }
  return wrong
}

function same(some: readonly (string | Buffer)[], others: readonly (string | Buffer)[]): boolean {
  return (
    some.length === others.length &&
    some.every((one, index) => {
      const other = others[index] ?? ''
      return typeof one === 'string' ? one === other : typeof other !== 'string' && one.equals(other)
    })
  )
}

/** Byte by byte where that is few, else at odd places. */
function inPieces(bytes: Buffer): Buffer[] {
  const length = bytes.length <= 200 ? 1 : Math.ceil(bytes.length / 7)
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) =>
    bytes.subarray(index * length, (index + 1) * length),
  )
}

function pathOf(one: Case, cut: Cut): string {
  return `/${cases.indexOf(one)}/${CUTS.indexOf(cut)}`
}

function parsePath(path: string): { one: Case; cut: Cut } {
  const [index, cutIndex] = path.slice(1).split('/').map(Number)
  const [one, cut] = [cases[index ?? -1], CUTS[cutIndex ?? -1]]
  if (one === undefined || cut === undefined) throw new Error(`no case ${path}`)
  return { one, cut }
}

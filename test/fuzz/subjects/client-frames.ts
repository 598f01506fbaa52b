import { startGate } from '../../kit/gate.ts'
import { acceptWebSocket, askForWebSocket, frameBytes, framesIn, type WireFrame } from '../../kit/wire/websocket.ts'
import { hasHead, openWire, startRawUpstream, type UpstreamConnection } from '../../kit/wire/wire.ts'
import { hold, type Subject, textOf } from '../subject.ts'
import { readFramesPlainly, type Told } from '../websocket.ts'

/** As much as the program takes. */
const MAX_BYTES = 16 * 1024 * 1024
/** How long a frame is waited for that is not whole. */
const PATIENCE_MS = 10
const GIVE_UP_MS = 4000
const MAX_HEAD_BYTES = 14
const DEFLATE = 'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover'

const masked = (opcode: number, text: string, isFinal = true, reserved = 0, mask = '\0\0\0\0'): Buffer =>
  frameBytes({ opcode, payload: Buffer.from(text, 'latin1'), isFinal, reserved }, Buffer.from(mask, 'latin1'))

/** What a client sends once its WebSocket is open, to the whole gate; the first byte says whether it may compress. */
export const clientFrames: Subject = {
  name: 'client-frames',
  seeds: [
    Buffer.concat([Buffer.of(0), masked(1, 'hello'), masked(9, 'x'), masked(8, '\x03\xe8bye')]),
    Buffer.concat([Buffer.of(0), masked(1, 'a', false), masked(9, ''), masked(0, 'b', false), masked(0, '\xc3\xbc')]),
    Buffer.concat([Buffer.of(0), masked(2, 'x'.repeat(200), true, 0, 'abcd'), masked(10, '')]),
    Buffer.concat([
      Buffer.of(0),
      frameBytes({ opcode: 1, payload: Buffer.from('x'), isFinal: true, reserved: 0 }, null),
    ]),
    Buffer.concat([Buffer.of(0), masked(1, '\xff')]),
    Buffer.concat([Buffer.of(1), masked(1, '\xf2H\xcd\xc9\xc9\x07\x00', true, 4), masked(8, '')]),
    Buffer.concat([Buffer.of(1), masked(1, '\xaa\x06\x00', false, 4), masked(0, '')]),
    Buffer.concat([Buffer.of(1), masked(2, 'plain'), masked(9, 'x'.repeat(125))]),
  ],
  words: [
    ...[
      '\x81\x80\0\0\0\0',
      '\x01\x80\0\0\0\0',
      '\x80\x80\0\0\0\0',
      '\x00\x80\0\0\0\0',
      '\x89\x80\0\0\0\0',
      '\x8a\x80\0\0\0\0',
    ],
    ...[
      '\x88\x80\0\0\0\0',
      '\xc1\x81\0\0\0\0\x00',
      '\x88\x82\0\0\0\0\x03\xe8',
      '\x81\x00',
      '\x82\xfe\x00\x05abcd',
      '\x8b\x80\0\0\0\0',
    ],
    ...[
      '\x82\xff\0\0\0\0\0\0\0\x05abcd',
      '\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff',
      '\xff',
      '\xed\xa0\x80',
      '\xf4\x90\x80\x80',
    ],
  ],
  maxBytes: 500,
  slowMs: 5000,
  async open() {
    let arrived: { readonly connection: UpstreamConnection; readonly start: number } | null = null
    const upstream = await startRawUpstream(async connection => {
      const request = await connection.receive({ until: hasHead, timeoutMs: 600_000 })
      const isCompressed = request.raw.includes('GET /deflate ')
      await connection.send(acceptWebSocket(request, isCompressed ? [DEFLATE] : []))
      arrived = { connection, start: request.raw.length }
      const isOver = (fresh: Buffer) => framesIn(fresh).some(({ opcode }) => opcode === 8)
      await connection.receive({ until: isOver, timeoutMs: 600_000 })
      connection.close()
    })
    const gate = await startGate(
      `[[routes]]\nhost = "app.example"\nupstream = "http://127.0.0.1:${upstream.port}"\nallow = "public"\nwebsocket_compression = true\n`,
    )
    let count = 0
    return {
      async attempt(input) {
        const isCompressed = ((input[0] ?? 0) & 1) === 1
        const bytes = Buffer.from(input.subarray(1))
        const { told, isWhole } = readFramesPlainly(bytes, { isCompressed, isMasked: true, maxBytes: MAX_BYTES })
        const last = told.at(-1)
        const isEnded = last?.[0] === 'fault' || last?.[0] === 'close'
        const probe = `probe ${++count}`
        arrived = null
        const wire = await openWire(gate.port)
        try {
          await wire.send(
            askForWebSocket('app.example', isCompressed ? '/deflate' : '/', isCompressed ? [DEFLATE] : []),
          )
          const opened = await wire.receive({ until: hasHead })
          hold(opened.status === 101, 'a WebSocket is opened', opened.status)
          await waitFor(() => arrived !== null, 'the application has it')
          const { connection, start } = arrived as unknown as { connection: UpstreamConnection; start: number }
          const frames = () => framesIn(connection.received.subarray(start))
          // Bun judges a frame once the longest of heads is there.
          const rest = isWhole ? masked(1, probe) : Buffer.alloc(last?.[0] === 'fault' ? MAX_HEAD_BYTES : 0)
          await wire.send(Buffer.concat([bytes, rest]))
          if (isWhole) {
            await waitFor(
              () => frames().some(({ payload }) => textOf(payload) === probe) || wire.isClosed,
              'a WebSocket that is as good as before passes on what follows',
            )
          } else if (isEnded) await waitFor(() => wire.isClosed, 'a WebSocket that is over is closed')
          else await Bun.sleep(PATIENCE_MS)
          wire.close()
          await waitFor(() => connection.isClosed, 'the application is let go')
          check(frames(), isWhole ? [...told, ['text', probe, false]] : told, isWhole || last?.[0] === 'close')
        } finally {
          wire.close()
        }
        hold(!gate.log.some(line => line.includes('an unexpected error')), 'nothing fails on our side', gate.log.at(-1))
        return `${isCompressed} ${isWhole} ${told.slice(0, 4).map(([kind, what, was]) => `${kind}${kind === 'fault' ? what : was === true}`)}`
      },
      async close() {
        await gate[Symbol.asyncDispose]()
        await upstream.close()
      },
    }
  },
}

/** What the application was sent is good, and the beginning of what the client said, or all of it. */
function check(frames: readonly WireFrame[], told: readonly Told[], isAll: boolean): void {
  for (const { opcode, payload, isFinal, reserved } of frames) {
    hold([1, 2, 8, 9, 10].includes(opcode) && isFinal && reserved === 0, 'the application is sent good frames', opcode)
    hold(opcode < 8 || payload.length < 126, 'a word about the connection is short', payload.length)
  }
  const messages = frames
    .filter(({ opcode }) => opcode < 8)
    .map(({ opcode, payload }) => `${opcode} ${textOf(payload)}`)
  const meant = told.flatMap(([kind, what]) => {
    if (kind === 'text') return [`1 ${Buffer.from(String(what), 'utf8').toString('latin1')}`]
    return kind === 'binary' ? [`2 ${what}`] : []
  })
  hold(
    messages.every((message, index) => message === meant[index]),
    'what was said arrives in turn',
    messages,
    meant,
  )
  hold(!isAll || messages.length === meant.length, 'all that was said arrives', messages, meant)
  const pings = told.filter(([kind]) => kind === 'ping').map(([, what]) => what)
  for (const { payload } of frames.filter(({ opcode }) => opcode === 9)) {
    const at = pings.indexOf(textOf(payload))
    hold(at !== -1, 'no ping arrives that nobody sent', textOf(payload))
    pings.splice(0, at + 1)
  }
  const end = told.at(-1)
  const closing = frames.find(({ opcode }) => opcode === 8)?.payload
  if (end?.[0] === 'close' && closing !== undefined) {
    const said =
      closing.length === 0
        ? [1005, '']
        : [(closing[0] ?? 0) * 256 + (closing[1] ?? 0), Buffer.from(closing.subarray(2)).toString('utf8')]
    hold(said[0] === end[1] && said[1] === end[2], 'an end is passed on as it was said', said, end)
  }
}

async function waitFor(holds: () => boolean, what: string): Promise<void> {
  const giveUpAt = performance.now() + GIVE_UP_MS
  while (!holds()) {
    hold(performance.now() < giveUpAt, what)
    await Bun.sleep(1)
  }
}

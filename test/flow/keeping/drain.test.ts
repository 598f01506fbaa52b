import { expect, test } from 'bun:test'
import { QUIET_MS } from '../../../src/process/start.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { type Child, freePort, startChild } from '../../kit/programs/child.ts'
import { routeTo } from '../../kit/toml.ts'
import { openHttp2 } from '../../kit/wire/tls.ts'
import { openWire } from '../../kit/wire/wire.ts'

/** What a slow answer waits for. */
let slowly = async (): Promise<void> => undefined

const keep = untilTheEnd()
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      if (new URL(request.url).pathname === '/slow') await slowly()
      return new Response('here')
    },
  }),
)

const CONNECTIONS = 128

/** What became of connections that were kept and used until they ended. */
interface Load {
  answered: number
  /** Connections that were answered at all. */
  begun: number
  /** Connections whose last answer said that it was. */
  told: number
  /** Requests that were sent and never answered. */
  lost: number
}

/** Each connection asks again as soon as it is answered, until an answer says that it is the last one. */
function askOnAndOn(port: number, path: string): { readonly load: Load; readonly done: Promise<unknown> } {
  const load: Load = { answered: 0, begun: 0, told: 0, lost: 0 }
  const done = Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const wire = await openWire(port)
      for (let asked = 0; ; asked++) {
        await wire.send(`GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`)
        const { status, field } = await wire.receive()
        if (status !== 200) return void load.lost++
        load.answered++
        if (asked === 0) load.begun++
        if (field('connection') === 'close') break
      }
      load.told++
      wire.close()
    }),
  )
  return { load, done }
}

async function startOn(folder: string, port: number, workers: number): Promise<Child> {
  const toml = `workers = ${workers}\naccess_log = false\ndrain = "50s"\n${routeTo(upstream, 'app.example', 'allow = "public"')}`
  return startChild({ command: [await compiledBinary()], folder, port, toml })
}

/** How long this process was without a turn at most: what it was sent meanwhile, it has read later. */
function watchTurns() {
  let lastMs = performance.now()
  let longestMs = 0
  const timer = setInterval(() => {
    const nowMs = performance.now()
    longestMs = Math.max(longestMs, nowMs - lastMs)
    lastMs = nowMs
  }, 5)
  return {
    longestMs: () => Math.max(longestMs, performance.now() - lastMs),
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

/** Tells a gate to stop whose connections are all in use; answers what became of them, and how long their clients were away. */
async function stopInUse(workers: number) {
  using folder = temporaryFolder()
  const port = await freePort()
  await using child = await startOn(folder.path, port, workers)
  let underWay = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  slowly = () => {
    underWay++
    return promise
  }
  const quick = askOnAndOn(port, '/')
  const slow = askOnAndOn(port, '/slow')
  await eventually(() => quick.load.begun === CONNECTIONS && underWay === CONNECTIONS, 'all are under way')
  using turns = watchTurns()
  child.process.kill('SIGTERM')
  await quick.done
  const awayMs = turns.longestMs()
  resolve()
  await slow.done
  return { quick: quick.load, slow: slow.load, awayMs, code: await child.process.exited }
}

test.each([
  ['one process', 1],
  ['two workers', 2],
])(
  'RFC 9112 §9.6: %s that stops says so on every kept connection, and no request is lost',
  async (_what, workers) => {
    let stopped = await stopInUse(workers)
    // Clients that had no turn for about as long as it waits for them were away, as far as it can know: they try again.
    while (stopped.quick.lost > 0 && stopped.awayMs > QUIET_MS / 2) stopped = await stopInUse(workers)
    const { quick, slow, code } = stopped
    expect(quick).toEqual({ answered: expect.any(Number), begun: CONNECTIONS, told: CONNECTIONS, lost: 0 })
    // Those were under way when it was told to stop, and their answers come when nothing else does.
    expect(slow).toEqual({ answered: CONNECTIONS, begun: CONNECTIONS, told: CONNECTIONS, lost: 0 })
    expect(code).toBe(0)
  },
  300_000,
)

needs('openssl').test(
  'RFC 9113 §6.8: a client of HTTP/2 is told too, and every request that it could send is answered',
  async () => {
    const authority = makeAuthority()
    const { cert, key } = authority.issue('DNS:app.example')
    const tls = '[tls]\nlisten = ["127.0.0.1:0"]\ncertificates = [{ cert = "app.pem", key = "app.key" }]\n'
    const gate = await startGate(tls + routeTo(upstream, 'app.example', 'allow = "public"'), {
      files: { 'app.pem': cert, 'app.key': key },
      quietMs: 50,
    })
    using client = openHttp2({ port: gate.securePort, name: 'app.example', ca: authority.cert })
    let answered = 0
    const failures: unknown[] = []
    const load = Promise.all(
      Array.from({ length: 16 }, async () => {
        for (;;) {
          try {
            expect((await client.ask('/')).status).toBe(200)
            answered++
          } catch (error) {
            return void failures.push(Object(error).code)
          }
        }
      }),
    )
    await eventually(() => answered > 100, 'it asks and asks')
    await gate[Symbol.asyncDispose]()
    await load
    // Each found its connection ended before it asked, and none while it waited.
    expect(failures).toEqual(failures.map(() => 'ERR_HTTP2_GOAWAY_SESSION'))
  },
)

test('only what is answered while it stops is told so', async () => {
  const gate = await startGate(routeTo(upstream, 'app.example', 'allow = "public"'), {
    quietMs: 50,
  })
  const wire = await openWire(gate.port)
  await wire.send('GET / HTTP/1.1\r\nHost: app.example\r\n\r\n')
  expect((await wire.receive()).field('connection')).toBeNull()
  await gate[Symbol.asyncDispose]()
  expect((await wire.receive()).isClosed).toBe(true)
})

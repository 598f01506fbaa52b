/** Clients that take nothing of their answers: what they hold is bounded. With little memory: `unread-memory.test.ts`. */
import { expect, test } from 'bun:test'
import { startApp } from '../../../kit/applications/app.ts'
import { eventually, startGate } from '../../../kit/gate.ts'
import { metricsOf } from '../../../kit/requests.ts'
import { openWire, sendRaw, type Wire } from '../../../kit/wire/wire.ts'

const BLOCK = Buffer.alloc(256 * 1024, 'x')

/** Answers `/endless` as long as someone takes it, `/quiet` with a beginning and nothing more, and anything else at once. */
function startEndless() {
  return startApp((request, response) => {
    if (request.url === '/quiet') return void response.write('begun')
    if (request.url !== '/endless') return void response.end('plain')
    const pump = (): void => {
      while (!response.destroyed) if (!response.write(BLOCK)) return void response.once('drain', pump)
    }
    pump()
  })
}

function route(port: number): string {
  return `[[routes]]\nhost = "app.example"\nupstream = "http://127.0.0.1:${port}"\nallow = "public"\n`
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`
}

async function openUnread(port: number): Promise<Wire> {
  const wire = await openWire(port)
  wire.pause()
  await wire.send(get('/endless'))
  return wire
}

async function metric(adminPort: number, name: string): Promise<number> {
  const text = await metricsOf({ adminPort })
  return Number(new RegExp(`^sallyport_${name} (\\d+)`, 'm').exec(text)?.[1])
}

/** Which bodies Bun hands on by itself: what is said below holds for all of them, and for none. */
const UNSEEN = ['every', 'none'] as const

test.each(UNSEEN)(
  'where of bodies %s goes unseen, an answer that its client takes nothing of for stall_timeout is cut, and one whose application is silent is not',
  async unseen => {
    await using app = await startEndless()
    await using gate = await startGate(route(app.port), { unseen, server: 'stall_timeout = "2s"' })
    const quiet = await openWire(gate.port)
    await quiet.send(get('/quiet'))
    const unread = await openUnread(gate.port)
    await eventually(async () => (await metric(gate.adminPort, 'stalled_total')) === 1, 'one is cut')
    await eventually(() => app.underWay === 1, 'its application is let go')
    expect(quiet.isClosed).toBe(false)
    expect(quiet.received.includes('begun')).toBe(true)
    expect(gate.told('Answers were cut: their clients took no more of them')).not.toEqual([])
    quiet.close()
    unread.close()
    await eventually(async () => (await metric(gate.adminPort, 'answers_open')) === 0, 'nothing is kept')
  },
  300_000,
)

test.each(UNSEEN)(
  'where of bodies %s goes unseen, a client has max_open answers under way, and a place again when one is over',
  async unseen => {
    await using app = await startEndless()
    await using gate = await startGate(route(app.port), { unseen, server: 'max_open = 3' })
    const open = await Promise.all([1, 2, 3].map(() => openUnread(gate.port)))
    await eventually(async () => (await metric(gate.adminPort, 'answers_open')) === 3, 'all are under way')
    const refused = await sendRaw(gate.port, get('/plain'))
    expect([refused.status, refused.field('retry-after'), refused.body.includes('limit.open')]).toEqual([
      429,
      '5',
      true,
    ])
    expect(await metric(gate.adminPort, 'open_limited_total')).toBe(1)
    open[0]?.close()
    await eventually(async () => (await sendRaw(gate.port, get('/plain'))).status === 200, 'a place')
    for (const wire of open) wire.close()
  },
  300_000,
)

test('an answer that its client has taken counts for max_open no more, however soon the next request comes', async () => {
  await using app = await startApp((_, response) => response.end(Buffer.alloc(40 * 1024, 'x')))
  await using gate = await startGate(route(app.port), { server: 'max_open = 3' })
  const statuses: number[] = []
  for (let count = 0; count < 20; count++) statuses.push((await sendRaw(gate.port, get('/plain'))).status)
  expect(statuses).toEqual(statuses.map(() => 200))
  expect(await metric(gate.adminPort, 'open_limited_total')).toBe(0)
}, 300_000)

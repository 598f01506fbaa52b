/** How long a request may take to be sent, whose fault it is when it stops, and what becomes of its connection. */
import { describe, expect, test } from 'bun:test'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { metricsOf } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { hasHead, httpResponse, openWire, startRawUpstream } from '../../kit/wire/wire.ts'

const LONG = 200_000

const keep = untilTheEnd()
const app = keep(
  await startRawUpstream(async connection => {
    const { raw } = await connection.receive({ until: hasHead, timeoutMs: 300_000 })
    const path = /^\S+ (\S+)/.exec(raw.toString('latin1'))?.[1] ?? ''
    if (path === '/early') return connection.send(httpResponse(403, 'no'))
    if (path === '/deaf') return connection.pause()
    const whole = (got: Buffer) => got.includes('LAST')
    if (!whole(raw)) await connection.receive({ until: whole, timeoutMs: 300_000 })
    if (path === '/') await connection.send(httpResponse(200, 'taken'))
  }),
)
const gate = keep(
  await startGate(routeTo(app, 'app.example', 'allow = "public"\ntimeout = "2s"'), { server: 'stall_timeout = "3s"' }),
)

async function begin(path: string, length: number | null) {
  const wire = await openWire(gate.port)
  const framing = length === null ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`
  await wire.send(`POST ${path} HTTP/1.1\r\nHost: app.example\r\n${framing}\r\n\r\n`)
  return wire
}

async function metric(name: string): Promise<number> {
  const text = await metricsOf(gate)
  return Number(new RegExp(`^sallyport_${name} (\\d+)`, 'm').exec(text)?.[1])
}

describe('timeout counts from the end of a request:', () => {
  const kinds = { short: 40, long: LONG, chunked: null } as const
  for (const [kind, length] of Object.entries(kinds)) {
    test(`a ${kind} one may take longer than that to be sent`, async () => {
      const wire = await begin('/', length)
      const steps = 10
      const step = (length ?? 40) / steps
      for (let count = 1; count <= steps; count++) {
        const bytes = (count === steps ? 'LAST' : '').padStart(step, 'x')
        await wire.send(length === null ? `${step.toString(16)}\r\n${bytes}\r\n` : bytes)
        await wire.send(250)
      }
      if (length === null) await wire.send('0\r\n\r\n')
      const { status, body } = await wire.receive()
      expect([status, body.toString()]).toEqual([200, 'taken'])
      wire.close()
    })
    test(`an application that does not answer a ${kind} one is told apart from one that is still receiving`, async () => {
      const wire = await begin('/silent', length)
      const bytes = 'LAST'.padStart(length ?? 40, 'x')
      await wire.send(length === null ? `28\r\n${bytes}\r\n0\r\n\r\n` : bytes)
      expect((await wire.receive()).status).toBe(504)
      wire.close()
    })
  }
})

describe('a request that goes on no more is ended', () => {
  for (const [kind, length] of Object.entries({ short: 40, long: LONG, chunked: null })) {
    test(`where its client stops sending a ${kind} one: 408, and the connection is closed, whatever drips`, async () => {
      const before = await metric('stalled_total')
      const wire = await begin('/', length)
      await wire.send(length === null ? '5\r\nbegun\r\n' : 'begun')
      const { status, body } = await wire.receive()
      expect([status, body.includes('target.stalled')]).toEqual([408, true])
      expect(await metric('stalled_total')).toBe(before + 1)
      await drip(wire)
    }, 300_000)
  }
  test('where its application stops taking it: 504, and the hint says what stopped', async () => {
    const wire = await begin('/deaf', 500_000_000)
    const block = Buffer.alloc(256 * 1024)
    const pump = async () => {
      for (let count = 0; count < 2000 && !wire.isClosed; count++) await wire.send(block)
    }
    void pump()
    expect((await wire.receive()).status).toBe(504)
    expect(gate.told('stopped taking', 'stall_timeout')).not.toEqual([])
    await eventually(async () => (await metric('uploads_open')) === 0, 'nothing is kept of it')
    await drip(wire)
  }, 300_000)
})

test('a connection that drips after an early answer is closed', async () => {
  const wire = await begin('/early', LONG)
  await wire.send('begun')
  expect((await wire.receive()).status).toBe(403)
  await drip(wire)
}, 300_000)

async function drip(wire: Awaited<ReturnType<typeof begin>>): Promise<void> {
  await eventually(async () => {
    await wire.send('x')
    await Bun.sleep(200)
    return wire.isClosed
  }, 'the connection is closed')
}

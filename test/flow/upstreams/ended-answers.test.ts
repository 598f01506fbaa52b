/** Answers that this gate ends in their middle: no fault of their upstream's. */
import { expect, test } from 'bun:test'
import { startApp } from '../../kit/applications/app.ts'
import { eventually, PORTAL, startGate } from '../../kit/gate.ts'
import { metricsOf } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { hasHead, openWire, startRawUpstream } from '../../kit/wire/wire.ts'

test.each([
  ['', 'none'],
  ['', 'every'],
  ['idle_timeout = "60s"', 'every'],
  ['max_connections = 5', 'every'],
] as const)(
  'what a save ends is not told as broken off, with %p, where of bodies %s goes unseen',
  async (lines, unseen) => {
    await using app = await startApp((_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).write('begun')
    })
    const toml = (allow: string) =>
      `${PORTAL}[upstreams.one]\nto = "http://127.0.0.1:${app.port}"\n${lines}
[[routes]]\nhost = "app.example"\nupstream = "@one"\nportal = "home"\nallow = ${allow}\n`
    await using gate = await startGate(toml('"public"'), { unseen })
    const wire = await openWire(gate.port)
    await wire.send('GET / HTTP/1.1\r\nHost: app.example\r\n\r\n')
    await eventually(() => wire.received.includes('begun'), 'it has begun')
    gate.save(toml('["admin"]'))
    await eventually(() => wire.isClosed && app.underWay === 0, 'both sides are let go')
    const metrics = await metricsOf(gate)
    expect(metrics).toContain('\nsallyport_truncated_total 0\n')
    expect(gate.told('upstream.broken')).toEqual([])
  },
  300_000,
)

test.each([
  ['of unknown length, with a reason phrase that is not ASCII', 'Accès refusé', 'Transfer-Encoding: chunked'],
  ['with a reason phrase as long as its body', 'r'.repeat(200), 'Content-Length: 150'],
])('one %s is ended by a save, too', async (_, reason, framing) => {
  await using app = await startRawUpstream(async connection => {
    await connection.receive({ until: hasHead })
    const body = framing.startsWith('Content') ? 'begun' : '5\r\nbegun\r\n'
    await connection.send(`HTTP/1.1 200 ${reason}\r\nContent-Type: text/plain\r\n${framing}\r\n\r\n${body}`)
  })
  const toml = (allow: string) => `${PORTAL}\n${routeTo(app, 'app.example', `portal = "home"\nallow = ${allow}`)}`
  await using gate = await startGate(toml('"public"'))
  const wire = await openWire(gate.port)
  await wire.send('GET / HTTP/1.1\r\nHost: app.example\r\n\r\n')
  await eventually(() => app.connections.some(({ received }) => hasHead(received)), 'it was asked')
  await eventually(async () => !/^sallyport_requests_in_flight 0$/m.test(await metricsOf(gate)), 'it is under way')
  gate.save(toml('["admin"]'))
  await eventually(() => wire.isClosed && app.connections.every(({ isClosed }) => isClosed), 'both sides are let go')
})

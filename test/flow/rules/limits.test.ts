import { describe, expect, test } from 'bun:test'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { metricsOf } from '../../kit/requests.ts'
import { hasHead, httpResponse, openWire, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(
  await startRawUpstream(async connection => {
    const { raw } = await connection.receive({ until: hasHead, timeoutMs: 300_000 })
    const path = /^\S+ (\S+)/.exec(raw.toString('latin1'))?.[1]
    if (path === '/early') await connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n')
    else if (path !== '/late') await connection.send(httpResponse(200, 'ok', ['Connection: close']))
    else {
      await connection.receive({
        until: () => connection.received.toString('latin1').endsWith('0\r\n\r\n'),
        timeoutMs: 300_000,
      })
      await connection.send(httpResponse(200, 'whole', ['Connection: close']))
    }
  }),
)
const at = `http://127.0.0.1:${upstream.port}`
const route = (host: string, more: string, to = `"${at}"`) =>
  `[[routes]]\nhost = "${host}.example"\nupstream = ${to}\nallow = "public"\n${more}\n`
const gate = keep(
  await startGate(
    [
      route('ten', 'max_body = "10B"'),
      route('several', 'max_body = "10B"', `["http://127.0.0.1:1", "${at}"]`),
      route('server', ''),
      route('open', 'max_body = "off"'),
    ].join('\n'),
    { server: 'max_body = "1kB"' },
  ),
)

function announced(host: string, length: number, fields = ''): string {
  return `POST /late HTTP/1.1\r\nHost: ${host}.example\r\n${fields}Content-Length: ${length}\r\n\r\n`
}

function chunked(host: string, path: string, ...sizes: number[]): string {
  const chunks = sizes.map(size => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`).join('')
  return `POST ${path} HTTP/1.1\r\nHost: ${host}.example\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`
}

async function metric(name: string): Promise<number> {
  const text = await metricsOf(gate)
  return Number(new RegExp(`^sallyport_${name}_total (\\d+)$`, 'm').exec(text)?.[1])
}

describe('a body', () => {
  test('whose announced length is over max_body is 413 before the upstream is touched, and the connection ends', async () => {
    const before = upstream.connections.length
    const counted = await metric('too_large')
    const response = await sendRaw(gate.port, announced('ten', 11))
    expect(response.status).toBe(413)
    expect(response.field('connection')).toBe('close')
    expect(response.body.toString()).toContain('"code":"target.too_large"')
    expect(upstream.connections.length).toBe(before)
    expect(await metric('too_large')).toBe(counted + 1)
  })
  test('that is too long is a page for a person', async () => {
    const response = await sendRaw(gate.port, announced('ten', 11, 'Accept: text/html\r\n'))
    expect(response.status).toBe(413)
    expect(response.field('content-type')).toStartWith('text/html')
  })
  test('of exactly max_body passes, announced or in chunks', async () => {
    for (const request of [
      `${announced('ten', 10).replace('/late', '/')}0123456789`,
      `${chunked('ten', '/', 4, 6)}0\r\n\r\n`,
    ])
      expect((await sendRaw(gate.port, request)).status).toBe(200)
  })
  test.each(['ten', 'several'])(
    'in chunks is 413 once it is too long, and the upstream never sees its end (%s)',
    async host => {
      const before = upstream.connections.length
      const wire = await openWire(gate.port)
      await wire.send(chunked(host, '/late', 6))
      const reached = () => upstream.connections[before]?.received.includes('xxxxxx') === true
      await eventually(reached, 'the upstream is reached')
      await wire.send('5\r\nabcde\r\n')
      const response = await wire.receive()
      expect(response.status).toBe(413)
      expect(response.body.toString()).toContain('"code":"target.too_large"')
      const [connection] = upstream.connections.slice(before)
      await eventually(() => connection?.isClosed === true, 'the upstream is let go')
      const received = connection?.received.toString('latin1') ?? ''
      expect(received).toContain('xxxxxx')
      expect(received).not.toContain('abcde')
      expect(received).not.toEndWith('0\r\n\r\n')
      wire.close()
    },
  )
  test('that is too long after the answer has begun cuts the answer and the upstream', async () => {
    const before = upstream.connections.length
    const wire = await openWire(gate.port)
    await wire.send(chunked('ten', '/early', 6))
    await eventually(() => wire.received.includes('begun'), 'the answer begins')
    await wire.send('5\r\nabcde\r\n')
    await eventually(() => wire.isClosed, 'the answer is cut')
    expect(wire.received.toString('latin1')).not.toEndWith('0\r\n\r\n')
    await eventually(() => upstream.connections[before]?.isClosed === true, 'the upstream is let go')
    expect(upstream.connections[before]?.received.toString('latin1')).not.toContain('abcde')
  })
  test('is held to max_body of [server] where the route says nothing, and to nothing where it says "off"', async () => {
    expect((await sendRaw(gate.port, announced('server', 1001))).status).toBe(413)
    expect((await sendRaw(gate.port, `${chunked('open', '/late', 2000)}0\r\n\r\n`)).body.toString()).toBe('whole')
  })
})

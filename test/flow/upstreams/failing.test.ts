/** What is said of an application that fails: to the client, in the log and in the metrics. */
import { describe, expect, test } from 'bun:test'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { plant } from '../../kit/log/planted.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { metricsOf } from '../../kit/requests.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { askForWebSocket } from '../../kit/wire/websocket.ts'
import { openWire, sendRaw, startRawUpstream, type UpstreamConnection } from '../../kit/wire/wire.ts'

const SECRET = 'planted-secret'
plant(SECRET, 'in a query')
const CHUNKED = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n'

/** How an application fails, by the path that it is asked for; each closes its connection then. */
const FAILURES: Readonly<Record<string, string>> = {
  '/nothing': '',
  '/no-http': 'nonsense\r\n\r\n',
  '/half-a-head': 'HTTP/1.1 200 OK\r\nContent-',
  '/no-body': CHUNKED,
  '/bad-chunk': `${CHUNKED}zzz\r\n`,
  '/half-chunked': `${CHUNKED}5\r\nbegun\r\n`,
  '/half-short': 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nbegun',
  '/half-long': 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\nbegun',
  '/half-untyped': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n',
  '/half-events': `${CHUNKED.replace('plain', 'event-stream')}5\r\nbegun\r\n`,
  '/switched': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n',
}
/** Those whose beginning is sent before they fail. */
const HALVES = ['/half-chunked', '/half-long', '/half-events']
const HOSTS = ['plain.example', 'limited.example', 'several.example']

const keep = untilTheEnd()
const folder = keep(temporaryFolder())
const upstream = keep(await startRawUpstream(answer))
const admin = await freePort()
const to = `http://127.0.0.1:${upstream.port}`
const route = (host: string, leads: string) => `[[routes]]\nhost = "${host}"\nupstream = ${leads}\nallow = "public"\n`
const gate = keep(
  await startChild({
    command: [await compiledBinary()],
    folder: folder.path,
    port: await freePort(),
    toml: [
      `admin = "127.0.0.1:${admin}"\nlog_level = "debug"\n`,
      route('plain.example', `"${to}"`),
      route('limited.example', `{ to = "${to}", max_connections = 100, idle_timeout = "30s" }`),
      route('several.example', `["${to}/one", "${to}/two"]`),
      route('dead.example', '"http://127.0.0.1:9"'),
    ].join('\n'),
  }),
)

/** What an answer that breaks off waits for; null: nobody looks at its beginning. */
let begun: Promise<void> | null = null

async function answer(connection: UpstreamConnection): Promise<void> {
  const { raw } = await connection.receive({ until: got => got.includes('\r\n\r\n'), timeoutMs: 300_000 })
  const path = /^\S+ (?:\/one|\/two)?([^ ?]*)/.exec(raw.toString('latin1'))?.[1] ?? ''
  const status = /^\/status\/(\d+)/.exec(path)?.[1]
  if (status !== undefined) {
    await connection.send(
      `HTTP/1.1 ${status} Odd\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok`,
    )
    connection.end()
    return
  }
  if (path === '/silent') return
  await connection.send(FAILURES[path] ?? '')
  await (begun ?? connection.send(200))
  connection.close()
}

async function count(name: string): Promise<number> {
  const text = await metricsOf({ adminPort: admin })
  return Number(new RegExp(`^sallyport_${name} (\\d+)$`, 'm').exec(text)?.[1])
}

describe.each(HOSTS)('%s:', host => {
  test('no line that anybody writes has a query', async () => {
    const paths = [...Object.keys(FAILURES), '/status/700', '/status/999']
    const requests = paths.flatMap(path => [
      rawRequest(`GET ${path}?token=${SECRET}&b=${SECRET}`, host),
      askForWebSocket(host, `${path}?token=${SECRET}`, ['Connection: close']),
    ])
    await Promise.all(requests.map(request => sendRaw(gate.port, request, { timeoutMs: 300_000 })))
    await sendRaw(gate.port, rawRequest(`GET /?token=${SECRET}`, 'dead.example'))
    // Lines go out in batches, that of the last request with the last of them.
    for (const part of ['"path":"/half-long"', '"host":"dead.example"'])
      await eventually(() => gate.output().includes(part), `a line with ${part}`)
    expect(
      gate
        .output()
        .split('\n')
        .filter(line => line.includes(SECRET)),
    ).toEqual([])
  }, 300_000)

  test.each(HALVES)('%s is counted, and told in the log with its route', async path => {
    const before = await count('truncated_total')
    const lines = gate.output().length
    const { promise, resolve: breakOff } = Promise.withResolvers<void>()
    begun = promise
    const wire = await openWire(gate.port)
    await wire.send(rawRequest(`GET ${path}?a=b`, host))
    expect((await wire.receive({ until: got => got.includes('begun') })).status).toBe(200)
    breakOff()
    begun = null
    await eventually(() => wire.isClosed, 'it is cut')
    expect(wire.received.toString('latin1')).not.toEndWith('0\r\n\r\n')
    await eventually(async () => (await count('truncated_total')) === before + 1, 'it is counted')
    const told = gate.output().slice(lines)
    expect(told.split('in the middle of its answer","route":')).toHaveLength(2)
    expect(told).toContain(`"route":"${host}/"`)
  })

  test.each([600, 700, 999])('a status of %p is a broken answer', async status => {
    const before = await count('upstream_errors_total')
    const answered = await sendRaw(gate.port, rawRequest(`GET /status/${status}`, host, ['Accept: application/json']))
    expect(answered.status).toBe(502)
    expect(answered.body.toString()).toContain('"upstream.broken"')
    expect(await count('upstream_errors_total')).toBe(before + 1)
  })

  test.each([200, 299, 404, 599])('a status of %p passes', async status => {
    expect((await sendRaw(gate.port, rawRequest(`GET /status/${status}`, host))).status).toBe(status)
  })

  test('a client that leaves is no failure of its upstream', async () => {
    const before = await count('upstream_errors_total')
    const lines = gate.output().length
    for (const waitMs of [0, 1000]) {
      const wire = await openWire(gate.port)
      const legs = upstream.connections.length
      await wire.send(`GET /silent HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      await eventually(() => upstream.connections.length > legs, 'the upstream is asked')
      await Bun.sleep(waitMs)
      wire.close()
      await eventually(() => upstream.connections[legs]?.isClosed === true, 'the upstream is let go')
    }
    await eventually(() => gate.output().slice(lines).split('"status":499').length === 3, 'both are recorded')
    expect(await count('upstream_errors_total')).toBe(before)
    expect(gate.output().slice(lines)).not.toContain('could not be answered')
  }, 300_000)
})

/**
 * Requests whose client resets the connection behind them (SO_LINGER 0): by the time they are read, Bun knows no address any more.
 *
 * They come from 127.0.0.2, which is trusted by nobody; 127.0.0.1 is a trusted proxy, and a rule lets it in.
 */
import { expect } from 'bun:test'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { makeAuthority } from '../../kit/certificates.ts'
import { eventually, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Field, headers, openHttp2Wire } from '../../kit/wire/http2.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const { describe, test } = needs('openssl', '127.0.0.2')

const STRANGER = '127.0.0.2'
const COUNT = 40
/** What would be let in at each host, as a trusted proxy says it: itself, or whom it speaks for. */
const ADDRESSES: Readonly<Record<string, string>> = { 'loopback.example': '127.0.0.1', 'inner.example': '10.1.2.3' }
const SAID: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(ADDRESSES).map(([host, address]) => [host, [`X-Forwarded-For: ${address}`]]),
)

const authority = makeAuthority()
const own = authority.issue('DNS:loopback.example, DNS:inner.example')

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const route = (host: string, network: string) =>
  `[[routes]]
host = "${host}"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = [{ networks = ["${network}"], anonymous = true }]
`
const gate = keep(
  await startGate(
    `[tls]
listen = ["127.0.0.1:0"]
redirect_http = false
certificates = [{ cert = "own.pem", key = "own.key" }]
${PORTAL}${route('loopback.example', '127.0.0.1')}${route('inner.example', '10.0.0.0/8')}`,
    { server: 'trusted_proxies = ["127.0.0.1"]', files: { 'own.pem': own.cert, 'own.key': own.key } },
  ),
)

/** Sends one request from the stranger's address, and a reset right behind it. */
type SendAndReset = (host: string) => Promise<void>

const WAYS: readonly (readonly [name: string, send: SendAndReset])[] = [
  [
    'HTTP/1.1',
    host => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const socket = connect({ host: '127.0.0.1', port: gate.port, localAddress: STRANGER })
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
      socket.on('connect', () =>
        socket.write(rawRequest('DELETE /x', host, SAID[host]), () => socket.resetAndDestroy()),
      )
      return promise
    },
  ],
  [
    'TLS',
    host => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const socket = connect({ host: '127.0.0.1', port: gate.securePort, localAddress: STRANGER })
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
      const secure = connectTls({ socket, servername: host, ca: authority.cert }, () =>
        secure.write(rawRequest('DELETE /x', host, SAID[host]), () => socket.resetAndDestroy()),
      )
      secure.on('error', () => undefined)
      return promise
    },
  ],
  [
    'HTTP/2',
    async host => {
      const { socket, below, frames } = await openHttp2Wire(
        { port: gate.securePort, name: host, ca: authority.cert },
        STRANGER,
      )
      await eventually(() => frames().length > 0, 'the settings of the gate')
      const { promise, resolve } = Promise.withResolvers<void>()
      const fields: readonly Field[] = [
        [':method', 'DELETE'],
        [':scheme', 'https'],
        [':path', '/x'],
        [':authority', host],
        ['x-forwarded-for', ADDRESSES[host] ?? ''],
      ]
      below.on('close', () => resolve())
      socket.write(headers(fields, true), () => below.resetAndDestroy())
      await promise
    },
  ],
]

interface Row {
  readonly client: string
  readonly host: string
}

const rowsSince = (count: number) => gate.access.slice(count).map(line => JSON.parse(line) as Row)

describe.each(WAYS)('%s', (_, sendAndReset) => {
  test.each(Object.keys(SAID))(
    'a request behind which the connection was reset counts as nobody’s at %s',
    async host => {
      const [touched, seen] = [upstream.text.length, gate.access.length]
      await Promise.all(Array.from({ length: COUNT }, () => sendAndReset(host)))
      // Whoever is still there is served after them.
      await sendRaw(gate.port, rawRequest('GET /after', 'none.example'))
      await eventually(() => rowsSince(seen).some(row => row.host === 'none.example'), 'the one after them')
      expect(upstream.text.slice(touched)).toBe('')
      await eventually(() => rowsSince(seen).some(({ client }) => client === '-'), 'one without an address')
      const others = rowsSince(seen).filter(row => row.host === host && row.client !== STRANGER)
      expect(others).toEqual([])
    },
  )
})

test.each(Object.keys(SAID))(
  'the same request of 127.0.0.1, which stays to hear the answer, passes at %s',
  async host => {
    expect((await sendRaw(gate.port, rawRequest('DELETE /x', host, SAID[host]))).status).toBe(200)
  },
)

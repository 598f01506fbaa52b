import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { metricOf } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { WEBSOCKET_KEY } from '../../kit/wire/websocket.ts'
import {
  hasHead,
  httpResponse,
  openWire,
  type RawUpstream,
  sendRaw,
  startRawUpstream,
  type Wire,
} from '../../kit/wire/wire.ts'

function handshake(cookie: string, version = '13'): string {
  const fields = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: ${version}\r\nSec-WebSocket-Key: ${WEBSOCKET_KEY}`
  return `GET /ws HTTP/1.1\r\nHost: app.example\r\nCookie: ${cookie}\r\n${fields}\r\n\r\n`
}

/** An upstream that takes connections, and reads, but never answers. */
const silent = (): Promise<RawUpstream> =>
  startRawUpstream(async connection => {
    await connection.receive({ until: () => false, timeoutMs: 300_000 })
  })

function file(upstream: RawUpstream, role: string): string {
  const route = routeTo(upstream, 'app.example', 'portal = "home"')
  return `${PORTAL}\n${route}\nallow = ["${role}"]\n`
}

/** Someone's handshake that has reached an upstream which does not answer. */
async function opening(gate: Gate, upstream: RawUpstream, cookie: string): Promise<Wire> {
  const wire = await openWire(gate.port)
  await wire.send(handshake(cookie))
  await eventually(() => upstream.connections.some(({ received }) => hasHead(received)), 'the upstream is asked')
  return wire
}

describe('RFC 6455 §4.4: a handshake of another version', () => {
  test.each(['8', '14', ''])(
    '("%s") is 426 with the version that is spoken, and reaches no upstream',
    async version => {
      const upstream = await silent()
      await using gate = await startGate(file(upstream, 'user'))
      const { cookie } = await gate.signIn('app.example')
      const response = await sendRaw(gate.port, handshake(cookie, version))
      expect(response.status).toBe(426)
      expect(response.field('sec-websocket-version')).toBe('13')
      expect(response.field('upgrade')).toBe('websocket')
      expect(response.field('connection')?.toLowerCase()).toBe('upgrade')
      expect(response.body.toString()).toContain('"code":"websocket.version"')
      expect(upstream.connections.length).toBe(0)
      await upstream.close()
    },
  )
})

test('without WebSockets on its route, a handshake is the plain request that is left of it', async () => {
  const upstream = await startRawUpstream(async connection => {
    await connection.receive({ until: hasHead, timeoutMs: 300_000 })
    await connection.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain')
  })
  await using gate = await startGate(`${file(upstream, 'user')}websockets = false\n`)
  const { cookie } = await gate.signIn('app.example')
  const response = await sendRaw(gate.port, handshake(cookie))
  expect([response.status, response.body.toString()]).toEqual([200, 'plain'])
  expect(upstream.connections.map(({ received }) => /^upgrade:/im.test(received.toString()))).toEqual([false])
  await upstream.close()
})

test('RFC 6455 §10.2: a page of another site opens none where nobody signs in, but not everybody may pass', async () => {
  const upstream = await silent()
  const route = routeTo(upstream, 'app.example', 'allow = [{ networks = ["127.0.0.0/8"], anonymous = true }]')
  await using gate = await startGate(`${PORTAL}\n${route}`)
  const from = (origin: string) => handshake('none=0').replace('Cookie:', `Origin: ${origin}\r\nCookie:`)
  const response = await sendRaw(gate.port, from('http://evil.example'))
  expect([response.status, response.body.toString().includes('"code":"access.origin"')]).toEqual([403, true])
  expect(upstream.connections.length).toBe(0)
  const own = await openWire(gate.port)
  await own.send(from('http://app.example'))
  await eventually(() => upstream.connections.some(({ received }) => hasHead(received)), 'its own page opens one')
  own.close()
  await upstream.close()
})

describe('RFC 6455 §10.2: a page of another site opens none by a public path that an application may read as another', () => {
  const to = (upstream: RawUpstream, path: string, lines: string) =>
    `[[routes]]\nhost = "app.example"\npath = "${path}"\nupstream = "http://127.0.0.1:${upstream.port}"\n${lines}\n`
  const cases = [
    ['that asks who is there', 'portal = "home"\nallow = ["user"]'],
    ['where not everybody may pass', 'allow = [{ networks = ["127.0.0.0/8"], anonymous = true }]'],
  ] as const
  test.each(cases)('%s', async (_, lines) => {
    const upstream = await startRawUpstream([httpResponse(404, '')])
    await using gate = await startGate(
      [PORTAL, to(upstream, '/', 'allow = "public"'), to(upstream, '/inner', lines)].join('\n'),
    )
    const { cookie } = await gate.signIn('app.example')
    const from = (origin: string) =>
      handshake(cookie).replace('/ws', '/inn%65r/ws').replace('Cookie:', `Origin: ${origin}\r\nCookie:`)
    const response = await sendRaw(gate.port, from('http://evil.example'))
    expect([response.status, response.body.toString().includes('"code":"access.origin"')]).toEqual([403, true])
    expect(upstream.connections.length).toBe(0)
    // The same page opens one where everybody may pass, and its own page this one.
    const elsewhere = from('http://evil.example').replace('/inn%65r/ws', '/outer/ws')
    expect((await sendRaw(gate.port, elsewhere)).status).toBe(404)
    expect((await sendRaw(gate.port, from('http://app.example'))).status).toBe(404)
    await upstream.close()
  })
})

test('a field with what Bun 1.4.5 takes beside text goes on as by HTTP, and counts for no connection that is open', async () => {
  const upstream = await startRawUpstream([httpResponse(404, '')])
  await using gate = await startGate(routeTo(upstream, 'app.example', 'allow = "public"'))
  for (let turn = 0; turn < 3; turn++) {
    const request = handshake('a=b').replace('Cookie:', 'X-A: a\x7fb\xe4\r\nCookie:')
    expect((await sendRaw(gate.port, Buffer.from(request, 'latin1'))).status).toBe(404)
  }
  expect(upstream.text.match(/x-a: a\x7fb\xe4\r\n/gi)).toHaveLength(3)
  const label = `127.0.0.1:${upstream.port}`
  const underWay = `sallyport_upstream_in_flight{upstream="${label}",address="${label}"}`
  await eventually(async () => (await metricOf(gate, underWay)) === 0, 'none is under way')
  await upstream.close()
})

test('one whose application has no socket file is 502 at once, and counts for no connection that is open', async () => {
  using folder = temporaryFolder()
  const socket = `unix:${join(folder.path, 'none.sock')}`
  const route = `[[routes]]\nhost = "app.example"\nallow = "public"\nupstream = "${socket}"\n`
  await using gate = await startGate(route)
  const response = await sendRaw(gate.port, handshake('a=b'))
  expect([response.status, response.body.toString().includes('"code":"upstream.refused"')]).toEqual([502, true])
  expect(await metricOf(gate, `sallyport_upstream_in_flight{upstream="${socket}",address="${socket}"}`)).toBe(0)
})

describe('a WebSocket whose upstream has not answered yet is given up', () => {
  async function expectGivenUp(wire: Wire, upstream: RawUpstream, status: 401 | 403): Promise<void> {
    const response = await wire.receive()
    expect(response.status).toBe(status)
    expect(response.body.toString()).toContain(`"code":"${status === 401 ? 'access.sign_in' : 'access.denied'}"`)
    await eventually(() => upstream.connections.every(({ isClosed }) => isClosed), 'the upstream is let go')
    wire.close()
    await upstream.close()
  }

  test('when its session is signed out', async () => {
    const upstream = await silent()
    await using gate = await startGate(file(upstream, 'user'))
    const { cookie } = await gate.signIn('app.example')
    const wire = await opening(gate, upstream, cookie)
    const out = await sendRaw(
      gate.port,
      `POST /.sallyport/logout HTTP/1.1\r\nHost: app.example\r\nCookie: ${cookie}\r\nOrigin: http://app.example\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n\r\n`,
    )
    expect(out.status).toBe(303)
    await expectGivenUp(wire, upstream, 401)
  })

  test('when a reload no longer allows it', async () => {
    const upstream = await silent()
    await using gate = await startGate(file(upstream, 'user'))
    const { cookie } = await gate.signIn('app.example')
    const wire = await opening(gate, upstream, cookie)
    gate.save(file(upstream, 'admin'))
    gate.server.reload()
    await expectGivenUp(wire, upstream, 403)
  })

  test('and not when a reload still allows it', async () => {
    const upstream = await silent()
    await using gate = await startGate(file(upstream, 'user'))
    const { cookie } = await gate.signIn('app.example')
    const wire = await opening(gate, upstream, cookie)
    gate.save(`${file(upstream, 'user')}\n# saved again`)
    gate.server.reload()
    await upstream.connections[0]?.send('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
    expect((await wire.receive()).status).toBe(404)
    wire.close()
    await upstream.close()
  })

  test('and its client when it leaves', async () => {
    const upstream = await silent()
    await using gate = await startGate(file(upstream, 'user'))
    const { cookie } = await gate.signIn('app.example')
    const wire = await opening(gate, upstream, cookie)
    wire.close()
    await eventually(() => upstream.connections.every(({ isClosed }) => isClosed), 'the upstream is let go')
    await upstream.close()
  })
})

import { expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { join } from 'node:path'
import { type App, startApp } from '../../kit/applications/app.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const { afterAll, describe, test } = needs('openssl')

const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())

const authority = makeAuthority()
const foreign = makeAuthority('Another authority')
const byAddress = authority.issue('DNS:app.internal,IP:127.0.0.1')
const byName = authority.issue('DNS:app.internal')
const expired = authority.issue('IP:127.0.0.1', { isExpired: true })
const gateOwn = authority.issue('DNS:gate')

const ca = file('ca.pem', authority.cert)
const foreignCa = file('foreign.pem', foreign.cert)
const gateCert = file('gate.pem', gateOwn.cert)
const gateKey = file('gate.key', gateOwn.key)

function file(name: string, text: string): string {
  const path = join(folder.path, name)
  writeFileSync(path, text)
  return path
}

/** The gate in front of an app, with these keys of `tls`. */
function gateTo(port: number, tls: string, more = ''): Promise<Gate> {
  return startGate(
    `[upstreams.app]\nto = "https://127.0.0.1:${port}"\n${tls === '' ? '' : `tls = { ${tls} }`}\n${more}\n[[routes]]\nhost = "app.example"\nupstream = "@app"\nallow = "public"\n`,
  )
}

async function get(gate: Gate): Promise<{ readonly status: number; readonly text: string; readonly code: unknown }> {
  const response = await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: 'app.example' } })
  const text = await response.text()
  const code = response.headers.get('content-type')?.includes('problem') ? JSON.parse(text).type : null
  return { status: response.status, text, code }
}

/** The hint of the one failed request in a gate's log. */
function hintOf(gate: Gate): string {
  const lines = gate.log
    .map(line => JSON.parse(line))
    .filter(({ message }) => message === 'A request could not be answered')
  return String(lines.at(-1)?.hint)
}

const trusting = `ca = "${ca}"`

describe('the certificate of an https upstream', () => {
  test('is trusted when the authority in ca signed it, and the connection is used again', async () => {
    await using app = await startApp('app', { tls: byAddress })
    await using gate = await gateTo(app.port, trusting)
    expect(await get(gate)).toMatchObject({ status: 200, text: 'app' })
    expect((await get(gate)).status).toBe(200)
    expect(app.connections).toBe(1)
  })

  const refused: readonly [string, { cert: string; key: string }, string, string][] = [
    ['the system does not know its authority', byAddress, '', 'set ca'],
    ['another authority signed it', byAddress, `ca = "${foreignCa}"`, 'set ca'],
    ['it has expired', expired, trusting, 'renew'],
    ['it has another name', byName, trusting, 'server_name'],
    ['it has another name than server_name', byAddress, `${trusting}, server_name = "other.internal"`, 'server_name'],
  ]
  test.each(refused)('is refused where %s: 502, a hint in the log, and nothing sent', async (_, tls, keys, hint) => {
    await using app = await startApp('app', { tls })
    await using gate = await gateTo(app.port, keys)
    const { status, text } = await get(gate)
    expect(status).toBe(502)
    expect(text).toContain('upstream.untrusted')
    expect(text).not.toContain('127.0.0.1')
    expect(hintOf(gate)).toContain(hint)
    expect(app.paths).toEqual([])
  })

  test('is held to server_name instead of the address', async () => {
    await using app = await startApp('app', { tls: byName })
    await using gate = await gateTo(app.port, `${trusting}, server_name = "app.internal"`)
    expect((await get(gate)).status).toBe(200)
  })

  test('may be anything with insecure_skip_verify, which is said at every start', async () => {
    await using app = await startApp('app', { tls: expired })
    await using gate = await gateTo(app.port, 'insecure_skip_verify = true')
    expect((await get(gate)).status).toBe(200)
    expect(gate.log.join('')).toContain('any certificate is trusted')
  })

  test('that one route does not verify is still verified for another, on the same address', async () => {
    await using app = await startApp('app', { tls: byAddress })
    const to = `to = "https://127.0.0.1:${app.port}"`
    await using gate = await startGate(
      `[[routes]]\nhost = "loose.example"\nupstream = { ${to}, tls = { insecure_skip_verify = true } }\nallow = "public"\n[[routes]]\nhost = "app.example"\nupstream = { ${to} }\nallow = "public"\n`,
    )
    const loose = await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: 'loose.example' } })
    expect(loose.status).toBe(200)
    expect((await get(gate)).status).toBe(502)
    expect(app.paths).toHaveLength(1)
  })
})

describe('a scheme that is not what the upstream speaks', () => {
  test.each([
    ['https', null, 'upstream begins with http://'],
    ['http', byAddress, 'upstream begins with https://'],
  ] as const)('%s:// is told with the other', async (scheme, tls, hint) => {
    await using app = await startApp('app', tls === null ? {} : { tls })
    await using gate = await startGate(
      `[[routes]]\nhost = "app.example"\nupstream = "${scheme}://127.0.0.1:${app.port}"\nallow = "public"\n`,
    )
    expect((await get(gate)).status).toBe(502)
    expect(hintOf(gate)).toContain(hint)
  })

  test('and a name that has no address is not called silent', async () => {
    await using gate = await startGate(
      '[[routes]]\nhost = "app.example"\nupstream = "http://nowhere.invalid:3000"\nallow = "public"\n',
    )
    expect((await get(gate)).status).toBe(502)
    expect(hintOf(gate)).toContain('in compose it is the name of the service')
  })
})

describe('our own certificate', () => {
  const asking = { ...byAddress, ca: authority.cert, requestCert: true, rejectUnauthorized: true }
  test('is given to an upstream that asks for one', async () => {
    await using app = await startApp('app', { tls: asking })
    await using gate = await gateTo(app.port, `${trusting}, cert = "${gateCert}", key = "${gateKey}"`)
    expect((await get(gate)).status).toBe(200)
    expect(app.paths).toHaveLength(1)
  })
  test('is missed by an upstream that asks for one: 502 with a hint', async () => {
    await using app = await startApp('app', { tls: asking })
    await using gate = await gateTo(app.port, trusting)
    expect((await get(gate)).status).toBe(502)
    expect(hintOf(gate)).toContain('cert and key')
    expect(app.paths).toEqual([])
  })
})

describe('a PEM file that changes', () => {
  test('is in force without a save of routes.toml, for connections that are open already too', async () => {
    const path = file('changing.pem', authority.cert)
    await using app = await startApp('app', { tls: byAddress })
    await using gate = await gateTo(app.port, `ca = "${path}"`)
    expect((await get(gate)).status).toBe(200)
    writeFileSync(path, foreign.cert)
    await eventually(async () => (await get(gate)).status === 502, 'the new authority in force')
    writeFileSync(path, authority.cert)
    await eventually(async () => (await get(gate)).status === 200, 'the old authority in force again')
  })
  test('into something that is not PEM is refused, and the one before stays in force', async () => {
    const path = file('breaking.pem', authority.cert)
    await using app = await startApp('app', { tls: byAddress })
    await using gate = await gateTo(app.port, `ca = "${path}"`)
    writeFileSync(path, '')
    await eventually(() => gate.log.join('').includes('holds no PEM certificate'), 'the refusal in the log')
    expect((await get(gate)).status).toBe(200)
  })
  test('is a mistake at the start, never a check that is left out', () => {
    const missing = join(folder.path, 'missing.pem')
    return expect(gateTo(1, `ca = "${missing}"`)).rejects.toThrow('does not exist')
  })
})

describe('WebSockets', () => {
  function startEcho(tls: { cert: string; key: string }) {
    return Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      tls,
      fetch: (request, server) => (server.upgrade(request) ? undefined : new Response(null, { status: 400 })),
      websocket: { message: (ws, message) => void ws.send(message) },
    })
  }
  async function echo(gate: Gate): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>()
    const socket = new WebSocket(`ws://127.0.0.1:${gate.port}/`, { headers: { host: 'app.example' } })
    socket.onopen = () => socket.send('hello')
    socket.onmessage = ({ data }) => resolve(String(data))
    socket.onerror = () => resolve('refused')
    const answer = await promise
    socket.close()
    return answer
  }
  const cases: readonly [string, { cert: string; key: string }, string, string][] = [
    ['trust the authority in ca', byAddress, trusting, 'hello'],
    ['are held to server_name', byName, `${trusting}, server_name = "app.internal"`, 'hello'],
    ['trust anything with insecure_skip_verify', expired, 'insecure_skip_verify = true', 'hello'],
    ['trust no authority of their own accord', byAddress, '', 'refused'],
    ['trust no other name', byName, trusting, 'refused'],
    ['trust no expired certificate', expired, trusting, 'refused'],
  ]
  test.each(cases)('%s', async (_, tls, keys, expected) => {
    const server = startEcho(tls)
    await using gate = await gateTo(server.port ?? 0, keys)
    expect(await echo(gate)).toBe(expected)
    if (expected === 'refused') expect(gate.log.join('')).toContain('upstream.untrusted')
    await server.stop(true)
  })
})

describe('HTTP/2 to an upstream', () => {
  test('carries many requests over one connection, with the Host that the client asked for', async () => {
    const server = createSecureServer({ ...byAddress, allowHTTP1: false }, (request, response) => {
      response.end(`${request.method} ${request.authority}`)
    })
    let sessions = 0
    server.on('session', () => sessions++)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    {
      await using gate = await gateTo(port, trusting, 'http2 = true')
      expect(await get(gate)).toMatchObject({ status: 200, text: 'GET app.example' })
      const answers = await Promise.all(Array.from({ length: 20 }, () => get(gate)))
      expect(answers.every(({ status }) => status === 200)).toBe(true)
      expect(sessions).toBe(1)
    }
    server.close()
  })
  test('loses trailers in Bun 1.4.5, and so cannot carry gRPC: when this fails, it can be let through', async () => {
    const server = createSecureServer({ ...byAddress, allowHTTP1: false }, (_, response) => {
      response.addTrailers({ 'grpc-status': '0' })
      response.end('message')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    {
      const port = typeof address === 'object' && address !== null ? address.port : 0
      await using gate = await gateTo(port, trusting, 'http2 = true')
      const answer = await sendRaw(gate.port, 'GET / HTTP/1.1\r\nHost: app.example\r\nTE: trailers\r\n\r\n')
      expect(answer.raw.toString('latin1')).toContain('message')
      expect(answer.raw.toString('latin1')).not.toContain('grpc-status')
    }
    server.close()
  })
  test('to an upstream without it is 502 with a hint', async () => {
    await using app: App = await startApp('one', { tls: byAddress })
    await using gate = await gateTo(app.port, trusting, 'http2 = true')
    expect((await get(gate)).status).toBe(502)
    expect(hintOf(gate)).toContain('remove http2')
  })
})

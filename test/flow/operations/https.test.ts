import { expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeAuthority } from '../../kit/certificates.ts'
import { eventually, type Gate, type GateOptions, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { routeTo } from '../../kit/toml.ts'
import { certificateFor, openHttp2, openSecure, secureFetch } from '../../kit/wire/tls.ts'

const authority = makeAuthority()
const app = authority.issue('DNS:app.example.com')
const wild = authority.issue('DNS:*.wild.example.com')
const { cert: ca } = authority

const keep = untilTheEnd()
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 60,
    async fetch(request, server) {
      const { pathname } = new URL(request.url)
      if (pathname === '/socket' && server.upgrade(request)) return
      asked.add(request.headers.get('x-number') ?? '')
      if (pathname === '/slow') await Bun.sleep(600)
      if (pathname === '/length') return new Response(`${(await request.bytes()).length}`)
      if (pathname === '/events') request.signal.addEventListener('abort', () => void aborts++)
      if (pathname === '/large') return new Response(large())
      if (pathname === '/events') return new Response(events(), { headers: { 'content-type': 'text/event-stream' } })
      return Response.json(request.headers.toJSON(), {
        headers: { connection: 'keep-alive', 'keep-alive': 'timeout=5', 'strict-transport-security': 'max-age=1' },
      })
    },
    websocket: { message: (socket, message) => void socket.send(message) },
  }),
)

/** The numbers of the requests that have come this far. */
const asked = new Set<string>()
let aborts = 0
let sentBytes = 0
const LARGE_BYTES = 128 * 1024 * 1024

async function* large() {
  const piece = new Uint8Array(1024 * 1024)
  for (sentBytes = 0; sentBytes < LARGE_BYTES; sentBytes += piece.length) yield piece
}

async function* events() {
  yield 'data: first\n\n'
  await Bun.sleep(60_000)
}

const route = (host: string, more = 'allow = "public"') => routeTo(upstream, host, more)

const files = { 'app.pem': app.cert, 'app.key': app.key, 'wild.pem': wild.cert, 'wild.key': wild.key }

const tls = (more = '', port = 0) => `[tls]
listen = ["127.0.0.1:${port}"]
certificates = [{ cert = "app.pem", key = "app.key" }, { cert = "wild.pem", key = "wild.key" }]
${more}
`

function startSecure(
  more = '',
  routes = route('app.example.com') + route('*.wild.example.com'),
  options: GateOptions = {},
): Promise<Gate> {
  return startGate(`${tls(more)}${routes}`, { files, partingMs: 200, ...options })
}

needs('openssl').describe('HTTPS', () => {
  test('shows the certificate that has the name, by wildcards too, and the first to everyone else', async () => {
    await using gate = await startSecure()
    const namesFor = async (name: string | null) =>
      (await certificateFor({ port: gate.securePort, name, ca })).subjectaltname
    expect(await namesFor('app.example.com')).toBe('DNS:app.example.com')
    expect(await namesFor('APP.example.com')).toBe('DNS:app.example.com')
    expect(await namesFor('one.wild.example.com')).toBe('DNS:*.wild.example.com')
    expect(await namesFor('one.two.wild.example.com')).toBe('DNS:app.example.com')
    expect(await namesFor('stranger.example.com')).toBe('DNS:app.example.com')
    expect(await namesFor(null)).toBe('DNS:app.example.com')
  })

  test.each([
    ['tls1', 'ALL'],
    ['tls1_1', 'ALL'],
    ['tls1_2', 'ECDHE-ECDSA-AES128-SHA'],
    ['tls1_2', 'AES128-GCM-SHA256'],
  ])('RFC 9325: %s with %s is not spoken', async (version, ciphers) => {
    await using gate = await startSecure()
    expect(await negotiates(gate.securePort, version, ciphers)).toBe(false)
  })

  test.each(['tls1_2', 'tls1_3'])('%s is spoken', async version => {
    await using gate = await startSecure()
    expect(await negotiates(gate.securePort, version, 'ALL')).toBe(true)
  })

  test('is what the application is told, whatever the client says', async () => {
    await using gate = await startSecure()
    const at = { port: gate.securePort, name: 'app.example.com', ca }
    const answer = await secureFetch(at, '/', { headers: { 'x-forwarded-proto': 'http' } })
    const told = (await answer.json()) as Record<string, string>
    expect(told['x-forwarded-proto']).toBe('https')
    expect(told['x-forwarded-host']).toBe(`app.example.com:${gate.securePort}`)
    expect(told.forwarded).toContain('proto=https')
  })

  test('carries WebSockets', async () => {
    await using gate = await startSecure()
    const socket = new WebSocket(`wss://127.0.0.1:${gate.securePort}/socket`, {
      headers: { host: 'app.example.com' },
      tls: { ca, serverName: 'app.example.com' },
    } as never)
    expect(await echoed(socket, 'hello')).toBe('hello')
    socket.close()
  })

  test('a portal on each host keeps its cookies to that host, and names its own https address', async () => {
    await using gate = await startSecure(
      '',
      PORTAL.replace('insecure_cookies = true', '') + route('app.example.com', 'portal = "home"\nallow = ["user"]'),
    )
    const answer = await secureFetch({ port: gate.securePort, name: 'app.example.com', ca }, '/', {
      headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
    })
    expect(answer.status).toBe(302)
    expect(answer.headers.get('location')).toStartWith('/.sallyport/')
    const cookies = answer.headers.getSetCookie()
    for (const cookie of cookies) expect(cookie).toMatch(/^__Host-.*; Secure/)
  })

  test('asks browsers for nothing but HTTPS where the file says so, and only over HTTPS', async () => {
    await using gate = await startSecure('hsts = "180d"\nredirect_http = false')
    const answer = await secureFetch({ port: gate.securePort, name: 'app.example.com', ca }, '/')
    expect(answer.headers.get('strict-transport-security')).toBe('max-age=15552000')
    const plain = await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: 'app.example.com' } })
    expect(plain.status).toBe(200)
    expect(plain.headers.get('strict-transport-security')).toBe('max-age=1')
  })
})

needs('openssl').describe('plain HTTP beside it', () => {
  const ask = (gate: Gate, host: string, path: string, fields: Record<string, string> = {}, method = 'GET') =>
    fetch(`http://127.0.0.1:${gate.port}${path}`, { method, redirect: 'manual', headers: { host, ...fields } })

  test('leads to the same address by HTTPS, with the port that browsers use', async () => {
    await using gate = await startSecure('public_port = 443')
    const answer = await ask(gate, 'app.example.com:8080', '/a/b?c=d&e')
    expect([answer.status, answer.headers.get('location')]).toEqual([308, 'https://app.example.com/a/b?c=d&e'])
    const posted = await ask(gate, 'x.wild.example.com', '/form', {}, 'POST')
    expect([posted.status, posted.headers.get('location')]).toEqual([308, 'https://x.wild.example.com/form'])
    await eventually(() => gate.access.some(line => line.includes('308')), 'the access log has it')
  })

  test('names another port where one is mapped', async () => {
    await using gate = await startSecure('public_port = 8443')
    const answer = await ask(gate, 'app.example.com', '/')
    expect(answer.headers.get('location')).toBe('https://app.example.com:8443/')
  })

  test.each(['stranger.example.org', 'app.example.com.evil.example'])(
    'leads nowhere for a host that is not served: %s',
    async host => {
      await using gate = await startSecure('public_port = 443')
      const answer = await ask(gate, host, '/')
      expect([answer.status, answer.headers.get('location')]).toEqual([404, null])
    },
  )

  test('a forged X-Forwarded-Proto does not get around it; a trusted proxy is served', async () => {
    await using gate = await startSecure('public_port = 443')
    expect((await ask(gate, 'app.example.com', '/', { 'x-forwarded-proto': 'https' })).status).toBe(308)
    await using trusting = await startGate(tls() + route('app.example.com'), {
      files,
      server: 'trusted_proxies = ["127.0.0.1"]',
    })
    expect((await ask(trusting, 'app.example.com', '/', { 'x-forwarded-proto': 'https' })).status).toBe(200)
  })

  test('serves where the file says so', async () => {
    await using gate = await startSecure('redirect_http = false')
    expect((await ask(gate, 'app.example.com', '/')).status).toBe(200)
  })
})

needs('openssl').describe('HTTP/2', () => {
  const at = (gate: Gate) => ({ port: gate.securePort, name: 'app.example.com', ca })

  test('is spoken with whoever offers it, without fields that are only about a connection (RFC 9113 §8.2.2)', async () => {
    await using gate = await startSecure()
    using client = openHttp2(at(gate))
    const answer = await client.ask('/', { cookie: 'a=1' })
    expect(answer.status).toBe(200)
    for (const name of ['connection', 'keep-alive', 'transfer-encoding', 'upgrade']) {
      expect(answer.fields[name]).toBeUndefined()
    }
    const told = JSON.parse(answer.body)
    expect(told['x-forwarded-proto']).toBe('https')
    expect(told.host).toBe(`app.example.com:${gate.securePort}`)
  })

  test('is not spoken where the file says so', async () => {
    await using gate = await startSecure('http2 = false')
    const socket = await openSecure(at(gate))
    expect(socket.alpnProtocol || 'http/1.1').toBe('http/1.1')
    socket.destroy()
    expect((await secureFetch(at(gate), '/')).status).toBe(200)
  })

  test('carries many requests at a time, and uploads', async () => {
    await using gate = await startSecure()
    using client = openHttp2(at(gate))
    const answers = await Promise.all(Array.from({ length: 100 }, () => client.ask('/')))
    expect(answers.map(({ status }) => status)).toEqual(Array(100).fill(200))
    const body = new Uint8Array(20 * 1024 * 1024)
    expect((await client.ask('/length', {}, body)).body).toBe(`${body.length}`)
  })

  test('says no length to HEAD where there is none (RFC 9110 §8.6), and the one that there is', async () => {
    await using gate = await startSecure()
    using client = openHttp2(at(gate))
    const lengthOf = async (path: string) =>
      (await client.ask(path, { ':method': 'HEAD', 'x-number': 'x' })).fields['content-length']
    expect(await lengthOf('/large')).toBeUndefined()
    expect(Number(await lengthOf('/'))).toBeGreaterThan(2)
  })

  test('carries event streams, the first event at once', async () => {
    await using gate = await startSecure()
    using client = openHttp2(at(gate))
    const before = aborts
    expect(await client.begin('/events')).toContain('data: first')
    await eventually(() => aborts > before, 'the application learns that the client is gone')
  })

  test('waits for slow readers without filling the memory, however long their connection is silent', async () => {
    // Several times the first look at a request that lasts: a busy machine takes shorter ones for silent before it looks.
    await using gate = await startSecure('', route('app.example.com'), { idleTimeoutS: 8 })
    using client = openHttp2(at(gate))
    const answer = await client.dawdle('/large')
    // Silent for shorter, and cut for it: whoever is silent without a reason has no longer.
    const idle = await openSecure(at(gate))
    await new Promise(resolve => idle.once('close', resolve).resume())
    expect(sentBytes).toBeLessThan(LARGE_BYTES / 4)
    expect(await answer.rest()).toBe(LARGE_BYTES)
  }, 300_000)
})

needs('openssl').describe('certificates that change', () => {
  const next = authority.issue('DNS:app.example.com')
  const replace = (gate: Gate, cert: string, key: string) => {
    writeFileSync(join(gate.folder, 'app.key'), key)
    writeFileSync(join(gate.folder, 'app.pem'), cert)
  }
  /** A connection that is not yet accepted when the listener before closes is reset, unless the kernel migrates it: see docs/limits.md. */
  const shown = async (gate: Gate): Promise<string> => {
    const at = { port: gate.securePort, name: 'app.example.com', ca }
    return (await certificateFor(at).catch(() => certificateFor(at))).fingerprint256
  }
  const fingerprintOf = (cert: string) => new X509Certificate(cert).fingerprint256

  test('are served without a failed request, and no WebSocket is cut', async () => {
    await using gate = await startSecure()
    const at = { port: gate.securePort, name: 'app.example.com', ca }
    const socket = new WebSocket(`wss://127.0.0.1:${gate.securePort}/socket`, {
      headers: { host: 'app.example.com' },
      tls: { ca, serverName: 'app.example.com' },
    } as never)
    expect(await echoed(socket, 'before')).toBe('before')
    let isOver = false
    const statuses: number[] = []
    const failures: unknown[] = []
    let number = 0
    // Asked again is what never came through, as a browser does: a connection may be reset before it has carried anything.
    const ask = async (path: string, headers: { readonly 'x-number': string }) => {
      try {
        return await secureFetch(at, path, { headers })
      } catch (error) {
        if (asked.has(headers['x-number'])) throw error
        return await secureFetch(at, path, { headers })
      }
    }
    const keepAsking = async (path: string) => {
      while (!isOver) {
        try {
          const answer = await ask(path, { 'x-number': `${++number}` })
          await answer.arrayBuffer()
          statuses.push(answer.status)
        } catch (error) {
          failures.push(error)
        }
      }
    }
    const asking = ['/', '/', '/', '/slow', '/slow'].map(keepAsking)
    expect(await shown(gate)).toBe(fingerprintOf(app.cert))
    for (const { cert, key } of [next, app, next]) {
      const count = statuses.length
      replace(gate, cert, key)
      await eventually(
        async () =>
          (await Promise.all(Array.from({ length: 8 }, () => shown(gate)))).every(one => one === fingerprintOf(cert)),
        'every connection gets the new certificate',
      )
      await eventually(() => statuses.length > count + 20, 'requests go on')
    }
    isOver = true
    await Promise.all(asking)
    expect(failures).toEqual([])
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(await echoed(socket, 'after')).toBe('after')
    socket.close()
  })

  test('stay as they were while a file is damaged, missing, or does not belong to the other', async () => {
    await using gate = await startSecure()
    const before = await shown(gate)
    for (const damage of [
      () => writeFileSync(join(gate.folder, 'app.pem'), 'no PEM'),
      () => rmSync(join(gate.folder, 'app.pem')),
      () => replace(gate, next.cert, app.key),
    ]) {
      const count = gate.told('errors').length
      damage()
      await eventually(() => gate.told('errors').length > count, 'the mistake is told')
      expect(await shown(gate)).toBe(before)
    }
    replace(gate, next.cert, next.key)
    await eventually(async () => (await shown(gate)) === fingerprintOf(next.cert), 'the whole pair is in force')
    expect(gate.log.join('')).not.toContain('PRIVATE')
  })
})

needs('openssl').test('a port that another program has is told at the start', async () => {
  const port = await freePort()
  using _other = Bun.listen({ hostname: '127.0.0.1', port, socket: { data: () => undefined }, exclusive: true })
  await expect(startGate(tls('', port) + route('app.example.com'), { files })).rejects.toThrow('already in use')
})

test.each([
  ['192.0.2.1:8080', 'this machine has no such address'],
  ['unix:/nowhere/at/all.sock', 'there is no folder /nowhere/at'],
])('what cannot be listened on is told with the reason: %s', async (listen, say) => {
  const toml = '[[routes]]\nhost = "a.example"\nrespond = { body = "a" }\nallow = "public"\n'
  await expect(startGate(toml, { listen })).rejects.toThrow(say)
})

function echoed(socket: WebSocket, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  socket.onmessage = event => resolve(String(event.data))
  socket.onerror = reject
  if (socket.readyState === WebSocket.OPEN) socket.send(text)
  else socket.onopen = () => socket.send(text)
  return promise
}

async function negotiates(port: number, version: string, ciphers: string): Promise<boolean> {
  const command = [
    'openssl',
    's_client',
    '-connect',
    `127.0.0.1:${port}`,
    `-${version}`,
    '-servername',
    'app.example.com',
  ]
  const client = Bun.spawn([...command, '-cipher', `${ciphers}:@SECLEVEL=0`], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
  })
  const said = await new Response(client.stdout).text()
  return /^New, TLSv1\.[0-9], Cipher is [A-Z]/m.test(said)
}

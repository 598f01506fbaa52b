import { expect, test } from 'bun:test'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runDoctor } from '../../../src/cli/doctor/run.ts'
import { runInit } from '../../../src/cli/init/init.ts'
import { ask } from '../../../src/console/network.ts'
import { listFolder, readBytes, readText } from '../../../src/console/read-file.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { BrowserLite, type Page } from '../../kit/browser/browser-lite.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { commandPorts, runIn } from '../../kit/io.ts'
import { McpClient, REDIRECT } from '../../kit/mcp/client.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { type OutgoingProxy, startOutgoingProxy } from '../../kit/programs/outgoing-proxy.ts'
import { type BadProvider, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, routeTo, SILENT } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(startAnswering(request => new Response(`for ${request.headers.get('x-token-subject')}`)))
const app = routeForUsers(upstream, 'app.example.com', 'headers = "x-token"')
const portal = portalTable(EVERYONE)

/** A provider whose name no DNS server knows, for what is asked at `origin` of it. */
async function providerAt(issuer: string, keysAt = issuer): Promise<BadProvider> {
  const provider = keep(await startBadProvider())
  provider.behave({
    signsInAtOnce: true,
    discovery: {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      userinfo_endpoint: `${issuer}/userinfo`,
      jwks_uri: `${keysAt}/jwks`,
    },
    claims: { iss: issuer },
    answer: { iss: issuer },
  })
  return provider
}

/** Somebody whose browser reaches the provider by itself. */
function open(gate: Gate, provider: BadProvider): Promise<Page> {
  return new BrowserLite({
    transport: ({ protocol, host, pathname, search }, init) => {
      const at = protocol === 'https:' ? provider.issuer : `http://127.0.0.1:${gate.port}`
      init.headers.set('host', host)
      return fetch(at + pathname + search, { ...init, proxy: false })
    },
  }).open('http://app.example.com/')
}

const outgoing = ({ port }: OutgoingProxy, more = '') => `outgoing = { proxy = "http://127.0.0.1:${port}"${more} }`

needs('openssl').describe('behind an outgoing proxy', () => {
  const issuer = 'https://id.outside.test'
  const authority = makeAuthority()
  const own = authority.issue('DNS:id.outside.test,DNS:keys.outside.test')
  /** The same provider by HTTPS, in a process where nobody can find it by its name. */
  async function outside(certificate = own, keysAt = issuer) {
    const provider = await providerAt(issuer, keysAt)
    const server = keep(
      Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        tls: certificate,
        fetch({ url, method, headers, body }) {
          const { pathname, search } = new URL(url)
          return fetch(provider.issuer + pathname + search, { method, headers, body, proxy: false, redirect: 'manual' })
        },
      }),
    )
    return { provider, server }
  }
  const files = { 'ca.pem': authority.cert }
  const table = (provider: BadProvider) => providerTable({ ...provider, issuer }, 'ca = "ca.pem"')

  test('a sign-in works through the proxy alone, and applications are never asked through it', async () => {
    const { provider, server } = await outside()
    const inside = keep(startAnswering(() => new Response('through the proxy')))
    await using proxy = await startOutgoingProxy({
      hosts: { 'id.outside.test:443': server.port, 'app.inside.test': inside.port },
    })
    const toml = `${table(provider)}${portal}${app}
[[routes]]
host = "inside.example.com"
upstream = "http://app.inside.test"
allow = "public"`
    await using without = await startGate(toml, { files })
    expect((await open(without, provider)).response.status).toBe(503)
    expect(proxy.connections()).toBe(0)
    await using gate = await startGate(toml, { files, server: outgoing(proxy) })
    expect((await open(gate, provider)).text).toBe('for user-1')
    expect(new Set(proxy.asked)).toEqual(new Set(['CONNECT id.outside.test:443']))
    const before = proxy.connections()
    const answer = await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: 'inside.example.com' } })
    expect([answer.status, proxy.connections()]).toEqual([502, before])
  })

  test('a provider leads to other names through the proxy, which looks them up, and to no address inside', async () => {
    const named = await outside(own, 'https://keys.outside.test')
    await using proxy = await startOutgoingProxy({
      hosts: { 'id.outside.test': named.server.port, 'keys.outside.test': named.server.port },
    })
    await using gate = await startGate(table(named.provider) + portal + app, { files, server: outgoing(proxy) })
    expect((await open(gate, named.provider)).text).toBe('for user-1')
    expect(proxy.asked).toContain('CONNECT keys.outside.test:443')
    const inward = await outside(own, 'https://10.11.12.13')
    await using other = await startOutgoingProxy({
      hosts: { 'id.outside.test': inward.server.port, '10.11.12.13': inward.server.port },
    })
    await using strict = await startGate(table(inward.provider) + portal + app, { files, server: outgoing(other) })
    expect((await open(strict, inward.provider)).response.status).toBe(502)
    expect(new Set(other.asked)).toEqual(new Set(['CONNECT id.outside.test:443']))
  })

  test('the certificate of a provider is held against its name and authority through the tunnel', async () => {
    const { provider, server } = await outside(makeAuthority().issue('DNS:id.outside.test'))
    const other = await outside(authority.issue('DNS:other.outside.test'))
    for (const [port, word] of [
      [server.port, 'no authority that is trusted here has signed'],
      [other.server.port, 'is for another name'],
    ] as const) {
      await using proxy = await startOutgoingProxy({ hosts: { 'id.outside.test': port } })
      await using gate = await startGate(table(provider) + portal + app, { files, server: outgoing(proxy) })
      expect((await open(gate, provider)).response.status).toBe(503)
      expect(proxy.connections()).toBeGreaterThan(0)
      expect(gate.told('discovery failed', word)).toHaveLength(1)
    }
    expect(provider.asked.discovery + other.provider.asked.discovery).toBe(0)
  })

  test('a proxy that wants a login is given the one of the file, which is in no log', async () => {
    const { provider, server } = await outside()
    const login = { user: 'gate', password: 'p@ss %41 wörd/with-all' }
    await using proxy = await startOutgoingProxy({ hosts: { 'id.outside.test': server.port }, login })
    await using gate = await startGate(table(provider) + portal + app, {
      files: { ...files, 'proxy.txt': `${login.password}\n` },
      server: outgoing(proxy, ', user = "gate", password = "${file:proxy.txt}"'),
    })
    expect((await open(gate, provider)).text).toBe('for user-1')
    expect(gate.log.join('\n')).not.toContain('p@ss')
    await using stranger = await startGate(table(provider) + portal + app, { files, server: outgoing(proxy) })
    expect((await open(stranger, provider)).response.status).toBe(503)
    const told = stranger.told('discovery failed', `the proxy http://127.0.0.1:${proxy.port}`)
    expect(told).toHaveLength(1)
    expect(told[0]).toContain('wants a login: write user and password into outgoing of [server]')
  })

  test('a proxy that is down or refuses is named in the log, and a sign-in works once it is well again', async () => {
    const { provider, server } = await outside()
    const port = await freePort()
    await using down = await startGate(table(provider) + portal + app, {
      files,
      server: `outgoing = { proxy = "http://127.0.0.1:${port}" }`,
    })
    expect((await open(down, provider)).response.status).toBe(503)
    expect(down.told('discovery failed', `the proxy http://127.0.0.1:${port} cannot be reached`)).toHaveLength(1)
    await using proxy = await startOutgoingProxy({ hosts: { 'id.outside.test': server.port } })
    proxy.refuse('403 Forbidden')
    await using gate = await startGate(table(provider) + portal + app, { files, server: outgoing(proxy) })
    expect((await open(gate, provider)).response.status).toBe(503)
    expect(gate.told('discovery failed', `see the log of the proxy http://127.0.0.1:${proxy.port}`)).toHaveLength(1)
    proxy.refuse(null)
    await eventually(async () => (await open(gate, provider)).text === 'for user-1', 'the proxy is asked again')
  })

  test('init finds the provider through the proxy, and writes it into the file, without what is inside', async () => {
    const { server } = await outside()
    await using proxy = await startOutgoingProxy({ hosts: { 'id.outside.test:443': server.port } })
    const place = ['--host', 'app.example.com', '--upstream', 'http://127.0.0.1:9', '--portal', 'own', '--everyone']
    const client = ['--client-id', 'gate', '--public', '--issuer', issuer, '--ca', 'ca.pem']
    const init = async (...more: readonly string[]) => {
      using folder = temporaryFolder()
      writeFileSync(join(folder.path, 'ca.pem'), authority.cert)
      const argv = ['--yes', ...client, ...place, ...more]
      const ran = await runIn(folder.path, io => runInit(argv, io, commandPorts(io), null))
      const path = join(folder.path, 'routes.toml')
      return { ...ran, text: existsSync(path) ? readText(path) : null }
    }
    expect(await init()).toMatchObject({ text: null, err: expect.stringContaining('cannot be reached') })
    const address = `http://127.0.0.1:${proxy.port}`
    const { code, err, text } = await init('--outgoing-proxy', address)
    expect([code, err, ...new Set(proxy.asked)]).toEqual([0, '', 'CONNECT id.outside.test:443'])
    expect(text).toContain(`\noutgoing = { proxy = "${address}" }`)
    const inside = await init('--outgoing-proxy', address, '--internal-url', 'https://id.lan', '--offline')
    expect(inside.text).toContain(`\noutgoing = { proxy = "${address}", except = ["id.lan"] }`)
    const mistaken = await init('--outgoing-proxy', 'http://ada:s3cret@proxy:3128')
    expect([mistaken.code, mistaken.text]).toEqual([1, null])
    expect(mistaken.err).toStartWith('--outgoing-proxy: a user name or password cannot be in this address')
    expect(mistaken.err).not.toContain('s3cret')
  })

  test('the document of an MCP client is fetched through the proxy, and from no host that this machine knows to be inside', async () => {
    const id = 'https://client.outside.test/client.json'
    const server = keep(
      Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        tls: authority.issue('DNS:client.outside.test'),
        fetch: () => Response.json({ client_id: id, client_name: 'Published', redirect_uris: [REDIRECT] }),
      }),
    )
    await using proxy = await startOutgoingProxy({ hosts: { 'client.outside.test:443': server.port } })
    const names = new Map<string, readonly string[]>()
    const mcp = routeTo(upstream, 'app.test', 'path = "/mcp"\nportal = "home"\nallow = ["user"]\nmcp = true')
    const home = portalTable(`${EVERYONE}\nurl = "http://auth.test"`)
    const start = (server = '') =>
      startGate(providerTable(SILENT) + home + mcp, {
        server,
        ports: {
          resolve: async host => names.get(host) ?? [],
          ask: (at, init) => ask(at, { ...init, tls: { ...init.tls, ca: authority.cert } }),
        },
      })
    const look = async (gate: Gate) => {
      const one = new McpClient(gate, 'auth.test')
      one.clientId = id
      const { cookie } = await gate.signIn('auth.test', { sub: 'ada' })
      const answer = await one.ask(one.authorizePath('http://app.test/mcp'), { cookie, accept: 'text/html' })
      return { status: answer.status, text: await answer.text() }
    }
    await using without = await start()
    expect(await look(without)).toMatchObject({ status: 400 })
    expect(without.told('client', 'is at a host that has no address')).toHaveLength(1)
    await using strict = await start(outgoing(proxy))
    names.set('client.outside.test', ['10.11.12.13'])
    expect(await look(strict)).toMatchObject({ status: 400 })
    expect(strict.told('client', 'is at a host that is not of the internet')).toHaveLength(1)
    expect(proxy.connections()).toBe(0)
    names.clear()
    expect(await look(strict)).toMatchObject({ status: 200, text: expect.stringContaining('Let Published use') })
    expect(proxy.asked).toEqual(['CONNECT client.outside.test:443'])
  })

  test('an ending in except is asked directly, and a file that is saved without it asks the proxy again', async () => {
    const { provider, server } = await outside()
    await using proxy = await startOutgoingProxy({ hosts: { 'id.outside.test': server.port } })
    await using gate = await startGate(table(provider) + portal + app, {
      files,
      server: outgoing(proxy, ', except = [".outside.test"]'),
    })
    expect((await open(gate, provider)).response.status).toBe(503)
    expect(proxy.connections()).toBe(0)
    expect(gate.told('discovery failed', 'the proxy')).toEqual([])
    writeFileSync(gate.configPath, readText(gate.configPath).replace('".outside.test"', '".else.test"'))
    await eventually(async () => (await open(gate, provider)).text === 'for user-1', 'the proxy is asked')
  })

  test('doctor says through what it asked, and names a proxy that refuses', async () => {
    const { provider, server } = await outside()
    await using proxy = await startOutgoingProxy({ hosts: { 'id.outside.test': server.port } })
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, 'ca.pem'), authority.cert)
    const head = `[server]\nlisten = ["127.0.0.1:0"]\n${outgoing(proxy)}\n[sessions]\nstore = "sqlite::memory:"\n`
    writeFileSync(join(folder.path, 'routes.toml'), head + table(provider) + portal + app)
    const ports = {
      readText,
      readBytes,
      listFolder,
      env: () => undefined,
      now: Date.now,
      random: (size: number) => new Uint8Array(size),
      ask,
      resolve: async () => [],
    }
    const doctor = async () => (await runIn(folder.path, io => runDoctor([], io, ports))).out
    const found = await doctor()
    expect(found).toContain(`id.outside.test is asked through the proxy http://127.0.0.1:${proxy.port} (outgoing)`)
    expect(found).toContain('answers discovery')
    proxy.refuse('403 Forbidden')
    const refused = await doctor()
    expect(refused).toContain('does not answer discovery')
    expect(refused).toContain(`see the log of the proxy http://127.0.0.1:${proxy.port}`)
  })
})

test('traces and the authority of certificates go by it too, and a proxy that refuses is named of each', async () => {
  const traces: string[] = []
  const receiver = keep(
    startAnswering(request => {
      traces.push(new URL(request.url).pathname)
      return new Response(null)
    }),
  )
  await using proxy = await startOutgoingProxy({ hosts: { 'traces.outside.test:4318': receiver.port } })
  const toml = `[telemetry]
endpoint = "http://traces.outside.test:4318"
[tls]
listen = ["127.0.0.1:0"]
redirect_http = false
[tls.acme]
directory = "https://authority.outside.test/directory"
names = ["app.example.com"]
${routeTo(upstream, 'app.example.com', 'allow = "public"')}`
  await using gate = await startGate(toml, { server: outgoing(proxy) })
  const visit = () => fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: 'app.example.com' } })
  await visit()
  await eventually(() => traces.length > 0, 'traces arrive')
  await eventually(() => gate.told('authority.outside.test', 'proxy').length > 0, 'the authority is tried')
  expect(new Set(proxy.asked)).toEqual(
    new Set(['POST http://traces.outside.test:4318/v1/traces', 'CONNECT authority.outside.test:443']),
  )
  expect(gate.told('authority.outside.test', `see the log of the proxy http://127.0.0.1:${proxy.port}`)).not.toEqual([])
  proxy.refuse('407 Proxy Authentication Required')
  await visit()
  const refused = `the proxy http://127.0.0.1:${proxy.port} refused: 407`
  await eventually(() => gate.told('Traces cannot be sent', refused).length > 0, 'the proxy is named')
})

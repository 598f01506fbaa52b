import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, PROGRAMS, startChild } from '../../kit/programs/child.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { EVERYONE, providerTable, routeForUsers, routeTo } from '../../kit/toml.ts'
import { openWire, sendRaw } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const provider = keep(
  await startProviderFor([
    { sub: 'ada', name: 'Ada', email: 'ada@example.com', email_verified: true, groups: ['admins'] },
    { sub: 'bob', name: 'Bob', email: 'bob@example.com', email_verified: true, groups: [] },
  ]),
)
let onSlow = () => {}
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === '/slow') {
        onSlow()
        return Bun.sleep(300).then(() => new Response('slow but whole'))
      }
      return new Response(`hello ${request.headers.get('x-token-user-name')} at ${pathname}`)
    },
  }),
)

function routesToml(port: number): string {
  provider.allowRedirect(`http://auth.localhost:${port}/.sallyport/callback`)
  return `
${providerTable({ ...provider, clientSecret: '${GATE_SECRET}' })}
[portals.home]
url = "http://auth.localhost:${port}"
providers = ["id"]

${EVERYONE}
roles.admin = { groups = ["admins"] }

${routeForUsers(upstream, 'app.localhost', 'headers = "x-token"')}
${routeTo(upstream, 'admin.localhost', 'portal = "home"\nallow = ["admin"]')}
${routeTo(upstream, 'public.localhost', 'allow = "public"')}`
}

/** HTTP_PROXY names a port where nobody listens: whoever obeyed it would reach nothing. */
const ENV = { GATE_SECRET: 'gate-secret', HTTP_PROXY: 'http://127.0.0.1:1', http_proxy: 'http://127.0.0.1:1' }

function browserFor(port: number): BrowserLite {
  const at = `127.0.0.1:${port}`
  return new BrowserLite({
    hosts: Object.fromEntries(['auth', 'app', 'admin', 'public'].map(name => [`${name}.localhost:${port}`, at])),
  })
}

describe.each(PROGRAMS)('%s', (_what, command) => {
  test('a person signs in, reaches what their role allows, and stays signed in over kill -9', async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    const options = { command: await command(), folder: folder.path, toml: routesToml(port), port, env: ENV }
    const ada = browserFor(port)
    const bob = browserFor(port)
    {
      await using _child = await startChild(options)
      expect((await ada.signIn(`http://app.localhost:${port}/deep/link?x=1`, 'ada')).text).toBe(
        'hello Ada at /deep/link',
      )
      expect((await ada.open(`http://admin.localhost:${port}/`)).text).toContain('at /')
      await bob.signIn(`http://app.localhost:${port}/`, 'bob')
      const denied = await bob.open(`http://admin.localhost:${port}/`)
      expect(denied.response.status).toBe(403)
      expect(denied.text).toContain('Bob')
      expect(denied.text).toContain('admin')
    }
    {
      await using child = await startChild(options)
      const again = await ada.visit(`http://app.localhost:${port}/still`)
      expect([again.status, await again.text()]).toEqual([200, 'hello Ada at /still'])
      child.process.kill('SIGTERM')
      expect(await child.process.exited).toBe(0)
    }
  }, 300_000)

  test('SIGTERM lets requests in flight finish and exits with 0', async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    await using child = await startChild({
      command: await command(),
      folder: folder.path,
      toml: routesToml(port),
      port,
      env: ENV,
    })
    const arrived = new Promise<void>(resolve => {
      onSlow = resolve
    })
    const slow = fetch(`http://127.0.0.1:${port}/slow`, { headers: { host: 'public.localhost' } })
    await arrived
    child.process.kill('SIGTERM')
    expect(await (await slow).text()).toBe('slow but whole')
    expect(await child.process.exited).toBe(0)
  }, 300_000)

  test('a proxy of the environment is told at the start, by name alone, where the file names none', async () => {
    const env = { ...ENV, HTTPS_PROXY: 'http://gate:hidden-in-it@127.0.0.1:1' }
    for (const [server, count] of [
      ['', 1],
      ['outgoing = { proxy = "http://127.0.0.1:1" }\n', 0],
    ] as const) {
      using folder = temporaryFolder()
      const port = await freePort()
      const toml = server + routesToml(port)
      await using child = await startChild({ command: await command(), folder: folder.path, toml, port, env })
      await eventually(() => child.output().includes('is listening'), 'it listens')
      const told = child
        .output()
        .split('\n')
        .filter(line => line.includes('outgoing proxy, which is not used'))
      expect(told).toHaveLength(count)
      for (const line of told) expect(line).toContain('HTTP_PROXY, http_proxy, HTTPS_PROXY')
      expect(child.output()).not.toContain('hidden-in-it')
    }
  }, 300_000)

  test('a broken file at start is shown with its mistakes, and the exit code is 1', async () => {
    using folder = temporaryFolder()
    const config = join(folder.path, 'routes.toml')
    writeFileSync(config, '[[routes]]\nhost = "a.example"\nupstrem = "http://127.0.0.1:1"\nallow = "public"\n')
    const child = Bun.spawn([...(await command()), 'serve', '--config', config], { stderr: 'pipe', stdout: 'pipe' })
    const output = (await new Response(child.stderr).text()) + (await new Response(child.stdout).text())
    expect(await child.exited).toBe(1)
    expect(output).toContain('routes.toml:3:1')
    expect(output).toContain('upstream')
  }, 300_000)

  test('a port in use is said in one sentence, and the exit code is 1', async () => {
    using folder = temporaryFolder()
    const config = join(folder.path, 'routes.toml')
    writeFileSync(
      config,
      `[server]\nlisten = ["127.0.0.1:${upstream.port}"]\n[[routes]]\nhost = "a.example"\nupstream = "http://127.0.0.1:1"\nallow = "public"\n`,
    )
    const child = Bun.spawn([...(await command()), 'serve', '--config', config], { stderr: 'pipe', stdout: 'pipe' })
    const output = await new Response(child.stderr).text()
    expect(await child.exited).toBe(1)
    expect(output).toContain(`127.0.0.1:${upstream.port} is already in use`)
    expect(output).toContain('ss -ltnp')
  }, 300_000)

  test('an upstream that is cut short is never seen as a clean end', async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    const server = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        data(socket) {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nshort')
          socket.end()
        },
      },
    })
    const toml = routeTo(server, 'cut.example', 'allow = "public"')
    await using child = await startChild({ command: await command(), folder: folder.path, toml, port })
    for (let round = 0; round < 10; round++) {
      const wire = await openWire(port)
      await wire.send('GET / HTTP/1.1\r\nHost: cut.example\r\n\r\n')
      await eventually(() => wire.isClosed || wire.received.includes(' 502 '), 'the client learns of it')
      const text = wire.received.toString('latin1')
      if (!text.includes(' 502 ')) {
        expect(text).not.toEndWith('0\r\n\r\n')
        expect(text).not.toMatch(/content-length/i)
      }
      wire.close()
    }
    const after = await sendRaw(port, 'GET / HTTP/1.1\r\nHost: nowhere.example\r\n\r\n')
    expect(after.status).toBe(404)
    expect(child.process.exitCode).toBeNull()
    server.stop(true)
  }, 300_000)

  test('holds a thousand open event streams and still answers', async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    const events = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      idleTimeout: 0,
      fetch(request) {
        if (new URL(request.url).pathname === '/plain') return new Response('plain')
        const body = new ReadableStream({
          start: controller => controller.enqueue(new TextEncoder().encode('data: x\n\n')),
        })
        return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
      },
    })
    const toml = routeTo(events, 'events.example', 'allow = "public"')
    await using _child = await startChild({ command: await command(), folder: folder.path, toml, port })
    const sockets: Bun.Socket[] = []
    let begun = 0
    for (let index = 0; index < 1000; index++) {
      sockets.push(
        await Bun.connect({
          hostname: '127.0.0.1',
          port,
          socket: {
            data: (_socket, data) => {
              if (data.includes('data: x')) begun++
            },
          },
        }),
      )
      sockets.at(-1)?.write('GET / HTTP/1.1\r\nHost: events.example\r\nAccept: text/event-stream\r\n\r\n')
    }
    await eventually(() => begun === 1000, 'every stream begins')
    expect((await sendRaw(port, 'GET /plain HTTP/1.1\r\nHost: events.example\r\n\r\n')).body.toString()).toContain(
      'plain',
    )
    for (const socket of sockets) socket.end()
    await events.stop(true)
  }, 300_000)
})

test('the executable reads neither .env nor bunfig.toml of the folder it is started in', async () => {
  using folder = temporaryFolder()
  mkdirSync(join(folder.path, 'x'))
  writeFileSync(join(folder.path, 'preload.ts'), 'console.log("PRELOADED")')
  writeFileSync(join(folder.path, 'bunfig.toml'), 'preload = ["./preload.ts"]\n')
  writeFileSync(join(folder.path, '.env'), 'GATE_SECRET=from-dot-env\n')
  writeFileSync(
    join(folder.path, 'routes.toml'),
    '[providers.id]\nissuer = "https://id.example.com"\nclient_id = "a"\nclient_secret = "${GATE_SECRET}"\n',
  )
  const child = Bun.spawn([await compiledBinary(), 'check'], {
    cwd: folder.path,
    env: { PATH: process.env.PATH ?? '' },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const output = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text())
  expect(output).not.toContain('PRELOADED')
  expect(output).toContain('GATE_SECRET')
  expect(await child.exited).toBe(1)
}, 300_000)

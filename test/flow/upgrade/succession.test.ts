import { expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { isAlive, signalOne } from '../../kit/programs/ended.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { EVERYONE, providerTable, routeForUsers, routeTo } from '../../kit/toml.ts'
import { type Ask, askOn, type Load, onKept, onNew } from '../../kit/upgrade/load.ts'
import { handOver } from '../../kit/upgrade/succession.ts'
import { openWire } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const provider = keep(
  await startProviderFor([{ sub: 'ada', name: 'Ada', email: 'ada@example.com', email_verified: true, groups: [] }]),
)
let onSlow = () => {}
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    async fetch(request, server) {
      const { pathname } = new URL(request.url)
      if (pathname === '/socket' && server.upgrade(request)) return undefined
      if (pathname === '/slow') {
        onSlow()
        await Bun.sleep(2_000)
      }
      if (pathname === '/upload') return new Response(`${(await request.bytes()).length}`)
      return new Response('here')
    },
    websocket: { message: (socket, message) => void socket.send(`echo ${message}`) },
  }),
)

const PUBLIC = routeTo(upstream, 'app.example', 'allow = "public"')

/** `here` where the service is ready; and where the machine is too busy to say so in time, which has nothing to do with who serves. */
async function readiness(answer: Response): Promise<string> {
  const said = await answer.text()
  return answer.ok || /does not answer|in time/.test(said) ? 'here' : said
}

needs('openssl', '/proc').test.each([
  ['one process', 1],
  ['two workers', 2],
])(
  'a process that takes over fails no request, no handshake and no sign-in: %s',
  async (_what, workers) => {
    using folder = temporaryFolder()
    const [port, securePort, admin] = [await freePort(), await freePort(), await freePort()]
    const authority = makeAuthority()
    const { cert, key } = authority.issue('DNS:app.example')
    writeFileSync(join(folder.path, 'app.pem'), cert)
    writeFileSync(join(folder.path, 'app.key'), key)
    provider.allowRedirect(`http://auth.localhost:${port}/.sallyport/callback`)
    const toml = `workers = ${workers}
admin = "127.0.0.1:${admin}"
verify = "unix:${folder.path}/verify"
access_log = false
[tls]
listen = ["127.0.0.1:${securePort}"]
certificates = [{ cert = "app.pem", key = "app.key" }]
redirect_http = false
${providerTable({ ...provider, clientSecret: '${GATE_SECRET}' })}
[portals.home]
url = "http://auth.localhost:${port}"
providers = ["id"]
${EVERYONE}
${routeForUsers(upstream, 'users.localhost')}
${PUBLIC}`
    await using child = await startChild({
      command: [await compiledBinary()],
      folder: folder.path,
      port,
      toml,
      env: { GATE_SECRET: 'gate-secret' },
    })
    const headers = { host: 'app.example', connection: 'close' }
    const ca = authority.cert
    const askers: readonly (readonly [Ask, number?])[] = [
      ...Array.from({ length: 8 }, () => [onKept(port)] as const),
      ...Array.from({ length: 4 }, () => [onNew(port)] as const),
      [
        () =>
          fetch(`https://127.0.0.1:${securePort}/`, {
            headers,
            keepalive: false,
            tls: { ca, serverName: 'app.example', checkServerIdentity: () => undefined },
          }).then(one => one.text()),
        5,
      ],
      // A proxy in front that asks by a local socket: 404 for what it does not name, which is an answer.
      [
        () =>
          fetch('http://gate/', { unix: join(folder.path, 'verify'), headers: { connection: 'close' } }).then(one =>
            one.status < 500 ? 'here' : `${one.status}`,
          ),
        5,
      ],
      [
        async () => {
          const at = `127.0.0.1:${port}`
          const hosts = { [`auth.localhost:${port}`]: at, [`users.localhost:${port}`]: at }
          const browser = new BrowserLite({ hosts })
          return (await browser.signIn(`http://users.localhost:${port}/`, 'ada')).text
        },
        20,
      ],
      [async () => readiness(await fetch(`http://127.0.0.1:${admin}/readyz`)), 50],
    ]
    const load: Load = { asked: 0, failures: [] }
    let isOver = false
    const done = Promise.all(askers.map(([ask, pauseMs]) => askOn(load, () => isOver, ask, pauseMs)))
    await eventually(() => load.asked > 1000, 'the load is there')
    await using successor = await handOver(child)
    const before = load.asked
    await eventually(() => load.asked > before + 1000, 'the load goes on')
    await eventually(() => !isAlive(child.process.pid), 'the first process is gone')
    await Bun.sleep(200)
    isOver = true
    await done
    expect(load.failures).toEqual([])
    expect(successor.pid).not.toBe(child.process.pid)
    expect(await child.process.exited).toBe(0)
  },
  300_000,
)

needs('/proc').test(
  'what is under way when another process takes over goes on: an answer, an upload, a WebSocket, a session',
  async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    await using child = await startChild({ command: [await compiledBinary()], folder: folder.path, port, toml: PUBLIC })
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { headers: { host: 'app.example' } } as never)
    const heard: string[] = []
    let closed: number | null = null
    socket.onmessage = ({ data }) => heard.push(data)
    socket.onclose = ({ code }) => {
      closed = code
    }
    await eventually(() => socket.readyState === WebSocket.OPEN, 'the socket opens')
    const slow = fetch(`http://127.0.0.1:${port}/slow`, { headers: { host: 'app.example' } })
    const upload = await openWire(port)
    await upload.send('POST /upload HTTP/1.1\r\nHost: app.example\r\nContent-Length: 10\r\n\r\n12345')
    await Bun.sleep(100)
    await using successor = await handOver(child)
    socket.send('after')
    await eventually(() => heard.includes('echo after'), 'the socket goes on')
    await upload.send('67890')
    expect(`${(await upload.receive()).body}`).toBe('10')
    expect(await (await slow).text()).toBe('here')
    expect([closed, isAlive(child.process.pid)]).toEqual([null, true])
    // Until its client has gone, or `drain` is over.
    socket.close()
    expect(await child.process.exited).toBe(0)
    expect(isAlive(successor.pid)).toBe(true)
  },
  300_000,
)

needs('/proc').test(
  'a process that took over and is stopped outlives the one before it, whose request ends whole',
  async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    await using child = await startChild({ command: [await compiledBinary()], folder: folder.path, port, toml: PUBLIC })
    const arrived = Promise.withResolvers<void>()
    onSlow = arrived.resolve
    const slow = fetch(`http://127.0.0.1:${port}/slow`, { headers: { host: 'app.example' } })
    await arrived.promise
    await using successor = await handOver(child)
    process.kill(successor.pid, 'SIGTERM')
    await eventually(() => !isAlive(successor.pid), 'the successor ends')
    expect(isAlive(child.process.pid)).toBe(false)
    expect(await (await slow).text()).toBe('here')
  },
  300_000,
)

needs('/proc').test(
  'a WebSocket that does not end is dropped when drain is over',
  async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    await using child = await startChild({
      command: [await compiledBinary()],
      folder: folder.path,
      port,
      toml: `drain = "2s"\n${PUBLIC}`,
    })
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { headers: { host: 'app.example' } } as never)
    const closed = new Promise<number>(resolve => {
      socket.onclose = ({ code }) => resolve(code)
    })
    await eventually(() => socket.readyState === WebSocket.OPEN, 'the socket opens')
    await using _successor = await handOver(child)
    // No Close frame came: some pages come back only then.
    expect(await closed).toBe(1006)
    expect(await child.process.exited).toBe(0)
  },
  300_000,
)

needs('/proc').test(
  'where the new process cannot begin, the old one goes on, and says why',
  async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    await using child = await startChild({ command: [await compiledBinary()], folder: folder.path, port, toml: PUBLIC })
    const config = join(folder.path, 'routes.toml')
    const good = readFileSync(config, 'utf8')
    writeFileSync(config, `${good}\nupstrem = 1\n`)
    process.kill(child.process.pid, 'SIGUSR2')
    await eventually(() => child.output().includes('No other process took over'), 'it says so')
    const ask = async () => onKept(port)()
    expect(await ask()).toBe('here')
    writeFileSync(config, good)
    await using successor = await handOver(child)
    expect(await child.process.exited).toBe(0)
    expect([isAlive(successor.pid), await ask()]).toEqual([true, 'here'])
  },
  300_000,
)

needs('mounts of its own', '/proc').test(
  'the first process of a container, with which all others end, is not succeeded',
  async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    // The name of the process within is 1, and nobody else's is known there.
    const command = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', await compiledBinary()]
    await using child = await startChild({ command, folder: folder.path, port, toml: PUBLIC })
    const [first] = readFileSync(`/proc/${child.process.pid}/task/${child.process.pid}/children`, 'utf8').split(' ')
    signalOne(first, 'SIGUSR2')
    await eventually(
      () => child.output().includes('The first process of a container cannot be succeeded'),
      'it says so',
    )
    expect(await onKept(port)()).toBe('here')
  },
  300_000,
)

import { describe, expect, test } from 'bun:test'
import { once } from 'node:events'
import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Child, childToml, FROM_SOURCE, freePort, PROGRAMS, startChild } from '../../kit/programs/child.ts'
import { isAlive, runToEnd } from '../../kit/programs/ended.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { EVERYONE, providerTable, routeForUsers, routeTo } from '../../kit/toml.ts'

const keep = untilTheEnd()
const provider = keep(
  await startProviderFor([{ sub: 'ada', name: 'Ada', email: 'ada@example.com', email_verified: true, groups: [] }]),
)
/** Until when `/slow` is not answered. */
let held = Promise.withResolvers<void>()
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === '/slow') await held.promise
      // The beginning of a request's id is its worker's own.
      const worker = request.headers.get('x-request-id')?.split('-')[1] ?? ''
      return new Response(pathname === '/assertion' ? `${worker} ${request.headers.get('x-jwt')}` : worker)
    },
  }),
)

function publicRoute(host: string): string {
  return routeTo(upstream, host, 'allow = "public"')
}

/** A portal with a host of its own, where Ada can sign in, and an application of it; the application's table is the last. */
function signInRoutes(port: number): string {
  provider.allowRedirect(`http://auth.localhost:${port}/.sallyport/callback`)
  return `
${providerTable({ ...provider, clientSecret: '${GATE_SECRET}' })}
[portals.home]
url = "http://auth.localhost:${port}"
providers = ["id"]

${EVERYONE}

${routeForUsers(upstream, 'app.localhost')}`
}

/** A browser that the system may lead to another worker each time. */
function browserAt(port: number): BrowserLite {
  const at = `127.0.0.1:${port}`
  return new BrowserLite({
    hosts: { [`auth.localhost:${port}`]: at, [`app.localhost:${port}`]: at },
    headers: { connection: 'close' },
  })
}

interface Workers {
  readonly child: Child
  readonly port: number
  readonly configPath: string
  save(routes: string): void
  admin(path: string): Promise<Response>
  config(): Promise<AdminConfig>
  /** The process of the first of them. */
  first(): Promise<number>
}

interface AdminConfig {
  readonly fingerprint: string
  readonly refused: string | null
  readonly workers: readonly {
    readonly worker: number
    readonly pid: number
    readonly fingerprint: string
    readonly refused: string | null
  }[]
}

/** Throws where none is told of: for a signal, no number means everybody. */
function pidOf([first]: AdminConfig['workers']): number {
  if (first === undefined) throw new Error('no worker is told of')
  return first.pid
}

/** Two workers on free ports; the folder holds their file and database. */
async function startWorkers(
  command: readonly string[],
  folder: string,
  routes: string,
  port: number,
  workers = '2',
): Promise<Workers & AsyncDisposable> {
  const admin = await freePort()
  const toml = (text: string) => `workers = ${workers}\nadmin = "127.0.0.1:${admin}"\ndrain = "60s"\n${text}`
  const child = await startChild({ command, folder, port, toml: toml(routes), env: { GATE_SECRET: 'gate-secret' } })
  const configPath = join(folder, 'routes.toml')
  const ask = (path: string) => fetch(`http://127.0.0.1:${admin}${path}`)
  const config = async () => (await (await ask('/config')).json()) as AdminConfig
  return {
    child,
    port,
    configPath,
    save(text) {
      // At once: who reads it between its end and its new beginning would tell of an empty file.
      writeFileSync(`${configPath}.new`, childToml(port, toml(text)))
      renameSync(`${configPath}.new`, configPath)
    },
    admin: ask,
    config,
    first: async () => pidOf((await config()).workers),
    async [Symbol.asyncDispose]() {
      // Orphans notice that their supervisor is gone: what kills it is enough.
      await child[Symbol.asyncDispose]()
    },
  }
}

/** One request on a connection of its own, so that the system chooses a worker anew. */
async function ask(port: number, host: string, path = '/', cookie = ''): Promise<{ status: number; body: string }> {
  const headers = { host, cookie, connection: 'close', accept: 'application/json' }
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers, keepalive: false, redirect: 'manual' })
  return { status: answer.status, body: await answer.text() }
}

async function metric(workers: Workers, series: string): Promise<number> {
  const text = await (await workers.admin('/metrics')).text()
  return Number(
    text
      .split('\n')
      .find(line => line.startsWith(`${series} `))
      ?.slice(series.length + 1),
  )
}

test('a proxy in front asks any worker, on the port that is for it alone', async () => {
  using folder = temporaryFolder()
  const [port, verify] = [await freePort(), await freePort()]
  const route = publicRoute('a.example').replace(/upstream = .*/, 'verify = true')
  const server = `trusted_proxies = "127.0.0.1"\nverify = "127.0.0.1:${verify}"\n`
  await using _workers = await startWorkers(FROM_SOURCE, folder.path, server + route, port)
  const question = { 'x-forwarded-method': 'GET', 'x-forwarded-uri': '/', 'x-forwarded-host': 'a.example' }
  const statusAt = async (at: number) => {
    const headers = { ...question, connection: 'close' }
    const answer = await fetch(`http://127.0.0.1:${at}/.sallyport/verify`, { headers, keepalive: false })
    return answer.status
  }
  for (let index = 0; index < 10; index++) expect([await statusAt(verify), await statusAt(port)]).toEqual([204, 404])
})

describe.each(PROGRAMS)('several workers of %s', (_what, program) => {
  test('share the port, and one admin listener speaks for all', async () => {
    using folder = temporaryFolder()
    await using workers = await startWorkers(await program(), folder.path, publicRoute('a.example'), await freePort())
    const seen = new Map<string, number>()
    for (let index = 0; index < 60; index++) {
      const { body } = await ask(workers.port, 'a.example')
      seen.set(body, (seen.get(body) ?? 0) + 1)
    }
    expect(seen.size).toBe(2)
    expect((await workers.admin('/healthz')).status).toBe(200)
    await eventually(async () => (await workers.admin('/readyz')).status === 200, 'they are ready')
    // A worker that is slow to say its numbers is shown with those from before.
    await eventually(
      async () => (await metric(workers, 'sallyport_responses_total{class="2xx"}')) === 60,
      'all are counted',
    )
    expect(await metric(workers, 'sallyport_workers')).toBe(2)
    await eventually(async () => {
      const { workers: shown, fingerprint } = await workers.config()
      return Bun.deepEquals(
        shown.map(one => [one.worker, one.fingerprint]),
        [1, 2].map(worker => [worker, fingerprint]),
      )
    }, 'both have the file')
    await eventually(
      () =>
        workers.child
          .output()
          .split('\n')
          .filter(line => line.includes('"message":"request"')).length === 60,
      'every access record is written',
    )
    for (const line of workers.child.output().trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('message')
  }, 300_000)

  test('one that is killed under load costs no request but its own, and comes back', async () => {
    using folder = temporaryFolder()
    await using workers = await startWorkers(await program(), folder.path, publicRoute('a.example'), await freePort())
    const victim = await workers.first()
    const clients = 8
    let isDone = false
    let answered = 0
    let failed = 0
    const traffic = Array.from({ length: clients }, async () => {
      while (!isDone) {
        try {
          expect((await ask(workers.port, 'a.example')).status).toBe(200)
          answered++
        } catch {
          failed++
        }
      }
    })
    await eventually(() => answered > 50, 'traffic flows')
    const before = await metric(workers, 'sallyport_responses_total{class="2xx"}')
    process.kill(victim, 'SIGKILL')
    await eventually(() => workers.child.output().includes('A worker died'), 'its death is noticed')
    await eventually(
      async () => (await metric(workers, 'sallyport_worker_restarts_total')) === 1,
      'another is started for it',
    )
    await eventually(async () => (await workers.admin('/readyz')).status === 200, 'all are back')
    isDone = true
    await Promise.all(traffic)
    // What it was answering, and what the system had queued for it while it died: nothing after that.
    expect(failed).toBeLessThanOrEqual(2 * clients)
    const { workers: after } = await workers.config()
    expect(after).toHaveLength(2)
    expect(after[0]?.pid).not.toBe(victim)
    expect(workers.child.output()).toContain('A worker died and is started again')
    await eventually(
      async () => (await metric(workers, 'sallyport_responses_total{class="2xx"}')) >= before,
      'nothing counted is lost',
    )
  }, 300_000)

  test('take a saved file over, and a signal to reload, and refuse a bad file, all of them', async () => {
    using folder = temporaryFolder()
    await using workers = await startWorkers(await program(), folder.path, publicRoute('a.example'), await freePort())
    const { fingerprint } = await workers.config()
    workers.save(publicRoute('b.example'))
    workers.child.process.kill('SIGHUP')
    await eventually(async () => {
      const config = await workers.config()
      return config.fingerprint !== fingerprint && config.workers.every(one => one.fingerprint === config.fingerprint)
    }, 'both have the new file')
    for (let index = 0; index < 20; index++) expect((await ask(workers.port, 'b.example')).status).toBe(200)
    workers.save(publicRoute('c.example').replace('upstream', 'upstrem'))
    await eventually(
      async () => (await workers.config()).workers.every(one => one.refused?.includes('upstrem') === true),
      'both refuse the bad file',
    )
    expect((await workers.config()).refused).toContain('upstrem')
    for (let index = 0; index < 20; index++) expect((await ask(workers.port, 'b.example')).status).toBe(200)
    const told = (what: string) => workers.child.output().split(what).length - 1
    await eventually(() => told('The changed file has errors') === 1, 'the refusal is told')
    await Bun.sleep(300)
    expect([told('The changed file is in use'), told('The changed file has errors')]).toEqual([1, 1])

    // Whoever is started while the file is bad serves the one before.
    const victim = await workers.first()
    process.kill(victim, 'SIGKILL')
    await eventually(() => told('A worker is back') === 1, 'the worker is back')
    for (let index = 0; index < 20; index++) expect((await ask(workers.port, 'b.example')).status).toBe(200)
    await eventually(
      async () => (await workers.config()).workers.every(one => one.refused !== null),
      'all say that the file is bad',
    )
  }, 300_000)

  test('SIGTERM drains all of them and ends with 0', async () => {
    using folder = temporaryFolder()
    await using workers = await startWorkers(await program(), folder.path, publicRoute('a.example'), await freePort())
    const pids = (await workers.config()).workers.map(one => one.pid)
    held = Promise.withResolvers()
    // The system deals connections out: all fifty to one of them it does not.
    const slow = Array.from({ length: 50 }, () => ask(workers.port, 'a.example', '/slow'))
    await eventually(async () => (await metric(workers, 'sallyport_requests_in_flight')) === 50, 'all are in flight')
    workers.child.process.kill('SIGTERM')
    await eventually(async () => (await workers.admin('/readyz')).status === 503, 'it says that it drains')
    held.resolve()
    const answers = await Promise.all(slow)
    expect(answers.map(answer => answer.status)).toEqual(slow.map(() => 200))
    expect(new Set(answers.map(answer => answer.body)).size).toBe(2)
    expect(await workers.child.process.exited).toBe(0)
    expect(pids.filter(isAlive)).toEqual([])
  }, 300_000)

  test('a second signal ends everything at once', async () => {
    using folder = temporaryFolder()
    await using workers = await startWorkers(await program(), folder.path, publicRoute('a.example'), await freePort())
    const pids = (await workers.config()).workers.map(one => one.pid)
    held = Promise.withResolvers()
    const slow = Array.from({ length: 4 }, () => ask(workers.port, 'a.example', '/slow').catch(() => null))
    await eventually(async () => (await metric(workers, 'sallyport_requests_in_flight')) === 4, 'all are in flight')
    workers.child.process.kill('SIGTERM')
    await eventually(async () => (await workers.admin('/readyz')).status === 503, 'it drains')
    workers.child.process.kill('SIGTERM')
    expect(await workers.child.process.exited).toBe(1)
    await eventually(() => !pids.some(isAlive), 'no worker is left')
    expect(await Promise.all(slow)).toEqual(slow.map(() => null))
    held.resolve()
  }, 300_000)

  test('workers whose supervisor is killed end too, and leave the port', async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    let pids: number[] = []
    {
      await using workers = await startWorkers(await program(), folder.path, publicRoute('a.example'), port)
      pids = (await workers.config()).workers.map(one => one.pid)
    }
    await eventually(() => !pids.some(isAlive), 'no worker is left')
    await using again = await startWorkers(await program(), folder.path, publicRoute('a.example'), port)
    expect((await ask(again.port, 'a.example')).status).toBe(200)
  }, 300_000)

  test('sign assertions with one key, which each of them publishes', async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    const routes = `${signInRoutes(port)}assertion = { audience = "app", header = "X-Jwt" }\n`
    await using _workers = await startWorkers(await program(), folder.path, routes, port)
    const ada = browserAt(port)
    expect((await ada.signIn(`http://app.localhost:${port}/`, 'ada')).response.status).toBe(200)
    const cookie = ada.cookieHeader(new URL(`http://app.localhost:${port}/`))
    const assertions = new Map<string, string>()
    await eventually(async () => {
      const [worker = '', assertion = ''] = (await ask(port, 'app.localhost', '/assertion', cookie)).body.split(' ')
      return assertions.set(worker, assertion).size === 2
    }, 'both workers have signed')
    const sets = await Promise.all(
      Array.from({ length: 20 }, async () => (await ask(port, 'auth.localhost', '/.sallyport/jwks.json')).body),
    )
    expect(new Set(sets).size).toBe(1)
    const keys = createLocalJWKSet(JSON.parse(sets[0] ?? ''))
    for (const assertion of assertions.values()) {
      const { payload } = await jwtVerify(assertion, keys, { audience: 'app', issuer: `http://auth.localhost:${port}` })
      expect(payload.sub).toBe('ada')
    }
  }, 300_000)

  test('sign-ins hold in every worker, and a sign-out is soon seen by every worker', async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    await using _workers = await startWorkers(await program(), folder.path, signInRoutes(port), port)
    for (let round = 0; round < 3; round++) {
      const ada = browserAt(port)
      const home = await ada.signIn(`http://app.localhost:${port}/deep`, 'ada')
      expect([home.response.status, home.address.pathname]).toEqual([200, '/deep'])
      const cookie = ada.cookieHeader(new URL(`http://app.localhost:${port}/`))
      const seen = new Set<string>()
      await eventually(async () => {
        const { status, body } = await ask(port, 'app.localhost', '/', cookie)
        expect(status).toBe(200)
        return seen.add(body).size === 2
      }, 'both workers know the session')

      const origin = `http://auth.localhost:${port}`
      const out = await ada.visit(`${origin}/.sallyport/logout`, {
        method: 'POST',
        headers: { origin, 'sec-fetch-site': 'same-origin' },
      })
      expect(out.status).toBe(303)
      const isOutEverywhere = async () => {
        for (let index = 0; index < 20; index++) {
          if ((await ask(port, 'app.localhost', '/', cookie)).status !== 401) return false
        }
        return true
      }
      await eventually(isOutEverywhere, 'no worker lets the session in any more')
    }
  }, 300_000)
})

describe('a start that cannot succeed', () => {
  async function start(toml: string, folder: string): Promise<{ code: number; output: string }> {
    writeFileSync(join(folder, 'routes.toml'), toml)
    const { code, stdout, stderr } = await runToEnd([...FROM_SOURCE, 'serve'], { cwd: folder })
    return { code, output: stdout + stderr }
  }
  const count = (text: string, part: string) => text.split(part).length - 1

  test('for a mistake in the file ends with 1 and says it once', async () => {
    using folder = temporaryFolder()
    const toml = `[server]\nworkers = 3\nlisen = "127.0.0.1:0"\n${publicRoute('a.example')}`
    const { code, output } = await start(toml, folder.path)
    expect([code, count(output, 'unknown key')]).toEqual([1, 1])
  })

  test('for a port in use ends with 1 and says it once, though workers could share it', async () => {
    using folder = temporaryFolder()
    const taken = Bun.serve({ port: 0, hostname: '127.0.0.1', reusePort: true, fetch: () => new Response('theirs') })
    const { code, output } = await start(
      `[server]\nworkers = 2\nlisten = ["127.0.0.1:${taken.port}"]\n${publicRoute('a.example')}`,
      folder.path,
    )
    await taken.stop(true)
    expect([code, count(output, 'already in use')]).toEqual([1, 1])
  })

  test('for what the first worker meets ends with 1 and says it once', async () => {
    using folder = temporaryFolder()
    const { code, output } = await start(
      `[server]\nworkers = 4\nlisten = ["127.0.0.1:${await freePort()}"]\n[sessions]\nstore = "sqlite:no/such/folder/x.db"\n${publicRoute('a.example')}`,
      folder.path,
    )
    expect([code, count(output, 'cannot start')]).toEqual([1, 1])
  })
})

test('a request that comes back to another worker is a loop all the same', async () => {
  using folder = temporaryFolder()
  const port = await freePort()
  // Where a file names its own listener, it is refused; what leads there by way of something else cannot be known.
  const detour = createServer(socket => {
    const onward = connect(port, '127.0.0.1')
    for (const end of [socket, onward]) end.on('error', () => void [socket, onward].map(one => one.destroy()))
    socket.pipe(onward).pipe(socket)
  })
  await once(detour.listen(0, '127.0.0.1'), 'listening')
  using _ = { [Symbol.dispose]: () => void detour.close() }
  const address = detour.address()
  const around = typeof address === 'object' ? address?.port : undefined
  const loop = `[[routes]]\nhost = "loop.example"\nupstream = "http://127.0.0.1:${around}"\nallow = "public"\n`
  await using workers = await startWorkers(FROM_SOURCE, folder.path, loop, port)
  for (let index = 0; index < 20; index++) expect((await ask(port, 'loop.example')).status).toBe(508)
  // Each was seen twice: once as asked, once as it came back.
  await eventually(
    async () => (await metric(workers, 'sallyport_responses_total{class="5xx"}')) === 40,
    'both have counted each',
  )
}, 300_000)

needs('/proc').test(
  'what a process left that was killed before it moved its socket is removed by the next one',
  async () => {
    using folder = temporaryFolder()
    const socket = join(folder.path, 'gate.sock')
    const dies = `Bun.serve({ unix: "${socket}." + process.pid, fetch: () => new Response() }); process.kill(process.pid, 9)`
    await Bun.spawn([process.execPath, '-e', dies], { stdout: 'ignore', stderr: 'ignore' }).exited
    const [left = ''] = readdirSync(folder.path)
    expect(left).toMatch(/^gate\.sock\.[0-9]+$/)
    // Of one that runs, of another socket, and what is no socket.
    const kept = [`gate.sock.${process.ppid}`, `other.sock.${left.split('.')[2]}`]
    const own = kept.map(name => Bun.serve({ unix: join(folder.path, name), fetch: () => new Response() }))
    writeFileSync(join(folder.path, 'gate.sock.4194999'), '')
    try {
      await using gate = await startGate(publicRoute('a.example'), { listen: `unix:${socket}` })
      const headers = { host: 'a.example' }
      expect((await fetch('http://a.example/', { unix: socket, headers, keepalive: false })).status).toBe(200)
      expect(gate.server.addresses).toEqual([`unix:${socket}`])
      expect(readdirSync(folder.path).sort()).toEqual(['gate.sock', 'gate.sock.4194999', ...kept].sort())
    } finally {
      for (const one of own) await one.stop(true)
    }
  },
)

test('a local socket is listened on by one worker alone, which takes it up again after a death', async () => {
  using folder = temporaryFolder()
  const socket = join(folder.path, 'gate.sock')
  const admin = await freePort()
  writeFileSync(
    join(folder.path, 'routes.toml'),
    `[server]\nlisten = ["unix:${socket}", "127.0.0.1:${await freePort()}"]\nworkers = 2\nadmin = "127.0.0.1:${admin}"\n${publicRoute('a.example')}`,
  )
  const child = Bun.spawn([...FROM_SOURCE, 'serve'], { cwd: folder.path, stdout: 'ignore', stderr: 'ignore' })
  const isReady = () =>
    fetch(`http://127.0.0.1:${admin}/readyz`).then(
      answer => answer.status === 200,
      () => false,
    )
  const told = async () => ((await (await fetch(`http://127.0.0.1:${admin}/config`)).json()) as AdminConfig).workers
  const overSocket = async () =>
    (await fetch('http://a.example/', { unix: socket, headers: { host: 'a.example' }, keepalive: false })).status
  try {
    await eventually(isReady, 'both workers are up')
    expect(await overSocket()).toBe(200)
    const victim = pidOf(await told())
    process.kill(victim, 'SIGKILL')
    await eventually(
      async () => (await told())[0]?.pid !== victim && (await told()).length === 2,
      'another is started for it',
    )
    await eventually(isReady, 'it is ready')
    expect(await overSocket()).toBe(200)
    child.kill()
    expect(await child.exited).toBe(0)
  } finally {
    child.kill('SIGKILL')
  }
}, 300_000)

import { expect, test } from 'bun:test'
import { closeSync, constants, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { childToml, freePort, startChild } from '../../kit/programs/child.ts'
import { runToEnd } from '../../kit/programs/ended.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { EVERYONE, portalTable, providerTable } from '../../kit/toml.ts'

const ROUTE = '[[routes]]\nhost = "app.example"\nallow = "public"\nrespond = { status = 200, body = "here" }\n'

/** The answer's status, or null where there is none. */
async function ask(port: number, path = '/'): Promise<number | null> {
  const headers = { host: 'app.example', connection: 'close' }
  return fetch(`http://127.0.0.1:${port}${path}`, { headers, keepalive: false, redirect: 'manual' }).then(
    answer => answer.status,
    () => null,
  )
}

test.each([
  ['one process', 1],
  ['a supervisor and its workers', 2],
])('signals that mean nothing end nothing: %s', async (_what, workers) => {
  using folder = temporaryFolder()
  const port = await freePort()
  const admin = await freePort()
  const toml = `workers = ${workers}\nadmin = "127.0.0.1:${admin}"\n${ROUTE}`
  await using child = await startChild({ command: [await compiledBinary()], folder: folder.path, port, toml })
  const config = async () => (await fetch(`http://127.0.0.1:${admin}/config`)).json() as Promise<Crew>
  const pids = ((await config()).workers ?? []).map(({ pid }) => pid)
  for (const pid of [child.process.pid, ...pids]) {
    for (const signal of ['SIGUSR1', 'SIGPIPE', 'SIGHUP'] as const) process.kill(pid, signal)
  }
  // To the process that has them it means that another is to take over.
  for (const pid of pids) process.kill(pid, 'SIGUSR2')
  const told = () => child.output().split('A signal that means nothing here was ignored').length - 1
  await eventually(() => told() === 1 + 2 * pids.length, 'each says what it ignored')
  expect(await ask(port)).toBe(200)
  expect(((await config()).workers ?? []).map(({ pid }) => pid)).toEqual(pids)
  expect(child.process.exitCode).toBeNull()
})

test.each([
  ['one process', 1],
  ['a supervisor and its workers', 2],
])('SIGHUP has every process ask its providers anew, and a save does not: %s', async (_what, workers) => {
  using folder = temporaryFolder()
  await using provider = await startBadProvider()
  const port = await freePort()
  const table = `${providerTable(provider)}${portalTable(EVERYONE)}`
  const toml = (body: string) => `workers = ${workers}
${table}
[[routes]]
host = "app.example"
path = "/in"
portal = "home"
allow = ["user"]
respond = { status = 200, body = "in" }
${ROUTE.replace('here', body)}`
  await using child = await startChild({
    command: [await compiledBinary()],
    folder: folder.path,
    port,
    toml: toml('a'),
  })
  /** Until every process has had its turn, whichever takes a connection. */
  const begin = async () => {
    for (let times = 0; times < 40; times++) expect(await ask(port, '/.sallyport/login')).toBe(302)
  }
  await begin()
  const before = provider.asked.discovery
  expect(before).toBeLessThanOrEqual(workers)
  writeFileSync(join(folder.path, 'routes.toml'), childToml(port, toml('b')))
  await eventually(async () => (await body(port)) === 'b', 'the save is in force')
  await begin()
  expect(provider.asked.discovery).toBeLessThanOrEqual(workers)
  const kept = provider.asked.discovery
  child.process.kill('SIGHUP')
  await eventually(async () => {
    await begin()
    return provider.asked.discovery === 2 * kept
  }, 'each has asked once more')
  await begin()
  expect(provider.asked.discovery).toBe(2 * kept)
})

async function body(port: number): Promise<string> {
  const headers = { host: 'app.example', connection: 'close' }
  return (await fetch(`http://127.0.0.1:${port}/`, { headers, keepalive: false })).text()
}

interface Crew {
  readonly workers?: readonly { readonly pid: number }[]
}

test.each([
  ['one process', 1],
  ['a supervisor and its workers', 2],
])('whoever reads the log and is stuck holds up no exit: %s', async (_what, workers) => {
  using folder = temporaryFolder()
  const port = await freePort()
  const pipe = join(folder.path, 'log')
  await runToEnd(['mkfifo', pipe])
  // Both ends are open here, and nobody reads.
  const log = openSync(pipe, constants.O_RDWR)
  const path = join(folder.path, 'routes.toml')
  writeFileSync(path, childToml(port, `workers = ${workers}\ndrain = "1s"\n${ROUTE}`))
  const child = Bun.spawn([await compiledBinary(), 'serve', '--config', path], {
    env: { PATH: process.env.PATH ?? '', HOME: folder.path },
    stdin: 'ignore',
    stdout: log,
    stderr: log,
  })
  await eventually(async () => (await ask(port)) === 200, 'it listens')
  // More than a pipe takes, which is 64 KiB.
  const long = `/${'x'.repeat(4000)}`
  for (let round = 0; round < 4; round++) await Promise.all(Array.from({ length: 10 }, () => ask(port, long)))
  child.kill('SIGTERM')
  expect(await child.exited).toBe(0)
  closeSync(log)
})

test('a second signal of either kind ends a process at once', async () => {
  using folder = temporaryFolder()
  const port = await freePort()
  const upstream = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    fetch: () => new Promise<Response>(() => undefined),
  })
  const admin = await freePort()
  const toml = `admin = "127.0.0.1:${admin}"\ndrain = "1h"\n[[routes]]\nhost = "app.example"\nallow = "public"\nupstream = "http://127.0.0.1:${upstream.port}"\n`
  await using child = await startChild({ command: [await compiledBinary()], folder: folder.path, port, toml })
  const waiting = ask(port)
  await eventually(() => upstream.pendingRequests === 1, 'a request is under way')
  child.process.kill('SIGTERM')
  await eventually(async () => (await fetch(`http://127.0.0.1:${admin}/readyz`)).status === 503, 'it drains')
  child.process.kill('SIGTERM')
  expect(await child.process.exited).toBe(1)
  expect(await waiting).toBeNull()
  await upstream.stop(true)
})

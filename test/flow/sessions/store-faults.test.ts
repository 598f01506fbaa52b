import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startSaying } from '../../kit/applications/answering.ts'
import { BrowserLite, type Page } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { oneHost, siteAt } from '../../kit/one-host.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { type Child, freePort, startChild } from '../../kit/programs/child.ts'
import { runToEnd } from '../../kit/programs/ended.ts'
import { mountSmall } from '../../kit/programs/mount.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { routeSaying } from '../../kit/toml.ts'

const keep = untilTheEnd()
const provider = keep(await startProviderFor(['ada', 'bob', 'cleo', 'dan'].map(sub => ({ sub, name: sub }))))
const upstream = keep(startSaying('let through'))

/** The compiled binary in a folder, with a database at `s.db` there. */
async function openGate(folder: string, sessions = ''): Promise<Child & { readonly site: URL; readonly path: string }> {
  const port = await freePort()
  const path = join(folder, 's.db')
  const toml = oneHost(provider, port, upstream, `store = "sqlite:${path}"\n${sessions}`)
  const child = await startChild({ command: [await compiledBinary()], folder, port, toml })
  return { ...child, site: siteAt(port), path }
}

function browserFor(site: URL): BrowserLite {
  return new BrowserLite({ hosts: { [site.host]: `127.0.0.1:${site.port}` } })
}

/** Somebody who has signed in. */
async function comeIn(site: URL, login: string): Promise<BrowserLite> {
  const browser = browserFor(site)
  const page = await browser.signIn(site, login)
  expect([page.response.status, page.text]).toEqual([200, 'let through'])
  return browser
}

async function statusFor(browser: BrowserLite, site: URL): Promise<number> {
  const response = await browser.visit(site)
  await response.body?.cancel()
  return response.status
}

function expectUnavailable(page: Page): void {
  expect(page.response.status).toBe(503)
  expect(page.response.headers.get('retry-after')).toMatch(/^\d+$/)
}

/** What `serve` says where it does not start: the exit code, and the words. */
async function refusal(folder: string, store: string): Promise<{ readonly code: number; readonly words: string }> {
  const config = join(folder, 'routes.toml')
  const port = await freePort()
  const head = `[server]\nlisten = ["127.0.0.1:${port}"]\n`
  writeFileSync(config, head + oneHost(provider, port, upstream, `store = "sqlite:${store}"`))
  const { code, stdout, stderr } = await runToEnd([await compiledBinary(), 'serve', '--config', config])
  return { code, words: stderr + stdout }
}

test('more people than fit into memory all stay signed in', async () => {
  using folder = temporaryFolder()
  await using gate = await openGate(folder.path, 'cache = 1')
  const people = []
  for (const login of ['ada', 'bob', 'cleo', 'dan']) people.push(await comeIn(gate.site, login))
  for (let round = 0; round < 2; round++) {
    for (const browser of people) expect(await statusFor(browser, gate.site)).toBe(200)
  }
}, 300_000)

test('while another process has the database locked, everyone who is signed in passes and signing in says to try again', async () => {
  using folder = temporaryFolder()
  await using gate = await openGate(folder.path, 'cache = 1')
  const ada = await comeIn(gate.site, 'ada')
  const bob = await comeIn(gate.site, 'bob')
  const other = new Database(gate.path)
  // The gate may be writing.
  other.run('PRAGMA busy_timeout = 30000')
  other.run('BEGIN EXCLUSIVE')
  const late = browserFor(gate.site)
  const waiting = late.open(gate.site)
  let passed = 0
  let isWaiting = true
  void waiting.then(() => {
    isWaiting = false
  })
  while (isWaiting) {
    for (const browser of [ada, bob]) expect(await statusFor(browser, gate.site)).toBe(200)
    passed++
  }
  expect(passed).toBeGreaterThan(10)
  expectUnavailable(await waiting)
  const halfway = late.open(gate.site)
  other.run('ROLLBACK')
  other.close()
  expect((await halfway).address.pathname).toStartWith('/interaction/')
  expect((await late.signIn(gate.site, 'cleo')).text).toBe('let through')
}, 300_000)

test('a database that is overwritten under a running gate is moved aside, and admits only who signs in again', async () => {
  using folder = temporaryFolder()
  await using gate = await openGate(folder.path, 'cache = 1')
  const ada = await comeIn(gate.site, 'ada')
  // Who is in memory goes on, however early the gate notices: it is somebody else.
  await comeIn(gate.site, 'bob')
  const other = new Database(gate.path)
  other.run('PRAGMA wal_checkpoint(TRUNCATE)')
  other.close()
  truncateSync(gate.path, 4096 + 100)
  writeFileSync(`${gate.path}-wal`, '')
  const statuses = []
  for (const login of ['bob', 'bob', 'cleo'])
    statuses.push((await browserFor(gate.site).signIn(gate.site, login)).response.status)
  expect(statuses.at(-1)).toBe(200)
  expect(await statusFor(ada, gate.site)).not.toBe(200)
  expect(readdirSync(folder.path).some(name => /^s\.db\.damaged-\d+$/.test(name))).toBe(true)
  await eventually(() => gate.output().includes('damaged'), 'damaged')
}, 300_000)

test('a database of a newer version is a clear refusal, and is left as it was', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const database = new Database(path)
  database.run('CREATE TABLE sessions (id TEXT); PRAGMA user_version = 999')
  database.close()
  const before = statSync(path).mtimeMs
  const { code, words } = await refusal(folder.path, path)
  expect(code).toBe(1)
  expect(words).toContain('newer Sallyport')
  expect(words).toContain(path)
  expect(statSync(path).mtimeMs).toBe(before)
}, 300_000)

/** The compiled binary with its database on a disk, a public route, and an admin listener. */
async function openOn(
  disk: string,
  folder: string,
  { port, server = '', sessions = '' }: { readonly port: number; readonly server?: string; readonly sessions?: string },
) {
  const admin = await freePort()
  const child = await startChild({
    command: [await compiledBinary()],
    folder,
    port,
    toml: `admin = "127.0.0.1:${admin}"
${server}
${oneHost(provider, port, upstream, `store = "sqlite:${join(disk, 's.db')}"\n${sessions}`)}
${routeSaying('open to all', 'open.localhost', 'allow = "public"')}`,
  })
  return {
    ...child,
    site: siteAt(port),
    /** What the public route says. */
    open: async () => (await fetchFrom(child, '/', { host: 'open.localhost' })).text(),
    ready: async () => {
      const answer = await fetch(`http://127.0.0.1:${admin}/readyz`)
      return [answer.status, await answer.text()]
    },
  }
}

/** What was found is kept for a moment. */
async function untilReady(gate: { ready(): Promise<unknown> }, verdict: readonly [number, string]): Promise<void> {
  await eventually(async () => Bun.deepEquals(await gate.ready(), verdict), verdict[1])
}

/** Takes all of the room on a small disk; answers what gives it back. */
function fill(disk: string): () => void {
  const filler = join(disk, 'filler')
  expect(() => writeFileSync(filler, Buffer.alloc(4 << 20))).toThrow()
  return () => rmSync(filler)
}

needs('right to mount').describe('a disk', () => {
  test.concurrent('that is full leaves everyone signed in, refuses sign-ins with a word, and heals', async () => {
    using folder = temporaryFolder()
    using _disk = mountSmall(folder.path, 'size=2m')
    await using gate = await openOn(folder.path, folder.path, { port: await freePort(), sessions: 'cache = 1' })
    const ada = await comeIn(gate.site, 'ada')
    const bob = await comeIn(gate.site, 'bob')
    const free = fill(folder.path)
    expectUnavailable(await browserFor(gate.site).open(gate.site))
    for (const browser of [ada, bob, ada]) expect(await statusFor(browser, gate.site)).toBe(200)
    await eventually(() => gate.output().includes('SQLITE_FULL'), 'SQLITE_FULL')
    await eventually(() => gate.output().includes('make room on the disk of'), 'make room on the disk of')
    expect(await gate.open()).toBe('open to all')
    await untilReady(gate, [503, 'session store: its disk is full\n'])
    free()
    await untilReady(gate, [200, 'ready\n'])
    await comeIn(gate.site, 'cleo')
    expect(await statusFor(ada, gate.site)).toBe(200)
  }, 300_000)

  test.concurrent.each([
    ['', 'one process'],
    ['workers = 2', ''],
  ])(
    'that is full at the first start keeps nobody from public routes, and heals (%s%s)',
    async server => {
      using folder = temporaryFolder()
      using disk = temporaryFolder()
      using _mounted = mountSmall(disk.path, 'size=2m,mode=755')
      const free = fill(disk.path)
      await using gate = await openOn(disk.path, folder.path, { port: await freePort(), server })
      expect(await gate.open()).toBe('open to all')
      expectUnavailable(await browserFor(gate.site).open(gate.site))
      expect(await gate.ready()).toEqual([503, expect.stringContaining('session store: its disk is full')])
      const told = gate
        .output()
        .split('\n')
        .filter(line => line.includes('cannot be opened'))
      expect(told.join()).toContain('SQLITE_FULL')
      expect(told.join()).toContain('make room on the disk of')
      expect(readdirSync(disk.path).filter(name => name.endsWith('.new'))).toEqual([])
      free()
      await eventually(async () => (await gate.ready())[0] === 200, 'it is ready')
      await comeIn(gate.site, 'ada')
      expect(await gate.open()).toBe('open to all')
      await eventually(() => gate.output().includes('The session database is open'), 'The session database is open')
    },
    300_000,
  )

  test.concurrent.each([
    ['is full', fill],
    [
      'is read-only',
      (disk: string) => {
        expect(Bun.spawnSync(['mount', '-o', 'remount,ro', disk]).success).toBe(true)
        return () => expect(Bun.spawnSync(['mount', '-o', 'remount,rw', disk]).success).toBe(true)
      },
    ],
  ])(
    'that %s when a gate starts again keeps who is signed in waiting, and nobody out for good',
    async (_what, spoil) => {
      using folder = temporaryFolder()
      using disk = temporaryFolder()
      using _mounted = mountSmall(disk.path, 'size=2m,mode=755')
      const port = await freePort()
      const first = await openOn(disk.path, folder.path, { port })
      const ada = await comeIn(first.site, 'ada')
      first.process.kill('SIGTERM')
      await first.process.exited
      const mend = spoil(disk.path)
      await using gate = await openOn(disk.path, folder.path, { port })
      expect(await gate.open()).toBe('open to all')
      expect(await statusFor(ada, gate.site)).toBe(503)
      expectUnavailable(await browserFor(gate.site).open(gate.site))
      expect((await gate.ready())[0]).toBe(503)
      await eventually(() => gate.output().includes('cannot be opened'), 'cannot be opened')
      const config = join(folder.path, 'routes.toml')
      const command = await runToEnd([await compiledBinary(), 'sessions', 'list', '--config', config])
      expect([command.code, command.stderr]).toEqual([1, expect.stringContaining('cannot be opened')])
      mend()
      await eventually(async () => (await gate.ready())[0] === 200, 'it is ready')
      expect(await statusFor(ada, gate.site)).toBe(200)
      await comeIn(gate.site, 'bob')
    },
    300_000,
  )

  needs('/proc').test.concurrent(
    'that is full keeps a gate from taking over from one that has its database open',
    async () => {
      using folder = temporaryFolder()
      using disk = temporaryFolder()
      using _mounted = mountSmall(disk.path, 'size=2m,mode=755')
      await using gate = await openOn(disk.path, folder.path, { port: await freePort() })
      const ada = await comeIn(gate.site, 'ada')
      const free = fill(disk.path)
      gate.process.kill('SIGUSR2')
      await eventually(() => gate.output().includes('cannot start'), 'the next one says why it does not start')
      expect(await statusFor(ada, gate.site)).toBe(200)
      expect(gate.process.exitCode).toBeNull()
      free()
      await comeIn(gate.site, 'bob')
    },
    300_000,
  )

  test.concurrent('that is read-only, with no database yet, is a clear refusal at start', async () => {
    using folder = temporaryFolder()
    using disk = temporaryFolder()
    using _mounted = mountSmall(disk.path, 'size=2m,ro')
    const { code, words } = await refusal(folder.path, join(disk.path, 's.db'))
    expect(code).toBe(1)
    expect(words).toContain('cannot be opened')
    expect(words).toContain('writable')
  }, 300_000)
})

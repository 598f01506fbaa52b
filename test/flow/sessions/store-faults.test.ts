import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startSaying } from '../../kit/applications/answering.ts'
import { BrowserLite, type Page } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { oneHost, siteAt } from '../../kit/one-host.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { type Child, freePort, startChild } from '../../kit/programs/child.ts'
import { runToEnd } from '../../kit/programs/ended.ts'
import { mayMount, mountSmall } from '../../kit/programs/mount.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'

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
}, 30_000)

test('while another process has the database locked, everyone who is signed in passes and signing in says to try again', async () => {
  using folder = temporaryFolder()
  await using gate = await openGate(folder.path, 'cache = 1')
  const ada = await comeIn(gate.site, 'ada')
  const bob = await comeIn(gate.site, 'bob')
  const other = new Database(gate.path)
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
}, 30_000)

test('a database that is overwritten under a running gate is moved aside, and admits only who signs in again', async () => {
  using folder = temporaryFolder()
  await using gate = await openGate(folder.path, 'cache = 1')
  const ada = await comeIn(gate.site, 'ada')
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
  expect(gate.output()).toContain('damaged')
}, 30_000)

test('a database of a newer version is a clear refusal, and is left as it was', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const database = new Database(path)
  database.run('PRAGMA user_version = 999')
  database.close()
  const before = statSync(path).mtimeMs
  const { code, words } = await refusal(folder.path, path)
  expect(code).toBe(1)
  expect(words).toContain('newer Sallyport')
  expect(words).toContain(path)
  expect(statSync(path).mtimeMs).toBe(before)
}, 30_000)

describe.skipIf(!mayMount())('a disk', () => {
  test('that is full leaves everyone signed in, refuses sign-ins with a word, and heals', async () => {
    using folder = temporaryFolder()
    using _disk = mountSmall(folder.path, 'size=2m')
    await using gate = await openGate(folder.path, 'cache = 1')
    const ada = await comeIn(gate.site, 'ada')
    const bob = await comeIn(gate.site, 'bob')
    const filler = join(folder.path, 'filler')
    expect(() => writeFileSync(filler, Buffer.alloc(4 << 20))).toThrow()
    expectUnavailable(await browserFor(gate.site).open(gate.site))
    for (const browser of [ada, bob, ada]) expect(await statusFor(browser, gate.site)).toBe(200)
    rmSync(filler)
    await comeIn(gate.site, 'cleo')
    expect(await statusFor(ada, gate.site)).toBe(200)
  }, 30_000)

  test('that is read-only is a clear refusal at start', async () => {
    using folder = temporaryFolder()
    using disk = temporaryFolder()
    using _mounted = mountSmall(disk.path, 'size=2m')
    const first = await openGate(disk.path)
    await comeIn(first.site, 'ada')
    await first[Symbol.asyncDispose]()
    expect(Bun.spawnSync(['mount', '-o', 'remount,ro', disk.path]).success).toBe(true)
    const { code, words } = await refusal(folder.path, join(disk.path, 's.db'))
    expect(code).toBe(1)
    expect(words).toContain('cannot be opened')
    expect(words).toContain('writable')
  }, 30_000)
})

import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { existsSync, readdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { startSaying } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { oneHost, siteAt } from '../../kit/one-host.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { type Child, freePort, startChild } from '../../kit/programs/child.ts'
import { startProvider } from '../../kit/provider/provider.ts'

/** Two workers take turns as the system likes: so many answers alike came from both. */
const BOTH = 40

/** More than one page of the database, so that a log that is played on another one shows. */
const CROWD = 30

const KILLS = 5

const keep = untilTheEnd()
const provider = keep(
  await startProvider({
    clients: [{ client_id: 'gate', client_secret: 'gate-secret' }],
    accounts: [{ sub: 'ada', name: 'Ada' }],
  }),
)
const upstream = keep(startSaying('let through'))

/** The program with two workers, in a folder, and what is done to it there. */
interface Site {
  start(): Promise<Child>
  /** Ends the supervisor and both workers as a crash does, at once. */
  killAll(child: Child): Promise<void>
  /** A new session's Cookie field. */
  signIn(): Promise<string>
  /** The statuses of so many requests of a session, each on a connection of its own. */
  statuses(cookie: string): Promise<ReadonlySet<number>>
  /** Runs another command of the program, which has to succeed. */
  run(...argv: string[]): Promise<void>
}

async function siteIn(folder: string): Promise<Site> {
  const [port, admin] = [await freePort(), await freePort()]
  const site = siteAt(port)
  const toml = `workers = 2\nadmin = "127.0.0.1:${admin}"\n${oneHost(provider, port, upstream)}`
  const program = await compiledBinary()
  const at = `127.0.0.1:${port}`
  return {
    async start() {
      const child = await startChild({ command: [program], folder, port, toml })
      await eventually(async () => (await fetch(`http://127.0.0.1:${admin}/readyz`)).status === 200, 'both are ready')
      return child
    },
    async killAll(child) {
      const answer = await fetch(`http://127.0.0.1:${admin}/config`)
      const config = (await answer.json()) as { readonly workers: readonly { readonly pid: number }[] }
      const workers = config.workers.map(({ pid }) => pid)
      expect(workers).toHaveLength(2)
      child.process.kill('SIGKILL')
      for (const pid of workers) process.kill(pid, 'SIGKILL')
      await child.process.exited
      await eventually(() => !workers.some(pid => existsSync(`/proc/${pid}`)), 'nobody is left')
    },
    async signIn() {
      const browser = new BrowserLite({ hosts: { [site.host]: at }, headers: { connection: 'close' } })
      expect((await browser.signIn(site, 'ada')).text).toBe('let through')
      return browser.cookieHeader(site)
    },
    async statuses(cookie) {
      const seen = new Set<number>()
      for (let index = 0; index < BOTH; index++) {
        const headers = { host: site.host, cookie, connection: 'close', accept: 'application/json' }
        const answer = await fetch(`http://${at}/`, { headers, keepalive: false, redirect: 'manual' })
        await answer.body?.cancel()
        seen.add(answer.status)
      }
      return seen
    },
    async run(...argv) {
      const child = Bun.spawn([program, ...argv], { cwd: folder, stdout: 'ignore', stderr: 'pipe' })
      const [code, complaint] = await Promise.all([child.exited, new Response(child.stderr).text()])
      expect([code, complaint]).toEqual([0, ''])
    },
  }
}

function isOnly(statuses: ReadonlySet<number>, status: number): boolean {
  return statuses.size === 1 && statuses.has(status)
}

function isWhole(folder: string): boolean {
  const database = new Database(join(folder, 'sallyport.db'))
  const row = database.query<{ integrity_check: string }, []>('PRAGMA integrity_check').get()
  database.close()
  return row?.integrity_check === 'ok'
}

test('two workers go on with a backup that is restored under them, and after kill -9 it is what is there', async () => {
  using folder = temporaryFolder()
  const site = await siteIn(folder.path)
  {
    await using child = await site.start()
    const kept = await site.signIn()
    await site.run('backup', 'copy.db')
    const late = await site.signIn()
    for (let index = 0; index < CROWD; index++) await site.signIn()
    expect([await site.statuses(kept), await site.statuses(late)]).toEqual([new Set([200]), new Set([200])])
    await site.run('restore', 'copy.db')
    await eventually(async () => isOnly(await site.statuses(late), 401), 'both workers have the backup', 20_000)
    expect(await site.statuses(kept)).toEqual(new Set([200]))
    const after = await site.signIn()
    expect(await site.statuses(after)).toEqual(new Set([200]))
    await site.killAll(child)
    expect(statSync(join(folder.path, 'sallyport.db-wal')).size).toBeGreaterThan(0)
    await using again = await site.start()
    expect(await site.statuses(after)).toEqual(new Set([200]))
    expect([await site.statuses(kept), await site.statuses(late)]).toEqual([new Set([200]), new Set([401])])
    await site.killAll(again)
  }
  expect(isWhole(folder.path)).toBe(true)
}, 60_000)

test('kill -9 at the moment of a restore leaves the backup, whole, for whoever starts next', async () => {
  using folder = temporaryFolder()
  const site = await siteIn(folder.path)
  let kept = ''
  for (let round = 0; round < KILLS; round++) {
    await using child = await site.start()
    if (round === 0) {
      kept = await site.signIn()
      await site.run('backup', 'copy.db')
    }
    const late = await site.signIn()
    await site.run('restore', 'copy.db')
    await site.killAll(child)
    await using again = await site.start()
    expect([round, await site.statuses(kept), await site.statuses(late)]).toEqual([
      round,
      new Set([200]),
      new Set([401]),
    ])
    await site.killAll(again)
    expect(isWhole(folder.path)).toBe(true)
  }
}, 120_000)

test('a backup that is moved onto the database of workers that were killed does not meet their log', async () => {
  using folder = temporaryFolder()
  const site = await siteIn(folder.path)
  let [kept, late] = ['', '']
  {
    await using child = await site.start()
    kept = await site.signIn()
    await site.run('backup', 'copy.db')
    late = await site.signIn()
    for (let index = 0; index < CROWD; index++) await site.signIn()
    await site.killAll(child)
  }
  expect(statSync(join(folder.path, 'sallyport.db-wal')).size).toBeGreaterThan(0)
  renameSync(join(folder.path, 'copy.db'), join(folder.path, 'sallyport.db'))
  {
    await using again = await site.start()
    expect([await site.statuses(kept), await site.statuses(late)]).toEqual([new Set([200]), new Set([401])])
    expect(again.output()).toContain('what the one before had not yet taken in was set aside')
    await site.killAll(again)
  }
  expect(readdirSync(folder.path).filter(name => /^sallyport\.db\.replaced-\d+-wal$/.test(name))).toHaveLength(1)
  expect(isWhole(folder.path)).toBe(true)
}, 60_000)

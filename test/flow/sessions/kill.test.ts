import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { startSaying } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { oneHost, siteAt } from '../../kit/one-host.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { isWholeFile } from '../../kit/sessions/database-files.ts'

const KILLS = 50
/** People who sign in and out at the same time, and how often each of the two is acknowledged before the next kill. */
const AT_ONCE = 3
const ACKNOWLEDGED = 2

const keep = untilTheEnd()
const provider = keep(await startProviderFor([{ sub: 'ada', name: 'Ada' }]))
const upstream = keep(startSaying('let through'))

/** What the gate has acknowledged of each cookie; `unsure` where it was killed before it said that somebody was signed out. */
type Ledger = Map<string, 'in' | 'out' | 'unsure'>

const COOKIE = 'sallyport'

/** Signs in and, every other time, out again, until the gate is gone; `acknowledge` hears of each once it is there to stay. */
async function comeAndGo(
  site: URL,
  ledger: Ledger,
  first: number,
  acknowledge: (what: 'in' | 'out') => void,
): Promise<void> {
  for (let turn = first; ; turn++) {
    try {
      const browser = new BrowserLite({ hosts: { [site.host]: `127.0.0.1:${site.port}` } })
      const page = await browser.signIn(site, 'ada')
      const cookie = browser.cookie(site.hostname, COOKIE)
      // Nothing is acknowledged: what fills the log has held up the provider, or the database, for longer than a gate waits.
      if (page.response.status === 503) continue
      if (page.text !== 'let through' || cookie === null) throw new TypeError(`signed in to ${page.text}`)
      ledger.set(cookie, 'in')
      if (turn % 2 === 0) {
        acknowledge('in')
        continue
      }
      const question = await browser.open(new URL('/.sallyport/logout', site))
      ledger.set(cookie, 'unsure')
      const answer = await browser.submit(question)
      if (answer.response.status === 503) continue
      if (answer.response.status !== 200) throw new TypeError(`signed out with ${answer.response.status}`)
      ledger.set(cookie, 'out')
      acknowledge('out')
    } catch (error) {
      if (error instanceof TypeError && error.message.startsWith('signed')) throw error
      return
    }
  }
}

/** Cookies whose state is another than what was acknowledged. */
async function wrongOnes(site: URL, ledger: Ledger): Promise<string[]> {
  const wrong: string[] = []
  for (const [cookie, state] of ledger) {
    if (state === 'unsure') continue
    const headers = {
      host: site.host,
      cookie: `${COOKIE}=${cookie}`,
      accept: 'text/html',
      'sec-fetch-mode': 'navigate',
    }
    const response = await fetch(`http://127.0.0.1:${site.port}/`, { headers, redirect: 'manual' })
    await response.body?.cancel()
    if ((response.status === 200) !== (state === 'in')) wrong.push(`${state}, but ${response.status}`)
  }
  return wrong
}

test('kill -9 among sign-ins and sign-outs, fifty times: none that was acknowledged is lost, none signed out comes back', async () => {
  using folder = temporaryFolder()
  const port = await freePort()
  const site = siteAt(port)
  const toml = oneHost(provider, port, upstream)
  const options = { command: [await compiledBinary()], folder: folder.path, port, toml }
  const all: Ledger = new Map()
  for (let round = 0; round < KILLS; round++) {
    await using child = await startChild(options)
    const ledger: Ledger = new Map()
    const count = { in: 0, out: 0 }
    const acknowledge = (what: 'in' | 'out') => {
      count[what]++
      if (Math.min(count.in, count.out) === ACKNOWLEDGED) child.process.kill('SIGKILL')
    }
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => comeAndGo(site, ledger, index, acknowledge)))
    expect(Math.min(count.in, count.out)).toBeGreaterThanOrEqual(ACKNOWLEDGED)
    for (const [cookie, state] of ledger) all.set(cookie, state)
  }
  await using _child = await startChild(options)
  const states = [...all.values()]
  expect(states.filter(state => state === 'in').length).toBeGreaterThan(KILLS)
  expect(states.filter(state => state === 'out').length).toBeGreaterThan(KILLS)
  expect(await wrongOnes(site, all)).toEqual([])
}, 1_800_000)

/** Twice what makes a log long: to take it in lasts for some milliseconds, during which people sign in. */
const LOG_BYTES = 32_000_000

/** Makes the log of a database that a gate has open as long as a day with many people does. */
function fillLog(path: string): void {
  const database = new Database(path)
  database.run('PRAGMA busy_timeout = 30000')
  database.run('PRAGMA wal_autocheckpoint = 0')
  database.run('CREATE TABLE IF NOT EXISTS filler (x)')
  if (database.run('UPDATE filler SET x = randomblob(?)', [LOG_BYTES]).changes === 0)
    database.run('INSERT INTO filler VALUES (randomblob(?))', [LOG_BYTES])
  // The gate has it open still, so that nothing is taken in here.
  database.close()
}

/** Whether the log of a database was being taken in when all who had it open were killed (sqlite.org/walformat.html §2.2). */
function isHalfTakenIn(path: string): boolean {
  const index = new DataView(readFileSync(`${path}-shm`).buffer)
  const [done, begun] = [index.getUint32(96, true), index.getUint32(128, true)]
  return done < begun
}

test('kill -9 while a thread takes the log in and people sign in, fifty times: none that was acknowledged is lost', async () => {
  using folder = temporaryFolder()
  const port = await freePort()
  const site = siteAt(port)
  const path = join(folder.path, 'sallyport.db')
  const options = {
    command: [await compiledBinary()],
    folder: folder.path,
    port,
    toml: oneHost(provider, port, upstream),
  }
  const all: Ledger = new Map()
  const writtenAt = () => statSync(path, { bigint: true }).mtimeNs
  let halves = 0
  for (let round = 0; round < KILLS; round++) {
    await using child = await startChild(options)
    const ledger: Ledger = new Map()
    const { promise: isUsed, resolve } = Promise.withResolvers<void>()
    const count = { in: 0, out: 0 }
    const people = Array.from({ length: AT_ONCE }, (_, index) =>
      comeAndGo(site, ledger, index, what => {
        count[what]++
        if (Math.min(count.in, count.out) === 1) resolve()
      }),
    )
    await Promise.race([isUsed, Promise.all(people)])
    const before = writtenAt()
    fillLog(path)
    // Only who takes the log in writes to the database itself.
    while (writtenAt() === before && child.process.exitCode === null) await new Promise(setImmediate)
    child.process.kill('SIGKILL')
    await child.process.exited
    await Promise.all(people)
    if (isHalfTakenIn(path)) halves++
    for (const [cookie, state] of ledger) all.set(cookie, state)
  }
  expect(halves).toBeGreaterThan(0)
  {
    await using _child = await startChild(options)
    expect([...all.values()].filter(state => state === 'in').length).toBeGreaterThanOrEqual(KILLS)
    expect(await wrongOnes(site, all)).toEqual([])
  }
  expect(isWholeFile(path)).toBe(true)
}, 1_800_000)

import { expect, test } from 'bun:test'
import { startSaying } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { oneHost, siteAt } from '../../kit/one-host.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'

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
      if (page.text !== 'let through' || cookie === null) throw new TypeError(`signed in to ${page.text}`)
      ledger.set(cookie, 'in')
      if (turn % 2 === 0) {
        acknowledge('in')
        continue
      }
      const question = await browser.open(new URL('/.sallyport/logout', site))
      ledger.set(cookie, 'unsure')
      const answer = await browser.submit(question)
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
}, 600_000)

/**
 * What signing in takes in Chromium, in clicks and seconds, in front of a stand-in of each Pocket ID.
 *
 * Usage: bun test/bench/sign-in.ts [--rounds 5]
 *
 * Prints a table: clicks, the field that somebody fills in at the provider (a passkey's touch there), and the median of the rounds from
 * opening an address (or the first click) to the last page having loaded. Typing and looking take no time here, and neither does a network.
 */
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { startAnswering } from '../kit/applications/answering.ts'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { startGate } from '../kit/gate.ts'
import { freePort } from '../kit/programs/child.ts'
import { type PocketIdVersion, pocketIdUser } from '../kit/provider/pocket-id/people.ts'
import { pocketId } from '../kit/provider/pocket-id/pocket-id.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers } from '../kit/toml.ts'
import { align } from './report.ts'

const VERSIONS: readonly PocketIdVersion[] = ['2.9', '2.14']

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } })
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error('sign-in: --rounds is a whole number from 1')
  process.exit(2)
}

/** What one step took. */
interface Taken {
  readonly clicks: number
  readonly fills: number
  readonly seconds: number
}

/** A step by what it is called, and every round's measure of it. */
type Measures = Map<string, Taken[]>

const application = startAnswering(
  ({ url }) =>
    new Response(`<!doctype html><title>App</title><h1>${new URL(url).pathname}</h1>`, {
      headers: { 'content-type': 'text/html' },
    }),
)
const browser = await openChromium({ isWhole: true })
const loadBefore = loadavg()[0] ?? 0
try {
  const found = new Map<PocketIdVersion, Measures>()
  for (const version of VERSIONS) found.set(version, await measure(browser, version))
  print(found)
} finally {
  await browser.close()
  await application.stop(true)
}

/** Every step, one after the other as one person takes them, in a new profile each round. */
async function measure(in_: Browser, version: PocketIdVersion): Promise<Measures> {
  const measures: Measures = new Map()
  await using stack = new AsyncDisposableStack()
  const provider = stack.use(await pocketId({ version, users: [pocketIdUser('ada')] }))
  const port = await freePort()
  const at = (name: string) => `http://${name}.localhost:${port}`
  provider.allowRedirect(`${at('auth')}/.sallyport/callback`)
  const portal = portalTable(`${EVERYONE}\nurl = "${at('auth')}"\nprovider_logout = true`)
  const routes = ['one', 'two'].map(name => routeForUsers(application, `${name}.localhost`)).join('')
  stack.use(await startGate(`${providerTable(provider)}${portal}${routes}`, { listen: `127.0.0.1:${port}` }))
  // The first round is for what is made once: keys, discovery, compiled code.
  for (let round = 0; round <= rounds; round++) {
    await person(in_, at, (step, taken) => {
      if (round > 0) measures.set(step, [...(measures.get(step) ?? []), taken])
    })
  }
  return measures
}

async function person(
  in_: Browser,
  at: (name: string) => string,
  tell: (step: string, taken: Taken) => void,
): Promise<void> {
  const { context, open } = await watchedContext(in_)
  const page = await open('about:blank')
  const deep = `${at('one')}/a/deep/link?of=mine`
  const timed = async (step: string, act: (hand: Hand) => Promise<void>) => {
    const hand = createHand(page)
    const start = performance.now()
    await act(hand)
    tell(step, { ...hand.count(), seconds: (performance.now() - start) / 1000 })
  }
  const signInAt = async (hand: Hand, address: string) => {
    await page.goto(address)
    await hand.signIn()
    await page.waitForURL(address)
  }

  await timed('first sign-in, from a deep link', hand => signInAt(hand, deep))
  await timed('Back, and to the application again', async hand => {
    await page.goBack({ waitUntil: 'commit' })
    await page.waitForURL(url => url.href === deep || isAtProvider(url))
    if (page.url() !== deep) await hand.signIn()
    await page.waitForURL(deep)
  })
  await timed('a second application, signed in at the portal', async () => {
    await page.goto(`${at('two')}/`)
    await page.waitForURL(`${at('two')}/`)
  })
  for (const name of ['one', 'two', 'auth']) await context.clearCookies({ domain: `${name}.localhost` })
  if ((await context.cookies()).length !== 1) throw new Error('the provider’s cookie alone was meant to be left')
  await timed('an application, signed in at the provider alone', async () => {
    await page.goto(deep)
    await page.waitForURL(deep)
  })
  await page.goto(`${at('auth')}/`)
  await timed('signing out, at the provider too', async hand => {
    await hand.click('Sign out')
    await hand.click('Sign out')
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
  })
  await timed('signing in again', hand => signInAt(hand, deep))
  await context.close()
}

function isAtProvider(url: URL): boolean {
  return /^\/(?:authorize|interaction)$/.test(url.pathname)
}

/** What a person does, counted. */
interface Hand {
  click(name: string): Promise<void>
  signIn(): Promise<void>
  count(): Omit<Taken, 'seconds'>
}

function createHand(page: Page): Hand {
  let clicks = 0
  let fills = 0
  const click = async (name: string) => {
    await page
      .getByRole('button', { name, exact: true })
      .or(page.getByRole('link', { name, exact: true }))
      .first()
      .click()
    clicks++
  }
  return {
    click,
    async signIn() {
      await page.fill('input[name=login]', 'ada')
      fills++
      await click('Sign in')
    },
    count: () => ({ clicks, fills }),
  }
}

function print(found: ReadonlyMap<PocketIdVersion, Measures>): void {
  const [first] = found.values()
  const steps = [...(first?.keys() ?? [])]
  const head = ['', ...VERSIONS.flatMap(version => [`clicks (${version})`, 'filled in', 'seconds'])]
  const rows = steps.map(step => [step, ...VERSIONS.flatMap(version => cells(found.get(version)?.get(step) ?? []))])
  console.log(align([head, ...rows]))
  const load = `${loadBefore.toFixed(1)} before, ${(loadavg()[0] ?? 0).toFixed(1)} after`
  console.log(`\n${rounds} rounds, medians; ${cpus().length} cores, load ${load}`)
}

/** Clicks and fields are the most of any round, seconds their median. */
function cells(taken: readonly Taken[]): readonly string[] {
  const seconds = taken.map(one => one.seconds).toSorted((a, b) => a - b)
  const median = seconds[Math.floor(seconds.length / 2)] ?? Number.NaN
  return [
    String(Math.max(...taken.map(one => one.clicks))),
    String(Math.max(...taken.map(one => one.fills))),
    median.toFixed(2),
  ]
}

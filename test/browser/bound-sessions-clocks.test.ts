import { afterEach, expect, setDefaultTimeout } from 'bun:test'
import type { BrowserContext, Page } from 'playwright-core'
import { tablesOf } from '../kit/accounts.ts'
import { openBoundChromium } from '../kit/browser/bound-chromium.ts'
import { makeAuthority } from '../kit/certificates.ts'
import { type AheadClock, aheadClock } from '../kit/clock.ts'
import { eventually, type Gate, startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { freePort } from '../kit/programs/child.ts'
import { routeForUsers } from '../kit/toml.ts'

/** Real Chromium, and a gate whose clock is another one than the browser’s, all along or from some moment on: it is all the same which is wrong. */
const { test } = needs('chromium', 'certutil', 'openssl')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const authority = makeAuthority()
const { cert, key } = authority.issue('DNS:*.example.test')
const securePort = await freePort()
const [auth, app] = ['auth', 'app'].map(name => `https://${name}.example.test:${securePort}`)
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: ({ headers }) =>
      new Response(
        `<!doctype html><link rel="icon" href="data:,"><title>App</title><h1>${headers.get('x-token-subject')}</h1>`,
        { headers: { 'content-type': 'text/html' } },
      ),
  }),
)
const TOML = `[tls]
listen = ["127.0.0.1:${securePort}"]
certificates = [{ cert = "app.pem", key = "app.key" }]
[providers.people]
users = "users.toml"
[portals.home]
url = "${auth}"
providers = ["people"]
bind_sessions = true
[portals.home.roles]
user = { any = true }
${routeForUsers(upstream, 'app.example.test', 'headers = "x-token"')}
${routeForUsers(upstream, 'auth.example.test', 'path = "/tool"\nheaders = "x-token"')}`

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const ADA = 'htpasswd:ada'
const IS_PROOF = /^__Host-sallyport-bound-/

let gate: Gate
let clock: AheadClock
afterEach(() => gate[Symbol.asyncDispose]())

interface Opened {
  readonly context: BrowserContext
  /** At the application. */
  readonly page: Page
  /** On the portal's host. */
  readonly tool: Page
}

/** A gate whose clock is ahead, and a browser in which ada has signed in, and whose session is bound. */
async function signedIn({ aheadMs = 0, proofMs = 4000 } = {}): Promise<Opened> {
  clock = aheadClock()
  clock.setAhead(aheadMs)
  gate = await startGate(TOML, {
    files: { 'app.pem': cert, 'app.key': key, 'users.toml': tablesOf({}) },
    bindingTimes: { proofMs, challengeMs: MINUTE },
    ports: { now: clock.now },
  })
  const { context } = keep(await openBoundChromium(authority))
  const page = await context.newPage()
  await page.goto(`${app}/deep`)
  await page.locator('input[name="name"]').fill('ada')
  await page.locator('input[name="password"]').fill('from the operator')
  await page.locator('main form button').first().click()
  await page.waitForURL(`${app}/deep`)
  await eventually(() => served('/.sallyport/bind', 200) === 1, 'the browser binds the session')
  const tool = await context.newPage()
  await tool.goto(`${auth}/tool`)
  return { context, page, tool }
}

function served(path: string, status: number): number {
  const records = gate.access.map(line => JSON.parse(line))
  return records.filter(record => record.path === path && record.status === status).length
}

let loads = 0

/** What a person sees of a page of the application, and what a script on the portal's host gets. */
async function seen({ page, tool }: Opened): Promise<readonly unknown[]> {
  await page.goto(`${app}/${++loads}`)
  return [await page.getByRole('heading').textContent(), await script(tool)]
}

const script = (tool: Page) => tool.evaluate<number>(`fetch('/tool/data').then(answer => answer.status)`)

const signIns = () => gate.told('"event":"sign_in"').length
const unproven = () => gate.told('"event":"session.unproven"').map(line => JSON.parse(line).reason)

test.each([
  ['20 minutes behind', 20 * MINUTE],
  ['a day behind', 24 * HOUR],
  ['20 minutes ahead', -20 * MINUTE],
  ['a day ahead', -24 * HOUR],
])('a browser whose clock is %s is bound, and renews its proof in time', async (_, aheadMs) => {
  const opened = await signedIn({ aheadMs })
  const isOver = async () =>
    !(await opened.context.cookies([auth ?? '', app ?? ''])).some(({ name }) => IS_PROOF.test(name))
  for (let count = 0; count < 2; count++) {
    await eventually(isOver, 'the proofs are over, by the browser’s clock')
    expect(await seen(opened)).toEqual([ADA, 200])
  }
  expect([signIns(), unproven()]).toEqual([1, []])
})

test('a browser whose clock is set back keeps its proof too long: scripts get 401 until the next page; set forward, it renews at once', async () => {
  const opened = await signedIn({ proofMs: 10 * MINUTE })
  for (const aheadMs of [20 * MINUTE, HOUR]) {
    // The browser's is behind by so much from here on.
    clock.setAhead(aheadMs)
    expect(await script(opened.tool)).toBe(401)
    await opened.tool.goto(`${auth}/.sallyport/login?return=/tool?${++loads}`)
    expect([await opened.tool.getByRole('heading').textContent(), await script(opened.tool)]).toEqual([ADA, 200])
    expect(await seen(opened)).toEqual([ADA, 200])
  }
  expect([signIns(), new Set(unproven())]).toEqual([1, new Set(['over'])])
  // What a browser does with them when its clock is set forward.
  await opened.context.clearCookies({ name: IS_PROOF })
  expect(await seen(opened)).toEqual([ADA, 200])
  expect(signIns()).toBe(1)
})

test('a laptop that slept for an hour goes on where it was, whether the network or the person is there first', async () => {
  const opened = await signedIn({ proofMs: 10 * MINUTE })
  for (const isEarly of [false, true]) {
    await opened.context.setOffline(true)
    clock.advance(HOUR)
    await opened.context.clearCookies({ name: IS_PROOF })
    if (isEarly) {
      // The browser has a page of its own for that.
      await expect(opened.page.goto(`${app}/early`)).rejects.toThrow('ERR_INTERNET_DISCONNECTED')
      expect(gate.access.filter(line => line.includes('/early'))).toEqual([])
    }
    await opened.context.setOffline(false)
    expect(await seen(opened)).toEqual([ADA, 200])
  }
  expect([signIns(), unproven()]).toEqual([1, []])
})

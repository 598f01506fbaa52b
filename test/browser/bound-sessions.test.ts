import { afterEach, beforeEach, expect, setDefaultTimeout } from 'bun:test'
import { statSync } from 'node:fs'
import type { BrowserContext, Page } from 'playwright-core'
import { BINDING_TIMES } from '../../src/session/bound-sessions.ts'
import { openBoundChromium } from '../kit/browser/bound-chromium.ts'
import { makeAuthority } from '../kit/certificates.ts'
import { eventually, type Gate, startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { freePort } from '../kit/programs/child.ts'
import { startProvider } from '../kit/provider/provider.ts'
import { providerTable, routeForUsers, routeTo } from '../kit/toml.ts'

const { test } = needs('chromium', 'certutil', 'openssl')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const authority = makeAuthority()
const { cert, key } = authority.issue('DNS:*.example.test')
const securePort = await freePort()
const at = (name: string) => `https://${name}.example.test:${securePort}`
const [auth, app] = [at('auth'), at('app')]
const provider = keep(
  await startProvider({
    host: 'localhost',
    clients: [{ client_id: 'gate', client_secret: 'gate-secret' }],
    accounts: [{ sub: 'ada', name: 'ada', email: 'ada@example.com', email_verified: true, groups: [] }],
  }),
)
provider.allowRedirect(`${auth}/.sallyport/callback`)

const beacons: string[] = []
const streams = new Set<ReadableStreamDefaultController<string>>()

/** A file that is saved, which goes on being sent for as long as a test wants. */
const PART = 'x'.repeat(256 * 1024)
const DISPOSITION = { 'content-type': 'application/octet-stream', 'content-disposition': 'attachment; filename="file"' }
const WORKER = `
self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()))
self.addEventListener('fetch', event => event.respondWith(fetch(event.request)))
self.addEventListener('message', async ({ data, source }) => source.postMessage((await fetch(data)).status))`
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request, server) {
      if (server.upgrade(request)) return
      const { pathname } = new URL(request.url)
      if (pathname.endsWith('/beacon')) {
        beacons.push(await request.text())
        return new Response(null, { status: 204 })
      }
      if (pathname.endsWith('/events')) return streaming('data: first\n\n', { 'content-type': 'text/event-stream' })
      if (pathname.endsWith('/large')) return streaming(PART, DISPOSITION)
      if (pathname.endsWith('/file')) return new Response(PART, { headers: DISPOSITION })
      if (pathname.endsWith('/worker.js'))
        return new Response(WORKER, { headers: { 'content-type': 'text/javascript' } })
      const who = request.headers.get('x-token-user-email') ?? 'nobody'
      const headers = { 'content-type': 'text/html' }
      return new Response(`<!doctype html><link rel="icon" href="data:,"><title>App</title><h1>${who}</h1>`, {
        headers,
      })
    },
    websocket: { message: (socket, message) => void socket.send(`echo of ${message}`) },
  }),
)

/** An answer that goes on for as long as a test wants. */
function streaming(first: string, headers: Readonly<Record<string, string>>): Response {
  let own: ReadableStreamDefaultController<string>
  const body = new ReadableStream<string>({
    start(sink) {
      own = sink
      streams.add(sink)
      sink.enqueue(first)
    },
    cancel: () => void streams.delete(own),
  })
  return new Response(body, { headers })
}

const HOSTS = ['app', ...Array.from({ length: 11 }, (_, index) => `app${index + 2}`)]

/** `bind_sessions` as a file says it; `proofMs`: how long a proof counts, in the browser a tenth less. */
function toml(binding: string): string {
  const routes = HOSTS.map(name => routeForUsers(upstream, `${name}.example.test`, 'headers = "x-token"'))
  return `[tls]
listen = ["127.0.0.1:${securePort}"]
certificates = [{ cert = "app.pem", key = "app.key" }]

${providerTable(provider)}
[portals.home]
url = "${auth}"
providers = ["id"]
bind_sessions = ${binding}
[portals.home.roles]
user = { any = true }

${routes.join('\n')}
${routeForUsers(upstream, 'auth.example.test', 'path = "/tool"\nheaders = "x-token"')}
${['auth', 'app'].map(name => routeTo(upstream, `${name}.example.test`, 'path = "/tool/worker.js"\nexact = true\nallow = "public"')).join('\n')}`
}

const options = (proofMs: number) => ({
  files: { 'app.pem': cert, 'app.key': key },
  bindingTimes: { proofMs, challengeMs: 60_000 },
})

/** A proof is over soon; the tests that wait for that. */
const SOON_MS = 4000
let gate: Gate

beforeEach(async () => {
  gate = await startGate(toml('true'), options(SOON_MS))
})
afterEach(() => gate[Symbol.asyncDispose]())

const IS_PROOF = /^__Host-sallyport-bound-/
const headingOf = (page: Page) => page.getByRole('heading').textContent()
const isAtProvider = (page: Page) => page.url().startsWith(provider.issuer)

/** A browser in which ada has signed in at the application, and whose session is bound. */
async function signedIn(given = {}): Promise<{ readonly context: BrowserContext; readonly page: Page }> {
  const { context } = keep(await openBoundChromium(authority, given))
  const page = await context.newPage()
  await page.goto(`${app}/deep`)
  await page.getByLabel('Login').fill('ada')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${app}/deep`)
  expect(await headingOf(page)).toBe('ada@example.com')
  await eventually(() => served('/.sallyport/bind', 200) === 1, 'the browser binds the session')
  return { context, page }
}

let marks = 0

/** Loads a page of the portal's host, by when all that was answered before is in the access log. */
async function untilRecorded(page: Page): Promise<void> {
  const path = `/.sallyport/nothing-${++marks}`
  await page.goto(auth + path)
  await eventually(() => served(path, 404) === 1, 'all so far is recorded')
}

/** How many requests for a path were answered so. */
function served(path: string, status: number): number {
  const records = gate.access.map(line => JSON.parse(line))
  return records.filter(record => record.path === path && record.status === status).length
}

const renewals = () => served('/.sallyport/renew', 200) + served('/.sallyport/renew', 403)
const signInsSoFar = () => gate.told('"event":"sign_in"').length

/** Waits until the browser has no proof for a host any more, by its own clock. */
async function untilOver(context: BrowserContext, origin: string): Promise<void> {
  const isOver = async () => !(await context.cookies(origin)).some(({ name }) => IS_PROOF.test(name))
  await eventually(isOver, `the proof for ${origin} is over`)
}

/** What a page's script gets: `sign_in` for the answer to somebody without a session. */
const FETCHED = `fetch('tool/data').then(async answer => answer.status === 401 ? Object.keys(await answer.json()).at(-1) : answer.status)`
const SOCKET = `new Promise(resolve => {
  const socket = new WebSocket('wss://' + location.host + '/tool/socket')
  socket.onopen = () => socket.send('hello')
  socket.onmessage = ({ data }) => resolve(data)
  socket.onerror = () => resolve('refused')
})`
const EVENTS = `new Promise(resolve => {
  const events = new EventSource('/tool/events')
  events.onmessage = ({ data }) => { events.close(); resolve(data) }
  events.onerror = () => { events.close(); resolve('refused') }
})`

test('a sign-in is bound, its owner goes on by two tabs, and a copied cookie does not; a sign-out ends it for good', async () => {
  const { context, page } = await signedIn()
  await page.goto(`${auth}/.sallyport/sessions`)
  expect(await page.locator('main').textContent()).toContain('Bound to this device')
  const copied = await context.cookies()
  expect(copied.filter(({ name }) => name === '__Host-sallyport').map(({ domain }) => domain)).toHaveLength(2)

  const thief = keep(await openBoundChromium(authority))
  await thief.context.addCookies(copied.filter(({ domain }) => domain.endsWith('.example.test')))
  const stolen = await thief.context.newPage()
  // Until the proof that was copied along is over.
  await eventually(async () => {
    await stolen.goto(`${app}/deep`)
    return isAtProvider(stolen)
  }, 'the copy is refused')

  await untilOver(context, app)
  const tab = await context.newPage()
  await Promise.all([page.goto(`${app}/deep`), tab.goto(`${app}/other`)])
  expect([page.url(), await headingOf(page)]).toEqual([`${app}/deep`, 'ada@example.com'])
  expect([tab.url(), await headingOf(tab)]).toEqual([`${app}/other`, 'ada@example.com'])
  await stolen.goto(`${app}/deep`)
  expect(isAtProvider(stolen)).toBe(true)
  expect(gate.told('"event":"session.theft"')).toEqual([])
  await eventually(() => gate.told('"event":"session.unproven"').length > 0, 'the copy is noted')

  await tab.goto(`${auth}/.sallyport/logout`)
  await tab
    .getByRole('button', { name: /sign out/i })
    .first()
    .click()
  await tab.waitForURL(/signed-out/)
  // The browser is told once that this session is over, and asks no more.
  await untilOver(context, auth)
  await untilRecorded(page)
  const asked = renewals()
  await untilRecorded(page)
  expect(renewals()).toBe(asked)
  const signIns = signInsSoFar()
  await page.goto(`${app}/deep`)
  expect(signInsSoFar()).toBe(signIns + 1)
})

test('once the proof is over, the portal’s host renews it before any request; another host’s scripts get 401 until a page loads', async () => {
  const { context, page } = await signedIn()
  const signIns = signInsSoFar()
  await page.evaluate(`(() => {
    window.seen = []
    const events = new EventSource('/tool/events')
    events.onmessage = ({ data }) => window.seen.push(data)
  })()`)
  await eventually(() => page.evaluate<boolean>('window.seen.length === 1'), 'the stream begins')
  const renewing = await context.newPage()
  let loads = 0
  /** Once a page has loaded. On a busy machine the proof may be over before the last of them. */
  const pass = async (): Promise<boolean> => {
    await renewing.goto(`${app}/renewing?${++loads}`)
    const found = [await page.evaluate(FETCHED), await page.evaluate(SOCKET), await page.evaluate(EVENTS)]
    return Bun.deepEquals(found, [200, 'echo of hello', 'first'])
  }
  await eventually(pass, 'with a proof all pass')
  await untilOver(context, app)
  expect([await page.evaluate(FETCHED), await page.evaluate(SOCKET), await page.evaluate(EVENTS)]).toEqual([
    'sign_in',
    'refused',
    'refused',
  ])
  const refused = served('/tool/beacon', 401)
  await page.evaluate(`navigator.sendBeacon('/tool/beacon', 'from the application')`)
  await eventually(() => served('/tool/beacon', 401) > refused, 'the beacon is refused')
  // What was open goes on.
  for (const stream of streams) stream.enqueue('data: later\n\n')
  await eventually(() => page.evaluate<boolean>(`window.seen.includes('later')`), 'the stream goes on')
  await page.reload()
  expect([page.url(), await headingOf(page)]).toEqual([`${app}/deep`, 'ada@example.com'])
  await eventually(pass, 'with a proof all pass again')

  const own = await context.newPage()
  await own.goto(`${auth}/tool`)
  for (const script of [FETCHED, SOCKET, EVENTS]) {
    await untilOver(context, auth)
    expect(['sign_in', 'refused']).not.toContain(await own.evaluate(script))
  }
  await untilOver(context, auth)
  await own.evaluate(`navigator.sendBeacon('/tool/beacon', 'from the portal’s host')`)
  await eventually(() => beacons.length > 0, 'the beacon arrives')
  expect(beacons).toEqual(['from the portal’s host'])
  expect(signInsSoFar()).toBe(signIns)
})

/** A service worker takes every request below `/tool/`, and says what its own one comes to. */
const REGISTER = `navigator.serviceWorker.register('/tool/worker.js').then(() => navigator.serviceWorker.ready).then(() => 'ready')`
const BY_WORKER = `new Promise(async resolve => {
  navigator.serviceWorker.onmessage = ({ data }) => resolve(data)
  const { active } = await navigator.serviceWorker.ready
  active.postMessage('/tool/data')
})`
const THROUGH_WORKER = `fetch('/tool/data').then(answer => answer.status)`

test('a service worker’s requests go the way of the page’s: renewed on the portal’s host, 401 elsewhere until a page loads', async () => {
  const { context, page } = await signedIn()
  const own = await context.newPage()
  for (const [tab, origin, over] of [
    [own, auth, 200],
    [page, app, 401],
  ] as const) {
    await tab.goto(`${origin}/tool/start`)
    expect(await tab.evaluate<string>(REGISTER)).toBe('ready')
    let loads = 0
    const passBoth = async () => {
      await tab.goto(`${origin}/tool/page?${++loads}`)
      return (await tab.evaluate<number>(BY_WORKER)) + (await tab.evaluate<number>(THROUGH_WORKER)) === 400
    }
    // On a busy machine a proof may be over between two of them.
    await eventually(passBoth, 'with a proof both pass')
    for (const script of [BY_WORKER, THROUGH_WORKER]) {
      await untilOver(context, origin)
      expect(await tab.evaluate<number>(script)).toBe(over)
    }
    await untilOver(context, origin)
    // The page load goes through the worker too.
    await tab.goto(`${origin}/tool/again`)
    expect([tab.url(), await headingOf(tab)]).toEqual([`${origin}/tool/again`, 'ada@example.com'])
  }
  expect(signInsSoFar()).toBe(1)
})

test('a file is saved once the proof is over, and one that is being saved when it ends arrives whole', async () => {
  streams.clear()
  const { context, page } = await signedIn()
  const own = await context.newPage()
  for (const [tab, origin] of [
    [own, auth],
    [page, app],
  ] as const) {
    await tab.goto(`${origin}/tool/page`)
    const saving = tab.waitForEvent('download')
    await tab.evaluate(`location.href = '/tool/large'`)
    const large = await saving
    const sink = [...streams].at(-1)
    await untilOver(context, origin)
    sink?.enqueue(PART)
    sink?.close()
    streams.clear()
    expect(await large.failure()).toBeNull()
    expect(statSync(await large.path()).size).toBe(2 * PART.length)

    await untilOver(context, origin)
    const again = tab.waitForEvent('download')
    await tab.evaluate(`location.href = '/tool/file'`)
    const small = await again
    expect(await small.failure()).toBeNull()
    expect(statSync(await small.path()).size).toBe(PART.length)
  }

  // By a link that says `download` too.
  await untilOver(context, app)
  const linked = page.waitForEvent('download')
  await page.evaluate(`Object.assign(document.createElement('a'), { href: '/tool/file?link', download: '' }).click()`)
  const named = await linked
  expect([await named.failure(), statSync(await named.path()).size]).toEqual([null, PART.length])
  expect(signInsSoFar()).toBe(1)
})

test('a link of another site, and a while without a network, sign nobody out', async () => {
  const { context, page } = await signedIn()
  const signIns = signInsSoFar()
  await untilOver(context, app)
  await untilOver(context, auth)
  await page.goto(`${provider.issuer}/.well-known/openid-configuration`)
  await page.evaluate(`location.href = '${app}/linked'`)
  await page.waitForURL(`${app}/linked`)
  expect(await headingOf(page)).toBe('ada@example.com')
  await context.setOffline(true)
  await untilOver(context, app)
  await untilOver(context, auth)
  await page.goto(`${app}/away`).catch(() => undefined)
  await context.setOffline(false)
  await page.goto(`${app}/back`)
  expect([page.url(), await headingOf(page)]).toEqual([`${app}/back`, 'ada@example.com'])
  expect(signInsSoFar()).toBe(signIns)
})

test('with the quota of the browser as it is, twelve hosts of one domain go on for three renewals, and nobody signs in again', async () => {
  await gate[Symbol.asyncDispose]()
  gate = await startGate(toml('true'), options(BINDING_TIMES.proofMs))
  const { context, page } = await signedIn({ quota: true })
  const pages = [page, ...(await Promise.all(HOSTS.slice(1).map(() => context.newPage())))]
  // The same address again within a minute would be a login loop.
  let round = 0
  const openAll = async () => {
    round++
    await Promise.all(pages.map((one, index) => one.goto(`${at(HOSTS[index] ?? '')}/${round}`)))
    return Promise.all(pages.map(headingOf))
  }
  const everybody = HOSTS.map(() => 'ada@example.com')
  expect(await openAll()).toEqual(everybody)
  const signed = () => served('/.sallyport/bind', 200) + served('/.sallyport/renew', 200)
  for (let renewal = 1; renewal <= 3; renewal++) {
    // What a browser does with them when their time is over.
    await context.clearCookies({ name: IS_PROOF })
    expect(await openAll()).toEqual(everybody)
    await eventually(() => signed() === 1 + renewal, 'each renewal is recorded, once')
  }
  expect([signInsSoFar(), gate.told('"event":"session.unproven"')]).toEqual([1, []])
  // Beyond the quota the browser says so, and the session stays: its person signs in, and the trail has why.
  while (gate.told('quota_exceeded').length === 0) {
    await context.clearCookies({ name: IS_PROOF })
    await page.goto(`${app}/${++round}`)
    expect(signed()).toBeLessThanOrEqual(6)
  }
  await eventually(() => signed() === 6, 'the last renewal is recorded')
  expect(gate.told('"event":"session.theft"')).toEqual([])
})

test('a portal that requires a device lets in who has one, once the page that waits has seen it', async () => {
  await gate[Symbol.asyncDispose]()
  gate = await startGate(toml('"required"'), options(SOON_MS))
  const { context, page } = await signedIn()
  const sentOn = () => served('/.sallyport/device', 303) + served('/.sallyport/device', 302)
  await eventually(() => sentOn() === 1, 'the page that waits has seen it')
  await untilOver(context, app)
  await page.goto(`${app}/later`)
  expect([page.url(), await headingOf(page)]).toEqual([`${app}/later`, 'ada@example.com'])
  expect(signInsSoFar()).toBe(1)
})

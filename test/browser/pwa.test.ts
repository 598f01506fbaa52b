import { expect, setDefaultTimeout } from 'bun:test'
import type { ServerResponse } from 'node:http'
import type { Page } from 'playwright-core'
import { startApp } from '../kit/applications/app.ts'
import { openChromium, type WatchedContext, watchedContext } from '../kit/browser/chromium.ts'
import { openStand } from '../kit/browser/stand.ts'
import { eventually } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

/** What the service worker's script says now. */
let version = 1
const pwa = () => stand.app.replace('app.', 'pwa.')
const route = (name: string) =>
  `\n[[routes]]\nhost = "${name}.localhost"\nupstream = "http://127.0.0.1:${app.port}"\nportal = "home"\nallow = ["user"]`

const keep = untilTheEnd()
const app = keep(await startApp((request, response) => serve(request.url ?? '', response)))
const manifest = route('web').replace(/portal.*/s, 'path = ["=/app.webmanifest", "/icons"]\nallow = "public"')
const stand = keep(await openStand(['pwa', 'web'].map(route).join('\n') + manifest))
const browser = keep(await openChromium())

/** An application that can be installed, and whose service worker takes page loads into its own hands. */
function serve(path: string, response: ServerResponse): void {
  const say = (type: string, body: string) => response.setHeader('content-type', type).end(body)
  if (path === '/app.webmanifest')
    return void say('application/manifest+json', '{"name":"An app","start_url":"/","display":"standalone"}')
  if (path === '/sw.js') {
    return void say(
      'text/javascript',
      `const version = ${version}
      self.addEventListener('install', () => self.skipWaiting())
      self.addEventListener('activate', event => event.waitUntil(self.clients.claim()))
      self.addEventListener('fetch', event => event.respondWith(fetch(event.request)))`,
    )
  }
  if (path === '/data') return void say('application/json', '{"n":1}')
  say(
    'text/html',
    `<!doctype html><link rel="manifest" href="/app.webmanifest"${path === '/with' ? ' crossorigin="use-credentials"' : ''}><link rel="icon" href="/favicon.ico"><title>An app</title>
    <p id="path">${path}</p><script>navigator.serviceWorker.register('/sw.js')</script>`,
  )
}

/** The browser's session at the application's host is gone, as when it has run its time. */
async function expire({ context }: WatchedContext): Promise<void> {
  await context.clearCookies({ domain: 'pwa.localhost', name: 'sallyport' })
}

async function openApp(person: WatchedContext): Promise<Page> {
  const page = await person.open(`${pwa()}/`)
  await stand.become(page, 'Grace')
  await page.evaluate('navigator.serviceWorker.ready.then(() => true)')
  await page.waitForFunction('navigator.serviceWorker.controller !== null')
  return page
}

test('an installed application survives an expired session: scripts see 401, and to look for a newer worker leads to sign in and back', async () => {
  const person = await watchedContext(browser)
  try {
    const page = await openApp(person)
    await expire(person)
    version = 2
    const seen = `fetch('/data').then(async reply => [reply.status, reply.redirected, (await reply.json()).sign_in])`
    expect(await page.evaluate(seen)).toEqual([401, false, `${pwa()}/.sallyport/login`])
    const loads: string[] = []
    page.on('framenavigated', frame => loads.push(frame.url()))
    const arrived = page.waitForEvent('framenavigated')
    await page.evaluate(`void navigator.serviceWorker.getRegistration().then(one => one.update())`)
    await arrived
    // Its worker is there anew: to leave the page before that is to take the registration away under it.
    await page.waitForFunction('navigator.serviceWorker.controller !== null')
    await page.goto(`${pwa()}/deep?x=1`)
    expect(await page.locator('#path').textContent()).toBe('/deep?x=1')
    expect(loads).toEqual([`${pwa()}/`, `${pwa()}/deep?x=1`])
    await page.waitForFunction('navigator.serviceWorker.controller !== null')
    expect(await page.evaluate(`fetch('/data').then(reply => reply.status)`)).toBe(200)
  } finally {
    await person.context.close()
  }
})

test('a manifest that is fetched without credentials is refused, not sent to sign in, and the page is not disturbed', async () => {
  const person = await watchedContext(browser)
  try {
    const page = await openApp(person)
    const cdp = await person.context.newCDPSession(page)
    const answers: string[] = []
    person.context.on('response', answer => answers.push(`${answer.status()} ${new URL(answer.url()).pathname}`))
    await cdp.send('Page.getAppManifest')
    // The browser may tell of the answer after what it made of it.
    await eventually(() => answers.length > 0, 'the answer is told of')
    expect(new Set(answers)).toEqual(new Set(['401 /app.webmanifest']))
    const direct = await page.evaluate(
      `fetch('/app.webmanifest', { credentials: 'omit', redirect: 'follow' }).then(reply => [reply.status, reply.redirected])`,
    )
    expect(direct).toEqual([401, false])
    expect(await page.locator('#path').textContent()).toBe('/')
  } finally {
    await person.context.close()
  }
})

test('a manifest whose page asks for it with credentials is the application’s own', async () => {
  const person = await watchedContext(browser)
  try {
    const page = await openApp(person)
    await page.goto(`${pwa()}/with`)
    const cdp = await person.context.newCDPSession(page)
    const manifest: unknown = await cdp.send('Page.getAppManifest')
    expect(JSON.stringify(manifest)).toContain('An app')
  } finally {
    await person.context.close()
  }
})

test('a manifest with a route of its own is for everybody, and nothing else is', async () => {
  const person = await watchedContext(browser)
  try {
    const page = await person.open(stand.app.replace('app.', 'web.'))
    await stand.become(page, 'Grace')
    const cdp = await person.context.newCDPSession(page)
    const found: unknown = await cdp.send('Page.getAppManifest')
    expect(JSON.stringify(found)).toContain('An app')
    const bare = (path: string) => page.evaluate(`fetch('${path}', { credentials: 'omit' }).then(it => it.status)`)
    expect([await bare('/app.webmanifest'), await bare('/app.webmanifest/x'), await bare('/data')]).toEqual([
      200, 401, 401,
    ])
  } finally {
    await person.context.close()
  }
})

test('a script of another host of the portal reads why it was refused; one of a stranger’s host reads nothing', async () => {
  const person = await watchedContext(browser)
  try {
    const ask = `fetch('${pwa()}/data', { credentials: 'include' }).then(async reply => [reply.status, (await reply.json()).code], () => 'nothing')`
    const own = await person.open(stand.app.replace('app.', 'web.'))
    await stand.become(own, 'Grace')
    expect(await own.evaluate(ask)).toEqual([401, 'access.sign_in'])
    const other = await person.open(stand.public)
    expect(await other.evaluate(ask)).toBe('nothing')
  } finally {
    await person.context.close()
  }
})

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { startApp } from '../kit/applications/app.ts'
import { openStand } from '../kit/browser/stand.ts'
import { describeEachBrowser, leaveBy, readIn, type Tab, untilHeading, untilIn } from '../kit/browser/tab.ts'
import { untilTheEnd } from '../kit/opened.ts'

setDefaultTimeout(300_000)

/** How many pages the application has made; each shows its number. */
let pages = 0

/** In the page: the provider asks who one is. */
const ASKS = `document.querySelector('input[name=login]') !== null`

/** In the page: it is read, and led by another heading than before. Firefox never calls its own page about an expired form complete. */
const isLedByOther = (heading: string) =>
  `document.readyState !== 'loading' && document.querySelector('h1')?.textContent !== '${heading}'`

/** Bodies of every form that the application was sent. */
const got: string[] = []

/** What is behind a field by day. */
const PANEL = 'rgb(255, 255, 255)'

/** How often a page is looked at whose drawing is not the same each time. */
const LOADS = 20

const keep = untilTheEnd()
const app = keep(await startApp(serve))
const stand = keep(
  await openStand(
    `personal_tokens = true\n${['notes', 'offline']
      .map(
        name =>
          `\n[[routes]]\nhost = "${name}.localhost"\nupstream = "http://127.0.0.1:${app.port}"\nname = "Notes"\nportal = "home"\nallow = ["user"]\nkeep_posts = "256KiB"`,
      )
      .join('\n')}
[[routes]]\nhost = "offline.localhost"\npath = "/worker.js"\nexact = true\nupstream = "http://127.0.0.1:${app.port}"\nallow = "public"
[[routes]]\nhost = "private.localhost"\nupstream = "http://127.0.0.1:${app.port}"\nportal = "home"\nallow = ["user"]\nresponse_headers = { set = { "Cache-Control" = "no-store" } }
[[routes]]\nhost = "deep.localhost"\nupstream = "http://127.0.0.1:${app.port}"\nportal = "home"\nallow = ["user"]\nkeep_fragment = true
[[routes]]\nhost = "two.localhost"\npath = "/notes"\nupstream = "http://127.0.0.1:${app.port}"\nportal = "choice"\nallow = "authenticated"`,
  ),
)
const notes = stand.app.replace('app.', 'notes.')
/** The same application, whose service worker takes page loads into its own hands. */
const offline = stand.app.replace('app.', 'offline.')

/** Of page loads it passes some on as they came, and some as requests of its own. It is for everybody, so that none of ours stands in for it. */
const WORKER = `
self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()))
self.addEventListener('fetch', event => event.respondWith(
  event.request.url.includes('own=1') ? fetch(event.request, { credentials: 'include' }) : fetch(event.request)))`

function serve(request: IncomingMessage, response: ServerResponse): void {
  const isScript = request.url === '/worker.js'
  let body = ''
  request.setEncoding('latin1').on('data', chunk => {
    body += String(chunk)
  })
  request.on('end', () => {
    if (request.method === 'POST') got.push(body)
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(
      isScript
        ? WORKER
        : `<!doctype html><title>Notes</title><h1>Notes</h1><p id="number">${++pages}</p><form method="post" action="/saved"><textarea name="text"></textarea><button id="save">Save</button></form><a id="out" href="/.sallyport/logout">Sign out</a>`,
    )
  })
}

describeEachBrowser((name, open) => {
  let tab: Tab
  beforeAll(async () => {
    tab = await open()
  })
  afterEach(() => {
    got.length = 0
  })
  afterAll(() => tab?.[Symbol.asyncDispose]())

  /** Loads an address of the application; where the provider asks, Grace signs in. */
  async function enter(address: string): Promise<void> {
    await tab.open(address)
    await signInOnTheWayTo(`location.href === ${JSON.stringify(address)}`)
  }

  async function signInOnTheWayTo(place: string): Promise<void> {
    const isThere = `(${place} && document.querySelector('h1')?.textContent === 'Notes')`
    if ((await readIn(tab, ASKS, `${ASKS} || ${isThere}`)) === true) await signIn()
    await untilIn(tab, isThere)
  }

  async function signIn(): Promise<void> {
    await tab.evaluate(`void (document.querySelector('input[name=login]').value = 'grace')`)
    await tab.press('form button')
  }

  test('comes back to what stood behind #', async () => {
    await enter(`${stand.app.replace('app.', 'deep.')}/deep?x=1#/place`)
  })

  test('signs in, shows the portal, and signs out', async () => {
    await enter(`${notes}/deep?x=1`)
    await tab.open(`${stand.portal}/`)
    await untilIn(tab, `[...document.querySelectorAll('main h2')].some(one => one.textContent === 'Notes')`)
    await tab.open(notes)
    await tab.press('#out')
    await tab.press('form[action="/.sallyport/logout"] button')
    await untilHeading(tab, 'You are signed out')
  })

  // WebKitGTK takes no note of Clear-Site-Data, and of no-store by HTTPS alone.
  if (name !== 'WebKit') {
    test('does not show a new token again by going back', async () => {
      await enter(`${notes}/`)
      await tab.open(`${stand.portal}/.sallyport/tokens`)
      // Folded where there are tokens.
      await tab.evaluate(`void (document.querySelector('.new').open = true)`)
      await tab.evaluate(`void (document.querySelector('main input[name=name]').value = 'a script')`)
      await tab.press('main form button')
      await untilIn(tab, `document.querySelector('.made code')?.textContent.startsWith('sp_')`)
      await tab.press('.bar a[href="/.sallyport/sessions"]')
      await untilHeading(tab, 'Your sessions')
      await leaveBy(tab, 'history.back()')
      const shown = await readIn(tab, 'document.documentElement.textContent', isLedByOther('Your sessions'))
      expect(shown).toEqual(expect.any(String))
      expect(shown).not.toMatch(/\bsp_/)
    })

    test('shows nothing of the host where one has signed out by going back', async () => {
      await tab.open(`${stand.choice}/notes`)
      await tab.press('main a[href*="provider=main"]')
      await signInOnTheWayTo('true')
      await tab.press('#out')
      await tab.press('form[action="/.sallyport/logout"] button')
      await untilHeading(tab, 'You are signed out')
      await leaveBy(tab, 'history.go(-2)')
      const shown = await readIn(tab, `document.querySelector('h1')?.textContent`, isLedByOther('You are signed out'))
      expect(shown).not.toBe('Notes')
    })

    test('shows nothing of another host by going back, where its pages are not to be stored', async () => {
      await enter(`${stand.app.replace('app.', 'private.')}/`)
      const shown = await tab.evaluate(`document.querySelector('#number').textContent`)
      await tab.press('#out')
      await tab.press('form[action="/.sallyport/logout"] button')
      await untilHeading(tab, 'You are signed out')
      await leaveBy(tab, 'history.go(-2)')
      // The provider may well sign one in again: that page is a new one.
      const number = `document.querySelector('#number')?.textContent`
      expect(await readIn(tab, number, isLedByOther('You are signed out'))).not.toBe(shown)
    })
  }

  test('draws the controls of a form alike', async () => {
    await enter(`${notes}/`)
    // WebKit forgets about a select in one load of ten.
    for (let load = 0; load < LOADS; load++) {
      await tab.open(`${stand.portal}/.sallyport/tokens`)
      const drawn = await tab.evaluate(`(() => {
        // Folded where there are tokens.
        document.querySelector('.new').open = true
        const look = one => [one.type, one.offsetHeight, getComputedStyle(one).backgroundColor].join(' ')
        return [...document.querySelectorAll('main form input[type=text], main form select')].map(look)
      })()`)
      expect(drawn).toEqual([`text 44 ${PANEL}`, `select-one 44 ${PANEL}`])
    }
    // Where a browser draws a select itself, WebKit paints its own ground over that.
    expect(await tab.evaluate(`getComputedStyle(document.querySelector('main select')).appearance`)).toBe('none')
  })

  async function keepForm(host: string): Promise<void> {
    await tab.forget('sallyport')
    await tab.evaluate(`void (document.querySelector('textarea').value = 'long and dear')`)
    await tab.press('#save')
    await tab.press('main a[href*="/.sallyport/login"]')
    await untilHeading(tab, 'Send it now?')
    expect(got).toEqual([])
    await tab.press('form[action*="/saved"] button')
    await untilHeading(tab, 'Notes')
    expect(got).toEqual(['text=long+and+dear'])
    expect(await tab.evaluate('location.href')).toBe(`${host}/saved`)
  }

  test('keeps a form that met an expired session, and sends it', async () => {
    await enter(`${notes}/new`)
    await keepForm(notes)
  })

  test('signs in again where a service worker passes on the page load, and keeps the form', async () => {
    await enter(`${offline}/`)
    await tab.evaluate(`void navigator.serviceWorker.register('/worker.js')`)
    await untilIn(tab, 'navigator.serviceWorker.controller')
    for (const path of ['/as-it-came', '/as-its-own?own=1']) {
      await tab.forget('sallyport')
      await enter(offline + path)
    }
    await keepForm(offline)
  })
})

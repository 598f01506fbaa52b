import { expect, setDefaultTimeout } from 'bun:test'
import type { Page, Request } from 'playwright-core'
import { startApp } from '../kit/applications/app.ts'
import { barriersSoFar } from '../kit/browser/accessible.ts'
import { openChromium, type WatchedContext, watchedContext } from '../kit/browser/chromium.ts'
import { openStand } from '../kit/browser/stand.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
/** Addresses as the application was asked for them. */
const app = keep(
  await startApp((_request, response) => {
    const page = `<!doctype html><link rel="icon" href="data:,"><title>An app</title><p id="place"></p><script>place.textContent = location.hash</script>`
    response.setHeader('content-type', 'text/html').end(page)
  }),
)
const route = (name: string, more: string, portal = 'home') =>
  `\n[[routes]]\nhost = "${name}.localhost"\nupstream = "http://127.0.0.1:${app.port}"\nportal = "${portal}"\n${more}\n`
const USERS = 'allow = ["user"]\nkeep_fragment = true'
const stand = keep(
  await openStand(
    route('hash', USERS) +
      route('hash', 'path = "/plain"\nallow = ["user"]') +
      route('two', 'path = "/hash"\nallow = "authenticated"\nkeep_fragment = true', 'choice'),
  ),
)
const browser = keep(await openChromium())
const at = (name: string) => stand.app.replace('app.', `${name}.`)

/** Something that an application's address may hold, and nobody else may see. */
const PLACE = '#/folders/inbox?id=7&token=only-here/%23é'

/** Opens a profile that remembers every address and body that leaves it, and tells them once browsers say all of a request. */
async function observed(): Promise<WatchedContext & { readonly sent: () => Promise<readonly string[]> }> {
  const person = await watchedContext(browser)
  const lines: Promise<string>[] = []
  person.context.on('request', request => {
    const line = lineOf(request)
    // Of one that is on its way still when its browser is closed nothing can be said.
    line.catch(() => undefined)
    lines.push(line)
  })
  return { ...person, sent: () => Promise.all(lines) }
}

async function lineOf(request: Request): Promise<string> {
  const { referer = '' } = await request.allHeaders()
  // Chromium tells of an address with its fragment, which it does not send.
  return `${request.url().split('#', 1)[0]} ${request.postData() ?? ''} ${referer}`
}

const hashOf = (page: Page): Promise<unknown> => page.evaluate('location.hash')

test('what stands behind # is there again after the provider’s form, and left the window for nobody', async () => {
  const person = await observed()
  try {
    const page = await person.open(`${at('hash')}/mail?x=1${PLACE}`)
    await stand.become(page, 'Grace')
    await page.waitForURL(address => address.href.startsWith(`${at('hash')}/mail?x=1#`))
    expect(await hashOf(page)).toBe(new URL(`http://x/${PLACE}`).hash)
    expect(await page.evaluate('Object.keys(sessionStorage)')).toEqual([])
    expect((await person.sent()).filter(line => /only-here|inbox/.test(line))).toEqual([])
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
})

test('where nobody asked for it, it is lost at the form, as browsers do it', async () => {
  const person = await observed()
  try {
    const page = await person.open(`${at('hash')}/plain${PLACE}`)
    await stand.become(page, 'Grace')
    await page.waitForURL(`${at('hash')}/plain`)
    expect(await hashOf(page)).toBe('')
  } finally {
    await person.context.close()
  }
})

test('people who sign in on the application’s own host, and choose where, come back to it too', async () => {
  const person = await observed()
  try {
    const page = await person.open(`${at('two')}/hash/${PLACE}`)
    await page.getByRole('link', { name: 'Other provider' }).click()
    await stand.become(page, 'Ada')
    await page.waitForURL(address => address.pathname === '/hash/' && address.hash !== '')
    expect(await hashOf(page)).toBe(new URL(`http://x/${PLACE}`).hash)
    expect((await person.sent()).filter(line => line.includes('only-here'))).toEqual([])
  } finally {
    await person.context.close()
  }
})

test('whoever is signed in at the portal already passes without a form, and each place is kept for its own path and window', async () => {
  const person = await observed()
  try {
    const page = await person.open(`${at('hash')}/one#/first`)
    expect(stand.isAtProvider(page)).toBe(true)
    // Given up, and begun anew elsewhere in the same window.
    await page.goto(stand.portal)
    await stand.become(page, 'Grace')
    await page.waitForURL(`${stand.portal}/**`)
    await page.goto(`${at('hash')}/two`)
    await page.waitForURL(`${at('hash')}/two`)
    expect(await hashOf(page)).toBe('')
    await person.context.clearCookies({ domain: 'hash.localhost' })
    const other = await person.open(`${at('hash')}/three#/third`)
    await other.waitForURL(`${at('hash')}/three#/third`)
  } finally {
    await person.context.close()
  }
})

test('without scripts people come to the application all the same', async () => {
  const person = await watchedContext(browser, { javaScriptEnabled: false })
  try {
    const page = await person.open(`${at('hash')}/mail${PLACE}`)
    await page.waitForURL(address => address.origin === stand.providerOrigin)
    await stand.become(page, 'Grace')
    await page.waitForURL(address => address.pathname === '/mail')
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
})

test('the page that keeps it keeps nobody out, and has a link for when nothing else leads on', async () => {
  const person = await watchedContext(browser)
  try {
    const page = await person.context.newPage()
    await person.context.route('**/*fragment=kept*', route => route.fulfill({ status: 204 }))
    await page.goto(`${at('hash')}/mail${PLACE}`, { waitUntil: 'commit' })
    const link = page.getByRole('link', { name: 'Continue' })
    expect(await link.getAttribute('href')).toBe('/.sallyport/login?return=%2Fmail&fragment=kept')
    expect(await barriersSoFar(page)).toEqual([])
  } finally {
    await person.context.close()
  }
})

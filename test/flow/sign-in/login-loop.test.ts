import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { BrowserLite, type Page } from '../../kit/browser/browser-lite.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { providerTable, routeForUsers } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(
  startAnswering(request => new Response(`at ${new URL(request.url).pathname} with ${request.headers.get('cookie')}`)),
)
const provider = keep(
  await startProviderFor(
    [{ sub: 'ada', name: 'Ada' }],
    'http://auth.example/.sallyport/callback',
    'http://app.example/.sallyport/callback',
  ),
)

const config = (portalUrl: string) => `
${providerTable(provider)}[portals.home]
providers = ["id"]
insecure_cookies = true
${portalUrl}
[portals.home.roles]
user = { any = true }
${routeForUsers(upstream, 'app.example')}`

const PLACES: readonly (readonly [name: string, portalUrl: string])[] = [
  ['a portal with a host of its own', 'url = "http://auth.example"'],
  ['a portal on each host itself', ''],
]

describe.each(PLACES)('%s', (_, portalUrl) => {
  let gate: Gate
  beforeAll(async () => {
    gate = await startGate(config(portalUrl))
  })
  afterAll(() => gate[Symbol.asyncDispose]())

  function browserThat(refuses: (name: string) => boolean): BrowserLite {
    const authority = `127.0.0.1:${gate.port}`
    return new BrowserLite({ hosts: { 'app.example': authority, 'auth.example': authority }, refuses })
  }

  const signIn = (browser: BrowserLite, path: string) => browser.signIn(`http://app.example${path}`, 'ada')
  /** How often the address itself sent the browser away. */
  const turns = (page: Page, path: string) => page.trail.filter(at => at === `http://app.example${path}`).length

  test('a browser that keeps no session cookie is stopped after the third round, with the cause', async () => {
    const page = await signIn(
      browserThat(name => name === 'sallyport'),
      '/x?y=1',
    )
    expect(page.response.status).toBe(400)
    expect(turns(page, '/x?y=1')).toBeLessThanOrEqual(3)
    expect(page.html.text).toContain('Your browser did not keep the cookie')
    expect(page.html.has('meta[http-equiv="refresh"]')).toBe(false)
    expect(page.html.address('/x')).toBe('/x?y=1')
    expect(gate.told('"sign_in.loop"', '"cookie"')).not.toEqual([])
  })

  test('trying again begins a new count, and works once the cookie is kept', async () => {
    let isRefusing = true
    const browser = browserThat(name => isRefusing && name === 'sallyport')
    expect((await signIn(browser, '/x')).response.status).toBe(400)
    expect((await browser.open('http://app.example/x')).response.status).toBe(400)
    isRefusing = false
    expect((await browser.open('http://app.example/x')).text).toStartWith('at /x')
  })

  test('a session cookie that comes back and opens nothing is the server’s fault, and is called so', async () => {
    const browser = browserThat(name => name === 'sallyport')
    for (const host of ['app.example', 'auth.example']) browser.plant(host, 'sallyport', 'A'.repeat(43))
    const page = await signIn(browser, '/x')
    expect(page.response.status).toBe(400)
    expect(page.html.text).toContain('the server does not know your sign-in any more')
  })

  test('a browser that keeps no cookie at all is told so in the first round', async () => {
    const page = await signIn(
      browserThat(name => name.startsWith('sallyport')),
      '/x',
    )
    expect(page.response.status).toBe(400)
    expect(turns(page, '/x')).toBeLessThanOrEqual(1)
    expect(page.html.text).toContain('Your browser did not keep the cookie')
  })

  test('signing out begins a new count', async () => {
    const browser = browserThat(() => false)
    for (let round = 0; round < 5; round++) {
      expect((await signIn(browser, '/x')).text).toStartWith('at /x')
      await browser.submit(await browser.open('http://app.example/.sallyport/logout'))
    }
  })

  test('the count of one address is not that of another, and no cookie of ours reaches the application', async () => {
    const browser = browserThat(() => false)
    for (let round = 0; round < 6; round++) {
      for (const host of ['app.example', 'auth.example']) browser.forget(host, 'sallyport')
      expect((await signIn(browser, `/page/${round}`)).text).toBe(`at /page/${round} with null`)
    }
  })
})

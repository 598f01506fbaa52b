import { expect } from 'bun:test'
import type { Browser, Page } from 'playwright-core'
import { startAnswering } from '../../kit/applications/answering.ts'
import { openChromium, watchedContext } from '../../kit/browser/chromium.ts'
import { startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { type PocketIdVersion, pocketIdUser } from '../../kit/provider/pocket-id/people.ts'
import { pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers } from '../../kit/toml.ts'

const { afterAll, beforeAll, describe, test } = needs('chromium')

const keep = untilTheEnd()
const upstream = keep(
  startAnswering(
    ({ url }) =>
      new Response(`<!doctype html><title>App</title><h1>${new URL(url).pathname}</h1>`, {
        headers: { 'content-type': 'text/html' },
      }),
  ),
)

let browser: Browser
beforeAll(async () => {
  browser = await openChromium()
})
afterAll(() => browser.close())

/** A gate whose portal and application have hosts of their own, and somebody in a window of it. */
async function stand(version: PocketIdVersion) {
  const stack = new AsyncDisposableStack()
  let offsetMs = 0
  const now = () => Date.now() + offsetMs
  const nowS = () => Math.floor(now() / 1000)
  const provider = stack.use(await pocketId({ version, users: [pocketIdUser('ada')], nowS }))
  const port = await freePort()
  provider.allowRedirect(`http://auth.localhost:${port}/.sallyport/callback`)
  const portal = portalTable(`${EVERYONE}\nurl = "http://auth.localhost:${port}"`)
  const toml = `${providerTable(provider)}${portal}${routeForUsers(upstream, 'app.localhost')}`
  stack.use(await startGate(toml, { listen: `127.0.0.1:${port}`, ports: { now } }))
  const watched = await watchedContext(browser)
  stack.defer(() => watched.context.close())
  const page = await watched.open(`http://app.localhost:${port}/first`)
  return {
    page,
    app: `http://app.localhost:${port}`,
    complaints: watched.complaints,
    pass(ms: number) {
      offsetMs += ms
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function signIn(page: Page): Promise<void> {
  await page.fill('input[name=login]', 'ada')
  await page.click('button')
}

describe.each<PocketIdVersion>(['2.9', '2.14'])('in Chromium with Pocket ID %s', version => {
  test('Back from an application leads to it again, by the provider and without a page of ours', async () => {
    await using at = await stand(version)
    await signIn(at.page)
    await at.page.waitForURL(`${at.app}/first`)
    const seen: string[] = []
    at.page.on('response', response => {
      if (response.status() >= 400) seen.push(response.url())
    })
    await at.page.goBack({ waitUntil: 'commit' })
    // At the one it comes to where the sign-in began, which knows who that is; at the other to the form itself.
    if (version === '2.14') await signIn(at.page)
    await at.page.waitForURL(`${at.app}/first`)
    expect(await at.page.textContent('h1')).toBe('/first')
    expect([seen, at.complaints]).toEqual([[], []])
  })

  test('somebody who takes two hours comes to the place that they wanted all the same', async () => {
    await using at = await stand(version)
    at.pass(130 * 60_000)
    await signIn(at.page)
    await at.page.waitForURL(url => url.href === `${at.app}/first` || url.href.includes('/interaction'))
    if (at.page.url() !== `${at.app}/first`) await signIn(at.page)
    await at.page.waitForURL(`${at.app}/first`)
    expect(await at.page.textContent('h1')).toBe('/first')
    expect(at.complaints).toEqual([])
  })
})

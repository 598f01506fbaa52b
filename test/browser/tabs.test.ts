import { expect, setDefaultTimeout } from 'bun:test'
import type { BrowserContext, Page } from 'playwright-core'
import { findBarriers } from '../kit/browser/accessible.ts'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { openStand } from '../kit/browser/stand.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const browser = keep(await openChromium())
const stand = keep(await openStand())

/**
 * Makes tabs that nobody looks at until `look`: a headless browser shows all of its tabs at once, so that only what pages are told of
 * it is of the test's making.
 */
async function unseen(context: BrowserContext): Promise<void> {
  await context.addInitScript(`(() => {
    let isHidden = window.name !== 'seen'
    Object.defineProperty(document, 'hidden', { get: () => isHidden })
    Object.defineProperty(document, 'visibilityState', { get: () => (isHidden ? 'hidden' : 'visible') })
    window.look = () => { window.name = 'seen'; isHidden = false; document.dispatchEvent(new Event('visibilitychange')) }
  })()`)
}

const look = (page: Page) => page.evaluate('window.look()')

/** Ends every session by the pages of somebody else's browser, as an idle time does: nothing tells this browser. */
async function endElsewhere(): Promise<void> {
  const { context, open } = await watchedContext(browser)
  const page = await open(stand.portal)
  await stand.become(page, 'Ada')
  await page.goto(`${stand.portal}/.sallyport/sessions`)
  const others = page.getByRole('listitem').filter({ hasNotText: 'This device' }).getByRole('button')
  while ((await others.count()) > 0) {
    const ended = page.waitForEvent('load')
    await others.first().click()
    await ended
  }
  await context.close()
}

test('six tabs that come back after the session is over go on once one of them has signed in', async () => {
  const person = await watchedContext(browser)
  const first = await person.open(stand.app)
  await stand.become(first, 'Ada')
  await first.close()
  await endElsewhere()
  await unseen(person.context)
  const tabs = await Promise.all(Array.from({ length: 6 }, () => person.context.newPage()))
  const places = tabs.map((_, index) => `${index % 2 === 0 ? stand.app : stand.admin}/deep/${index}`)
  await Promise.all(tabs.map((tab, index) => tab.goto(places[index] ?? '')))
  expect(tabs.map(tab => new URL(tab.url()).origin)).toEqual(tabs.map(() => stand.portal))
  const [seen, ...others] = tabs
  if (seen === undefined) throw new TypeError('there are six')
  expect(await findBarriers(seen)).toEqual([])
  await look(seen)
  await seen.waitForURL(address => address.origin === stand.providerOrigin || address.href === places[0])
  if (stand.isAtProvider(seen)) await stand.become(seen, 'Ada')
  await seen.waitForURL(places[0] ?? '')
  for (const [index, tab] of others.entries()) {
    expect(new URL(tab.url()).origin).toBe(stand.portal)
    await look(tab)
    await tab.waitForURL(places[index + 1] ?? '')
  }
  expect(person.complaints).toEqual([])
  await person.context.close()
})

test('a tab that is seen goes to the provider at once, and one without scripts has a button', async () => {
  for (const javaScriptEnabled of [true, false]) {
    const person = await watchedContext(browser, { javaScriptEnabled })
    const page = await person.open(stand.app)
    await stand.become(page, 'Ada')
    await endElsewhere()
    await page.goto(`${stand.app}/deep`)
    if (!javaScriptEnabled) await page.getByRole('link', { name: 'Continue' }).click()
    await page.waitForURL(address => address.origin === stand.providerOrigin || address.href === `${stand.app}/deep`)
    await person.context.close()
  }
})

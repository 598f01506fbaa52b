import { expect, setDefaultTimeout } from 'bun:test'
import type { Page } from 'playwright-core'
import { type Demo, startDemo } from '../../src/cli/demo/start.ts'
import { findBarriers, holdCountdowns } from '../kit/browser/accessible.ts'
import { openChromium, type WatchedContext, watchedContext } from '../kit/browser/chromium.ts'
import { keepPicture } from '../kit/browser/picture.ts'
import { openStand, type Person } from '../kit/browser/stand.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { serveInProcess } from '../kit/serve.ts'

const { afterAll, beforeAll, describe, test } = needs('chromium')

setDefaultTimeout(300_000)

/** Where every page's picture goes, for people to look at. */

const keep = untilTheEnd()
const browser = keep(await openChromium())
const stand = keep(await openStand())

/** Light on a desk, and dark on the narrowest screen that a page must fit (WCAG 2.2, 1.4.10). */
const SCREENS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1100, height: 800 } },
  { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 320, height: 700 } },
] as const

async function openAs({ open }: WatchedContext, who: Person | null, address: string): Promise<Page> {
  const page = await open(address)
  await stand.become(page, who)
  return page
}

/** Presses Tab until the focus is on something with this text; throws when a round brings nothing. */
async function tabTo(page: Page, text: string): Promise<void> {
  for (let presses = 0; presses < 30; presses++) {
    await page.keyboard.press('Tab')
    if (String(await page.evaluate('document.activeElement.textContent')).includes(text)) return
  }
  throw new Error(`Tab never reaches "${text}"`)
}

/** Every page of Sallyport's own, and how a person comes to see it. */
const PAGES: readonly (readonly [name: string, status: number, reach: (person: WatchedContext) => Promise<Page>])[] = [
  ['choice of provider', 200, person => person.open(stand.choice)],
  ['denied', 403, person => openAs(person, 'Grace', `${stand.admin}/settings`)],
  ['denied to someone without any role', 403, person => openAs(person, 'Guest', stand.app)],
  [
    'portal',
    200,
    async person => {
      const page = await openAs(person, 'Ada', stand.app)
      await page.goto(`${stand.portal}/`)
      return page
    },
  ],
  [
    'portal without applications',
    200,
    async person => {
      const page = await openAs(person, 'Guest', stand.app)
      await page.goto(`${stand.portal}/`)
      return page
    },
  ],
  [
    'sign-out asked',
    200,
    async person => {
      const page = await openAs(person, 'Ada', stand.app)
      await page.getByRole('link', { name: 'Sign out' }).click()
      return page
    },
  ],
  [
    'signed out',
    200,
    async person => {
      const page = await openAs(person, 'Ada', stand.app)
      await page.getByRole('link', { name: 'Sign out' }).click()
      await page.getByRole('button', { name: 'Sign out' }).click()
      return page
    },
  ],
  ['sign-in given up', 403, person => openAs(person, null, stand.app)],
  ['sign-in expired', 400, person => person.open(`${stand.portal}/.sallyport/callback?code=c&state=s`)],
  ['unknown host', 404, person => person.open(stand.app.replace('app.', 'nowhere.'))],
  ['unknown address of the portal', 404, person => person.open(`${stand.portal}/.sallyport/nothing`)],
  ['malformed address', 400, person => person.open(`${stand.public}/%zz`)],
  ['application that is not running', 502, person => person.open(stand.dead)],
]

describe.each([...PAGES])('%s', (name, status, reach) => {
  test.each([...SCREENS])(`answers ${status} and keeps nobody out: $name`, async screen => {
    const person = await watchedContext(browser, screen)
    try {
      await holdCountdowns(person.context)
      const statuses = new Map<string, number>()
      person.context.on('response', reply => {
        if (reply.request().isNavigationRequest()) statuses.set(reply.url(), reply.status())
      })
      const page = await reach(person)
      // A click waits for the next page to begin, and not for all of it.
      await page.waitForLoadState()
      await keepPicture(page, `${name.replaceAll(' ', '-')}-${screen.name}`)
      expect(statuses.get(page.url().replace(/#.*/, ''))).toBe(status)
      expect(await findBarriers(page)).toEqual([])
      expect(person.complaints).toEqual([])
    } finally {
      await person.context.close()
    }
  })
})

describe("the demo's own pages", () => {
  let demo: Demo
  beforeAll(async () => {
    demo = await startDemo({ dir: null, port: 0 }, serveInProcess)
  })
  afterAll(() => demo.stop())

  test.each([...SCREENS])('keep nobody out: $name', async screen => {
    const person = await watchedContext(browser, screen)
    const look = async (page: Page, name: string) => {
      await keepPicture(page, `demo-${name}-${screen.name}`)
      expect(await findBarriers(page)).toEqual([])
    }
    await look(await person.open(demo.addresses.provider), 'provider')
    await look(await person.open(`${demo.addresses.provider}/authorize`), 'refused')
    await look(await person.open(`${demo.addresses.provider}/end-session`), 'signed-out')
    await look(await person.open(demo.addresses.public), 'public')
    const page = await person.open(demo.addresses.app)
    await look(page, 'people')
    await page.getByRole('button', { name: 'Ada' }).click()
    await page.locator('#clock-state', { hasText: 'streaming' }).waitFor()
    await page.locator('#echo-state', { hasText: 'connected' }).waitFor()
    await look(page, 'service')
    expect(person.complaints).toEqual([])
    await person.context.close()
  })

  test('need no mouse', async () => {
    const person = await watchedContext(browser)
    const page = await person.open(demo.addresses.app)
    await tabTo(page, 'Grace')
    await page.keyboard.press('Enter')
    await page.waitForURL(`${demo.addresses.app}/`)
    expect(await page.locator('#who').textContent()).toBe('Grace')
    await person.context.close()
  })
})

describe('the bar of a page', () => {
  test('is one line on a phone, and its menu opens without a script', async () => {
    const person = await watchedContext(browser, { viewport: { width: 390, height: 844 }, javaScriptEnabled: false })
    const page = await openAs(person, 'Ada', stand.app)
    await page.goto(`${stand.portal}/`)
    const menu = page.getByRole('button', { name: 'Menu' })
    const links = page.getByRole('navigation').getByRole('link')
    expect((await page.locator('.bar').boundingBox())?.height).toBeLessThan(72)
    expect(await links.count()).toBe(0)
    await menu.focus()
    await page.keyboard.press('Enter')
    expect(await links.allTextContents()).toEqual(['Applications', 'Your sessions', 'Sign out'])
    await keepPicture(page, 'menu-phone', false)
    await page.keyboard.press('Escape')
    await page.locator('#menu').waitFor({ state: 'hidden' })
    await menu.click()
    await links.nth(1).click()
    await page.waitForURL('**/sessions')
    await person.context.close()
  })

  test('shows where it leads without a button on a wide screen', async () => {
    const person = await watchedContext(browser, { viewport: { width: 1100, height: 800 } })
    const page = await openAs(person, 'Ada', stand.app)
    await page.goto(`${stand.portal}/`)
    expect(await page.getByRole('button', { name: 'Menu' }).count()).toBe(0)
    expect(await page.getByRole('navigation').getByRole('link').count()).toBe(3)
    await person.context.close()
  })
})

describe('the keyboard', () => {
  test('chooses a provider', async () => {
    const { context, open } = await watchedContext(browser)
    const page = await open(stand.choice)
    await tabTo(page, 'Other provider')
    expect(await page.evaluate(`getComputedStyle(document.activeElement).outlineStyle`)).not.toBe('none')
    await page.keyboard.press('Enter')
    await page.getByLabel('Login').waitFor()
    expect(stand.isAtProvider(page)).toBe(true)
    await context.close()
  })

  test('switches account on the denied page', async () => {
    const person = await watchedContext(browser)
    const page = await openAs(person, 'Grace', stand.admin)
    await tabTo(page, 'Switch account')
    await page.keyboard.press('Enter')
    await page.getByLabel('Login').waitFor()
    expect(stand.isAtProvider(page)).toBe(true)
    await person.context.close()
  })
})

test('the look at a page finds what it is meant to find', async () => {
  const { context, open } = await watchedContext(browser)
  const page = await open(stand.public)
  await page.setContent(`<h1>a</h1><h1>b</h1><p style="color:#999;background:#fff">faint</p>
    <p style="color:#000;background:linear-gradient(#fff,#222)">sinking</p><input><button></button>
    <img src="data:,"><main></main><main><div style="width:3000px">wide</div>
    <h3>deep</h3><nav><a href="/" style="outline:none">on</a></nav>
    <p style="width:50px;overflow:hidden">Unbreakablylongword</p></main>`)
  const found = (await findBarriers(page)).map(barrier => barrier.replace(/contrast of [\d.]+/, 'contrast'))
  expect(found.filter(barrier => /^axe (?:image-alt|label|button-name)/.test(barrier)).length).toBe(3)
  expect(found.filter(barrier => !barrier.startsWith('axe'))).toEqual([
    'the page names no language',
    'the page has no title',
    'the page has 2 main headings',
    'the page has no single main landmark',
    'the page is wider than the screen',
    '<h3> "deep" comes after a heading of level 1',
    '<nav> "on" has no name',
    '<input> has no name',
    '<input> "" is too small a target',
    '<button></button> has no name',
    '<button> "" is too small a target',
    '<img src="data:,"> has no alternative',
    '<h1> "a" is in no landmark',
    '<h1> "b" is in no landmark',
    '<p> "faint" is in no landmark',
    '<p> "faint" has a contrast',
    '<p> "sinking" is in no landmark',
    '<p> "sinking" has a contrast',
    '<a> "on" does not show the focus',
    '<p> "Unbreakablylongword" is wider than its place',
  ])
  await context.close()
})

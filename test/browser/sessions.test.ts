import { expect, setDefaultTimeout } from 'bun:test'
import type { Page } from 'playwright-core'
import { findBarriers } from '../kit/browser/accessible.ts'
import { openChromium, type WatchedContext, watchedContext } from '../kit/browser/chromium.ts'
import { openMenu } from '../kit/browser/menu.ts'
import { keepPicture } from '../kit/browser/picture.ts'
import { openStand, type Person } from '../kit/browser/stand.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const SCREENS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1100, height: 800 } },
  { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 320, height: 700 } },
] as const

const keep = untilTheEnd()
const browser = keep(await openChromium())
const stand = keep(await openStand('admin_role = "admin"\nprovider_logout = true\nremember = "30d"'))

/** A profile that has signed in, by the page that asks for how long. */
async function signIn(person: WatchedContext, who: Person, keep = false): Promise<Page> {
  const page = await person.open(stand.app)
  if (keep) await page.getByRole('link', { name: 'Keep me signed in on this device' }).click()
  await page.getByRole('link', { name: /Continue with/ }).click()
  await stand.become(page, who)
  return page
}

test.each([...SCREENS])('sessions: someone ends another device, and signs out everywhere ($name)', async screen => {
  const [here, there] = [await watchedContext(browser, screen), await watchedContext(browser)]
  const look = async (page: Page, name: string) => {
    await keepPicture(page, `${name}-${screen.name}`)
    expect([name, await findBarriers(page)]).toEqual([name, []])
  }
  try {
    const asked = await here.open(stand.app)
    await look(asked, 'sign-in-for-how-long')
    await asked.getByRole('link', { name: 'Keep me signed in on this device' }).click()
    await look(asked, 'sign-in-kept')
    await asked.close()
    const page = await signIn(here, 'Ada', true)
    const other = await signIn(there, 'Ada')
    await page.goto(`${stand.portal}/`)
    await openMenu(page)
    await page.getByRole('link', { name: 'Your sessions' }).click()
    await look(page, 'sessions')
    expect(await page.getByRole('listitem').count()).toBe(2)
    expect(await page.getByRole('listitem').getByText('app.localhost').count()).toBe(2)
    const ended = page.waitForEvent('load')
    await page.getByRole('listitem').filter({ hasNotText: 'This device' }).getByRole('button').click()
    await ended
    expect(await page.getByRole('listitem').count()).toBe(1)
    // One session alone has one button.
    expect(await page.getByRole('main').getByRole('button').allTextContents()).toEqual(['Sign out'])
    await other.goto(stand.app)
    expect(new URL(other.url()).origin).toBe(stand.portal)
    // The provider still knows them.
    await other.getByRole('link', { name: /Continue with/ }).click()
    await other.waitForURL(`${stand.app}/`)
    await page.getByRole('link', { name: 'All sessions' }).click()
    await page.getByLabel('Name, e-mail, device or address').fill('ada')
    await page.getByRole('button', { name: 'Search' }).click()
    await look(page, 'all-sessions')
    await openMenu(page)
    await page.getByRole('link', { name: 'Your sessions' }).click()
    await page.getByRole('button', { name: 'Sign out everywhere' }).click()
    await page.waitForURL(address => address.origin === stand.providerOrigin)
    await page.getByRole('button', { name: /yes/i }).click()
    await page.waitForURL(address => address.origin === stand.portal)
    await look(page, 'signed-out-at-the-provider-too')
    expect(await page.textContent('main')).toContain('Here, and at Main provider.')
    expect([...here.complaints, ...there.complaints]).toEqual([])
  } finally {
    await Promise.all([here.context.close(), there.context.close()])
  }
})

test('signing out on an application’s own host leads over the provider back to the portal, whatever policy its page has', async () => {
  const person = await watchedContext(browser)
  try {
    const page = await signIn(person, 'Grace')
    await page.goto(`${stand.app}/.sallyport/logout`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(address => address.origin === stand.providerOrigin)
    await page.getByRole('button', { name: /yes/i }).click()
    await page.waitForURL(address => address.origin === stand.portal)
    expect(await page.textContent('h1')).toBe('You are signed out')
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
})

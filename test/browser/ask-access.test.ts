import { expect, setDefaultTimeout } from 'bun:test'
import type { Page } from 'playwright-core'
import { LANGUAGES } from '../../src/portal/language.ts'
import { findBarriers } from '../kit/browser/accessible.ts'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { keepPicture } from '../kit/browser/picture.ts'
import { openStand } from '../kit/browser/stand.ts'
import { eventually } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const browser = keep(await openChromium())

const LIGHT = { name: 'light', colorScheme: 'light', viewport: { width: 1100, height: 800 } } as const
const PHONE = { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 320, height: 700 } } as const

// Each language on one of the two screens: what differs by screen is the style sheet, which is one for all of them.
test.each(
  LANGUAGES.map((words, index) => {
    const screen = index % 2 === 0 ? LIGHT : PHONE
    return { words, screen, name: `${words.lang}, ${screen.name}` }
  }),
)(
  'somebody who is refused asks, is let in once an admin grants it, and is out once it is revoked: $name',
  async ({ words, screen }) => {
    // What was declined is not asked for again on the same day.
    await using stand = await openStand('admin_role = "admin"\nrequests = true')
    const options = { ...screen, locale: words.lang }
    const [asker, admin] = [await watchedContext(browser, options), await watchedContext(browser, options)]
    const look = async (page: Page, name: string) => {
      await keepPicture(page, `${words.lang}-${name}-${screen.name}`)
      const isWide = await page.evaluate('document.documentElement.scrollWidth > innerWidth')
      expect([name, isWide, await findBarriers(page)]).toEqual([name, false, []])
    }
    const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
    try {
      let page = await asker.open(`${stand.app}/deep?x=1`)
      await stand.become(page, 'Guest')
      expect(await page.textContent('h1')).toBe(words.notOpen('app.localhost'))
      await look(page, 'asking')
      await page.getByLabel(words.askText).fill('<b>For the pictures</b> of the party')
      await button(page, words.askAccess).click()
      expect(page.url()).toBe(`${stand.app}/deep?x=1`)
      expect(await page.getByRole('status').textContent()).toBe(words.asked)
      expect(await button(page, words.askAccess).count()).toBe(0)
      await look(page, 'asked')

      const office = await admin.open(`${stand.portal}/.sallyport/admin`)
      await stand.become(office, 'Ada')
      await office.goto(`${stand.portal}/.sallyport/admin`)
      expect(await office.locator('#requests q').textContent()).toBe('<b>For the pictures</b> of the party')
      await look(office, 'requests')
      await office.locator('#requests select').selectOption('1')
      await button(office, words.grantNamed('user', 'Guest')).click()
      expect(new URL(office.url()).pathname + new URL(office.url()).hash).toBe('/.sallyport/admin#requests')
      await look(office, 'granted')

      // The page that asked opens by itself, too, which would break off whatever else it is told to load just then.
      await page.close()
      page = await asker.open(`${stand.app}/deep?x=1`)
      expect(await page.title()).not.toBe(words.notOpenTitle)
      await page.goto(`${stand.portal}/.sallyport/sessions`)
      await look(page, 'own-roles')
      expect(await page.getByRole('heading', { name: words.grantedRoles }).count()).toBe(1)

      await button(office, words.revokeNamed('user, Guest')).click()
      await page.goto(stand.app)
      expect(await page.textContent('h1')).toBe(words.notOpen('app.localhost'))

      await button(page, words.askAccess).click()
      await office.reload()
      await button(office, words.declineNamed('user', 'Guest')).click()
      await page.reload()
      expect(await page.locator('.asked').textContent()).toBe(words.askDeclined('user'))
      await look(page, 'declined')
    } finally {
      await Promise.all([asker.context.close(), admin.context.close()])
    }
  },
)

test('the page of a refusal opens by itself once a role is granted, and asks no longer than a quarter of an hour', async () => {
  await using stand = await openStand('admin_role = "admin"\nrequests = true')
  const [asker, admin] = [
    await watchedContext(browser, { locale: 'en' }),
    await watchedContext(browser, { locale: 'en' }),
  ]
  const asked: string[] = []
  asker.context.on('response', answer => {
    if (answer.url().includes('/.sallyport/ask?')) asked.push(new URL(answer.url()).search)
  })
  const until = (count: number) =>
    eventually(
      () => asked.length >= count,
      () => `the page asks ${count} times, not ${asked.length}`,
    )
  try {
    const page = await asker.context.newPage()
    // It stands still but where the test says so: what takes long here is no time that passes for the page.
    await page.clock.install({ time: 0 })
    await page.clock.pauseAt(1000)
    await page.goto(`${stand.app}/deep?x=1`)
    await stand.become(page, 'Guest')
    await button(page, 'Ask for access').click()
    await page.locator('[data-watched]').waitFor()
    expect(await page.locator('[data-watched]').textContent()).toBe('This page opens by itself once an admin agrees.')
    const before = asked.length
    // What is not looked at asks nothing.
    await page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })`)
    await page.clock.runFor(60_000)
    await page.evaluate(`delete document.hidden`)
    await page.clock.runFor(10_000)
    await until(before + 1)
    expect(asked.length).toBeLessThanOrEqual(before + 2)
    expect(new Set(asked)).toEqual(new Set(['?return=%2Fdeep%3Fx%3D1']))

    const office = await admin.open(`${stand.portal}/.sallyport/admin`)
    await stand.become(office, 'Ada')
    await office.goto(`${stand.portal}/.sallyport/admin`)
    expect(await office.getByRole('img', { name: 'One request for access' }).textContent()).toBe('1')
    await button(office, 'Grant user to Guest').click()
    expect(await office.locator('.badge').count()).toBe(0)
    await page.clock.runFor(10_000)
    await page.locator('.panel').waitFor({ state: 'detached' })
    expect(page.url()).toBe(`${stand.app}/deep?x=1`)
    expect(asker.complaints).toEqual([])

    const closed = await asker.context.newPage()
    const atFirst = asked.length
    await closed.goto(`${stand.admin}/`)
    await until(atFirst + 1)
    await closed.clock.fastForward(16 * 60_000)
    await closed.clock.runFor(10_000)
    const atEnd = asked.length
    await closed.clock.runFor(60_000)
    await closed.reload()
    await until(atEnd + 1)
    expect(asked.length).toBe(atEnd + 1)
  } finally {
    await Promise.all([asker.context.close(), admin.context.close()])
  }

  function button(page: Page, name: string) {
    return page.getByRole('button', { name, exact: true })
  }
})

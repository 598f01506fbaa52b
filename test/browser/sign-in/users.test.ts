import { expect, setDefaultTimeout } from 'bun:test'
import type { Page } from 'playwright-core'
import { LANGUAGES } from '../../../src/portal/language.ts'
import { findBarriers } from '../../kit/browser/accessible.ts'
import { watchedContext } from '../../kit/browser/chromium.ts'
import { FORM_PASSWORD, openFormStand } from '../../kit/browser/form-stand.ts'
import { keepPicture } from '../../kit/browser/picture.ts'
import { needs } from '../../kit/needs.ts'
import { providerTable, SILENT } from '../../kit/toml.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const { browser, app } = await openFormStand({
  people: ['ada'],
  others: providerTable(SILENT, 'label = "Pocket ID"'),
  otherNames: ['id'],
  portal: 'remember = "30d"',
})

const KEEP = 'Keep me signed in on this device'

test.each([
  { name: 'light', colorScheme: 'light', viewport: { width: 1100, height: 800 } },
  { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 320, height: 700 } },
] as const)(
  'someone without a provider signs in by the form, and arrives where they were going: $name',
  async screen => {
    const person = await watchedContext(browser, { ...screen, locale: 'en' })
    const look = async (page: Page, name: string) => {
      await keepPicture(page, `${name}-${screen.name}`)
      expect([name, await findBarriers(page)]).toEqual([name, []])
    }
    try {
      const page = await person.open(app)
      await look(page, 'users')
      expect(await page.getByLabel('Password').getAttribute('autocomplete')).toBe('current-password')
      expect(await page.getByRole('link', { name: 'Continue with Pocket ID' }).count()).toBe(1)
      expect(await page.locator('.act.main').allTextContents()).toEqual(['Sign in'])
      await page.getByLabel('User name').fill('ada')
      await page.getByLabel('Password').fill('something else')
      await page.keyboard.press('Enter')
      expect(await page.getByRole('alert').textContent()).toContain('is not right')
      await look(page, 'users-wrong')
      await page.getByLabel('User name').fill('ada')
      await page.getByLabel('Password').fill(FORM_PASSWORD)
      await page.getByRole('button', { name: 'Sign in', exact: true }).click()
      await page.waitForURL(app)
      expect(await page.locator('body').textContent()).toBe('hello ada')
      expect(person.complaints).toEqual([])
    } finally {
      await person.context.close()
    }
  },
)

test('the place behind # survives the form, also a wrong password and another choice; without scripts it is lost', async () => {
  const person = await watchedContext(browser, { locale: 'en' })
  try {
    const page = await person.open(`${app}#/inbox/7?unread`)
    await page.getByRole('checkbox', { name: KEEP }).check()
    for (const password of ['something else', FORM_PASSWORD]) {
      await page.getByLabel('User name').fill('ada')
      await page.getByLabel('Password').fill(password)
      await page.getByRole('button', { name: 'Sign in', exact: true }).click()
      if (password === FORM_PASSWORD) continue
      await page.getByRole('alert').waitFor()
      // What a script makes of the page is there at its end.
      await page.waitForLoadState()
    }
    await page.getByText('hello ada').waitFor()
    expect(page.url()).toBe(`${app}#/inbox/7?unread`)
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
  const plain = await watchedContext(browser, { locale: 'en', javaScriptEnabled: false })
  try {
    const page = await plain.open(`${app}#/inbox/7`)
    await page.getByLabel('User name').fill('ada')
    await page.getByLabel('Password').fill(FORM_PASSWORD)
    await page.keyboard.press('Enter')
    await page.getByText('hello ada').waitFor()
    expect(page.url()).toBe(app)
  } finally {
    await plain.context.close()
  }
})

test.each([true, false])(
  'a box in the form keeps people signed in, with scripts (%p) or without',
  async javaScriptEnabled => {
    const person = await watchedContext(browser, { locale: 'en', javaScriptEnabled })
    try {
      const page = await person.open(app)
      const provider = page.getByRole('link', { name: 'Continue with Pocket ID' })
      const chosen = async () =>
        new URL((await provider.getAttribute('href')) ?? '', page.url()).searchParams.has('remember')
      const box = page.getByRole('checkbox', { name: KEEP })
      expect([await box.isChecked(), await chosen()]).toEqual([false, false])
      await box.check()
      // Where a script cannot hand it to the provider, a link does.
      expect(await chosen()).toBe(javaScriptEnabled)
      expect(await page.getByRole('link', { name: KEEP }).count()).toBe(javaScriptEnabled ? 0 : 1)
      for (const password of ['something else', FORM_PASSWORD]) {
        await page.getByLabel('User name').fill('ada')
        await page.getByLabel('Password').fill(password)
        await page.getByRole('button', { name: 'Sign in', exact: true }).click()
        if (password === FORM_PASSWORD) continue
        await page.getByRole('alert').waitFor()
        await page.waitForLoadState()
        expect([await box.isChecked(), await chosen()]).toEqual([true, true])
      }
      await page.getByText('hello ada').waitFor()
      const ends = (await person.context.cookies())
        .filter(({ name }) => name === 'sallyport')
        .map(({ expires }) => expires)
      expect(ends.length).toBeGreaterThan(0)
      expect(Math.min(...ends)).toBeGreaterThan(Date.now() / 1000 + 29 * 86_400)
      expect(person.complaints).toEqual([])
    } finally {
      await person.context.close()
    }
    const other = await watchedContext(browser, { locale: 'en', javaScriptEnabled })
    try {
      const page = await other.open(app)
      if (!javaScriptEnabled) await page.getByRole('link', { name: KEEP }).click()
      else await page.getByRole('checkbox', { name: KEEP }).check()
      await page.getByRole('checkbox', { name: KEEP }).uncheck()
      await page.getByLabel('User name').fill('ada')
      await page.getByLabel('Password').fill(FORM_PASSWORD)
      await page.getByRole('button', { name: 'Sign in', exact: true }).click()
      await page.getByText('hello ada').waitFor()
      const sessions = (await other.context.cookies()).filter(({ name }) => name === 'sallyport')
      expect(sessions.map(({ expires }) => expires)).toEqual(sessions.map(() => -1))
      expect(sessions.length).toBeGreaterThan(0)
    } finally {
      await other.context.close()
    }
  },
)

test.each(LANGUAGES.map(({ lang }) => lang))('the form is said in %s, and keeps nobody out', async lang => {
  const person = await watchedContext(browser, { locale: lang, viewport: { width: 320, height: 700 } })
  try {
    const page = await person.open(app)
    expect(await page.locator('html').getAttribute('lang')).toBe(lang)
    expect(await findBarriers(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false)
  } finally {
    await person.context.close()
  }
})

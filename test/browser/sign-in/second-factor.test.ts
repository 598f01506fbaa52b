import { expect, setDefaultTimeout } from 'bun:test'
import { LANGUAGES } from '../../../src/portal/language.ts'
import { findBarriers } from '../../kit/browser/accessible.ts'
import { watchedContext } from '../../kit/browser/chromium.ts'
import { FORM_PASSWORD, openFormStand } from '../../kit/browser/form-stand.ts'
import { keepPicture } from '../../kit/browser/picture.ts'
import { needs } from '../../kit/needs.ts'
import { codeAt, SECOND_FACTOR } from '../../kit/totp.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const { browser, app } = await openFormStand({
  people: ['ada', 'bob'],
  family: 'totp = "users.totp"',
  files: { 'users.totp': `ada:${SECOND_FACTOR}\n` },
})

test('someone with a second factor signs in with its code, by the keyboard alone, and someone without one leaves it out', async () => {
  const person = await watchedContext(browser, { locale: 'en', viewport: { width: 1100, height: 800 } })
  try {
    const page = await person.open(app)
    const code = page.getByLabel('Code')
    expect([await code.getAttribute('autocomplete'), await code.getAttribute('inputmode')]).toEqual([
      'one-time-code',
      'numeric',
    ])
    await keepPicture(page, 'second-factor')
    await page.keyboard.type('ada')
    await page.keyboard.press('Tab')
    await page.keyboard.type(FORM_PASSWORD)
    await page.keyboard.press('Enter')
    expect(await page.getByRole('alert').textContent()).toContain('or the code is not right')
    expect(await findBarriers(page)).toEqual([])
    await keepPicture(page, 'second-factor-wrong')
    await page.getByLabel('User name').focus()
    for (const text of ['ada', FORM_PASSWORD]) {
      await page.keyboard.type(text)
      await page.keyboard.press('Tab')
    }
    const shown = codeAt(Date.now())
    await page.keyboard.type(`${shown.slice(0, 3)} ${shown.slice(3)}`)
    await page.keyboard.press('Enter')
    await page.waitForURL(app)
    expect(await page.locator('body').textContent()).toBe('hello ada')
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
  const other = await watchedContext(browser, { locale: 'en' })
  try {
    const page = await other.open(app)
    await page.getByLabel('User name').fill('bob')
    await page.getByLabel('Password').fill(FORM_PASSWORD)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(app)
    expect(await page.locator('body').textContent()).toBe('hello bob')
  } finally {
    await other.context.close()
  }
})

test.each(LANGUAGES.flatMap(({ lang }) => [[lang, 'light'] as const, [lang, 'dark'] as const]))(
  'the form with a code is said in %s, and keeps nobody out: %s',
  async (lang, colorScheme) => {
    const person = await watchedContext(browser, { locale: lang, colorScheme, viewport: { width: 320, height: 700 } })
    try {
      const page = await person.open(app)
      expect(await page.locator('html').getAttribute('lang')).toBe(lang)
      expect(await findBarriers(page)).toEqual([])
      expect(await page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false)
      await keepPicture(page, `second-factor-${lang}-${colorScheme}`)
    } finally {
      await person.context.close()
    }
  },
)

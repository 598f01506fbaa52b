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

test('someone with a second factor signs in with its code, by the keyboard alone, and someone without one sees no field', async () => {
  const person = await watchedContext(browser, { locale: 'en', viewport: { width: 1100, height: 800 } })
  try {
    const page = await person.open(`${app}#/inbox/7`)
    const type = async (label: string, text: string, key: string) => {
      await page.getByLabel(label, { exact: true }).and(page.locator(':focus')).waitFor()
      await page.keyboard.type(text)
      await page.keyboard.press(key)
    }
    await type('User name', 'ada', 'Tab')
    await type('Password', 'wrong', 'Enter')
    await page.getByRole('alert').waitFor()
    await page.waitForLoadState()
    expect(await page.getByLabel('User name').inputValue()).toBe('ada')
    await type('Password', FORM_PASSWORD, 'Enter')
    const code = page.getByLabel('Code', { exact: true })
    await code.and(page.locator(':focus')).waitFor()
    expect([await code.getAttribute('autocomplete'), await code.getAttribute('inputmode')]).toEqual([
      'one-time-code',
      'numeric',
    ])
    expect(await findBarriers(page)).toEqual([])
    await keepPicture(page, 'second-factor')
    // What looks for barriers takes the focus.
    await code.focus()
    await type('Code', '12345', 'Enter')
    await page.getByRole('alert').waitFor()
    expect(await page.getByRole('alert').textContent()).toBe('The code is not right.')
    expect(await findBarriers(page)).toEqual([])
    await keepPicture(page, 'second-factor-wrong')
    await code.focus()
    const shown = codeAt(Date.now())
    await type('Code', `${shown.slice(0, 3)} ${shown.slice(3)}`, 'Enter')
    await page.getByText('hello ada').waitFor()
    // The place behind # has come along.
    expect(page.url()).toBe(`${app}#/inbox/7`)
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
  const other = await watchedContext(browser, { locale: 'en' })
  try {
    const page = await other.open(app)
    await page.getByLabel('User name').fill('bob')
    await page.getByLabel('Password').fill(FORM_PASSWORD)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.waitForURL(app)
    expect(await page.locator('body').textContent()).toBe('hello bob')
  } finally {
    await other.context.close()
  }
})

test.each(LANGUAGES.flatMap(({ lang }) => [[lang, 'light'] as const, [lang, 'dark'] as const]))(
  'the form for a code is said in %s, and keeps nobody out: %s',
  async (lang, colorScheme) => {
    const person = await watchedContext(browser, { locale: lang, colorScheme, viewport: { width: 320, height: 700 } })
    try {
      const page = await person.open(app)
      await page.locator('#name').fill('ada')
      await page.locator('#password').fill(FORM_PASSWORD)
      await page.locator('button[type="submit"]').click()
      await page.locator('#code').waitFor()
      expect(await page.locator('html').getAttribute('lang')).toBe(lang)
      expect(await findBarriers(page)).toEqual([])
      expect(await page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false)
      await keepPicture(page, `second-factor-${lang}-${colorScheme}`)
    } finally {
      await person.context.close()
    }
  },
)

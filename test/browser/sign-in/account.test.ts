import { expect, setDefaultTimeout } from 'bun:test'
import { LANGUAGES } from '../../../src/portal/language.ts'
import { findBarriers } from '../../kit/browser/accessible.ts'
import { watchedContext } from '../../kit/browser/chromium.ts'
import { FORM_PASSWORD, openFormStand } from '../../kit/browser/form-stand.ts'
import { keepPicture } from '../../kit/browser/picture.ts'
import { plant } from '../../kit/log/planted.ts'
import { needs } from '../../kit/needs.ts'
import { codeAt } from '../../kit/totp.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const { browser, app } = await openFormStand({ people: ['ada', 'bob', 'eve', 'ida', 'max', 'zoe'] })

/** Each language has a person of its own: what one sets, another test must not meet. */
const NAMES: Readonly<Record<string, string>> = { en: 'bob', de: 'eve', fr: 'max', es: 'zoe' }

async function openAccount({ open }: Awaited<ReturnType<typeof watchedContext>>, name: string) {
  const page = await open(app)
  const address = new URL('/.sallyport/account', page.url()).href
  await page.locator('#name').fill(name)
  await page.locator('#password').fill(FORM_PASSWORD)
  await page.locator('button[type="submit"]').click()
  await page.waitForURL(app)
  await page.goto(address)
  return page
}

test('a user of a file sets up a second factor by what the page shows, and it keeps nobody out', async () => {
  const person = await watchedContext(browser, { locale: 'en', viewport: { width: 1100, height: 800 } })
  try {
    const page = await openAccount(person, 'ada')
    await page.locator('summary', { hasText: 'Set up an app' }).click()
    await page.locator('#present-factor').fill(FORM_PASSWORD)
    await page.getByRole('button', { name: 'Set up an app' }).click()
    await page.getByRole('img', { name: 'A QR code with the key' }).waitFor()
    expect(await findBarriers(page)).toEqual([])
    await keepPicture(page, 'account-new-factor')
    const secret = ((await page.locator('dd code').textContent()) ?? '').replaceAll(' ', '')
    plant(secret, 'the secret of a second factor')
    await page.getByRole('textbox', { name: 'Code' }).fill(codeAt(Date.now(), secret))
    await page.getByRole('button', { name: 'Confirm' }).click()
    const codes = ((await page.locator('code.codes').textContent()) ?? '').trim().split('\n')
    for (const code of codes) plant(code, 'a recovery code')
    expect(codes).toHaveLength(10)
    expect(await findBarriers(page)).toEqual([])
    await keepPicture(page, 'account-recovery-codes')
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
})

test('a wrong current password leaves the form open, with the cursor in its field, without a script too', async () => {
  const person = await watchedContext(browser, {
    locale: 'en',
    viewport: { width: 1100, height: 800 },
    javaScriptEnabled: false,
  })
  try {
    const page = await openAccount(person, 'ida')
    await page.locator('summary', { hasText: 'Set up an app' }).click()
    await page.locator('#present-factor').fill('a wrong one')
    await page.locator('#tokens-factor').check()
    await page.getByRole('button', { name: 'Set up an app' }).click()
    await page.getByRole('alert').waitFor()
    await page.waitForLoadState()
    const field = page.locator('details[open] input[type="password"]')
    expect([await field.count(), await field.getAttribute('id')]).toEqual([1, 'present-factor'])
    expect(await page.locator(':focus').getAttribute('id')).toBe('present-factor')
    expect(await page.locator('#tokens-factor').isChecked()).toBe(true)
    await keepPicture(page, 'account-wrong-password')
  } finally {
    await person.context.close()
  }
})

test.each(LANGUAGES.flatMap(({ lang }) => [[lang, 'light'] as const, [lang, 'dark'] as const]))(
  'the page is said in %s, with every form open, and keeps nobody out: %s',
  async (lang, colorScheme) => {
    const person = await watchedContext(browser, { locale: lang, colorScheme, viewport: { width: 320, height: 700 } })
    try {
      const page = await openAccount(person, NAMES[lang] ?? '')
      expect(await page.locator('html').getAttribute('lang')).toBe(lang)
      for (const form of await page.locator('summary').all()) await form.click()
      expect(await findBarriers(page)).toEqual([])
      expect(await page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false)
      await keepPicture(page, `account-${lang}-${colorScheme}`)
    } finally {
      await person.context.close()
    }
  },
)

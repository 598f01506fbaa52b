import { expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { LANGUAGES } from '../../../src/portal/words/choose.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { findBarriers } from '../../kit/browser/accessible.ts'
import { openChromium, watchedContext } from '../../kit/browser/chromium.ts'
import { startGate } from '../../kit/gate.ts'
import { plant } from '../../kit/log/planted.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { providerTable, routeForUsers, SILENT } from '../../kit/toml.ts'

setDefaultTimeout(120_000)

const PICTURES = process.env.PICTURES ?? join(tmpdir(), 'sallyport-pictures')
const PASSWORD = 'a staple of batteries'
plant(PASSWORD, 'a password that was typed')

const keep = untilTheEnd()
mkdirSync(PICTURES, { recursive: true })
const upstream = keep(startStreaming(({ headers }) => `hello ${headers.get('x-token-user-name')}`))
const port = await freePort()
const hash = await Bun.password.hash(PASSWORD, { algorithm: 'bcrypt', cost: 4 })
keep(
  await startGate(
    `${providerTable(SILENT, 'label = "Pocket ID"')}
[providers.family]
users = "users.htpasswd"
[portals.home]
title = "Home"
url = "http://auth.localhost:${port}"
insecure_cookies = true
providers = ["id", "family"]
remember = "30d"
roles.user = { any = true }
${routeForUsers(upstream, 'app.localhost', 'headers = "x-token"')}`,
    { listen: `127.0.0.1:${port}`, files: { 'users.htpasswd': `ada:${hash}\n` } },
  ),
)
const browser = keep(await openChromium())
const app = `http://app.localhost:${port}/deep?x=1`

test.each([
  { name: 'light', colorScheme: 'light', viewport: { width: 1100, height: 800 } },
  { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 320, height: 700 } },
] as const)(
  'someone without a provider signs in by the form, and arrives where they were going: $name',
  async screen => {
    const person = await watchedContext(browser, { ...screen, locale: 'en' })
    const look = async (page: Page, name: string) => {
      await page.screenshot({ path: join(PICTURES, `${name}-${screen.name}.png`), fullPage: true })
      expect([name, await findBarriers(page)]).toEqual([name, []])
    }
    try {
      const page = await person.open(app)
      await look(page, 'users')
      expect(await page.getByLabel('Password').getAttribute('autocomplete')).toBe('current-password')
      expect(await page.getByRole('link', { name: 'Continue with Pocket ID' }).count()).toBe(1)
      await page.getByLabel('User name').fill('ada')
      await page.getByLabel('Password').fill('something else')
      await page.keyboard.press('Enter')
      expect(await page.getByRole('alert').textContent()).toContain('is not right')
      await look(page, 'users-wrong')
      await page.getByLabel('User name').fill('ada')
      await page.getByLabel('Password').fill(PASSWORD)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.waitForURL(app)
      expect(await page.locator('body').textContent()).toBe('hello ada')
      expect(person.complaints).toEqual([])
    } finally {
      await person.context.close()
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

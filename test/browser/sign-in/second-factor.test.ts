import { expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LANGUAGES } from '../../../src/portal/words/choose.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { findBarriers } from '../../kit/browser/accessible.ts'
import { openChromium, watchedContext } from '../../kit/browser/chromium.ts'
import { startGate } from '../../kit/gate.ts'
import { plant } from '../../kit/log/planted.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { routeForUsers } from '../../kit/toml.ts'
import { codeAt, SECOND_FACTOR } from '../../kit/totp.ts'

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
    `[providers.family]
users = "users.htpasswd"
totp = "users.totp"
[portals.home]
title = "Home"
url = "http://auth.localhost:${port}"
insecure_cookies = true
providers = ["family"]
roles.user = { any = true }
${routeForUsers(upstream, 'app.localhost', 'headers = "x-token"')}`,
    {
      listen: `127.0.0.1:${port}`,
      files: { 'users.htpasswd': `ada:${hash}\nbob:${hash}\n`, 'users.totp': `ada:${SECOND_FACTOR}\n` },
    },
  ),
)
const browser = keep(await openChromium())
const app = `http://app.localhost:${port}/deep?x=1`

test('someone with a second factor signs in with its code, by the keyboard alone, and someone without one leaves it out', async () => {
  const person = await watchedContext(browser, { locale: 'en', viewport: { width: 1100, height: 800 } })
  try {
    const page = await person.open(app)
    const code = page.getByLabel('Code')
    expect([await code.getAttribute('autocomplete'), await code.getAttribute('inputmode')]).toEqual([
      'one-time-code',
      'numeric',
    ])
    await page.screenshot({ path: join(PICTURES, 'second-factor.png'), fullPage: true })
    await page.keyboard.type('ada')
    await page.keyboard.press('Tab')
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press('Enter')
    expect(await page.getByRole('alert').textContent()).toContain('or the code is not right')
    expect(await findBarriers(page)).toEqual([])
    await page.screenshot({ path: join(PICTURES, 'second-factor-wrong.png'), fullPage: true })
    await page.getByLabel('User name').focus()
    for (const text of ['ada', PASSWORD]) {
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
    await page.getByLabel('Password').fill(PASSWORD)
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
      await page.screenshot({ path: join(PICTURES, `second-factor-${lang}-${colorScheme}.png`), fullPage: true })
    } finally {
      await person.context.close()
    }
  },
)

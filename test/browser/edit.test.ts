import { expect, setDefaultTimeout } from 'bun:test'
import { readFileSync } from 'node:fs'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { findBarriers } from '../kit/browser/accessible.ts'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { eventually, startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { freePort } from '../kit/programs/child.ts'
import { providerTable, SILENT } from '../kit/toml.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const browser = keep(await openChromium())

async function openEditors() {
  const port = await freePort()
  const home = `auth.localhost:${port}`
  const toml = `${providerTable(SILENT)}
[portals.home]
url = "http://${home}"
providers = ["id"]
admin_role = "admin"
insecure_cookies = true
roles.admin = { groups = ["admins"] }
[[routes]]
host = "app.localhost"
respond = { body = "in" }
portal = "home"
allow = ["admin"]
`
  const gate = await startGate(toml, { listen: `127.0.0.1:${port}`, server: 'edit = true' })
  return {
    gate,
    home: `http://${home}`,
    async become(sub: string, javaScriptEnabled: boolean, options: BrowserContextOptions = {}) {
      const person = await watchedContext(browser, { ...options, javaScriptEnabled })
      const [name = '', value = ''] = (await gate.signIn('auth.localhost', { sub, groups: ['admins'] })).cookie.split(
        '=',
      )
      await person.context.addCookies([{ name, value, url: `http://${home}` }])
      return { person, page: await person.open(`http://${home}/.sallyport/edit`) }
    },
    [Symbol.asyncDispose]: () => gate[Symbol.asyncDispose](),
  }
}

/** The text of the editor, and its lines as they are shown. */
const textIn = (page: Page) => page.locator('.cm-content')

/** Puts this in the place of the whole text, as one who pastes it. */
async function paste(page: Page, text: string): Promise<void> {
  await textIn(page).focus()
  await page.keyboard.press('Control+A')
  await page.evaluate(`(() => {
    const clipboardData = new DataTransfer()
    clipboardData.setData('text/plain', ${JSON.stringify(text)})
    const paste = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true })
    document.querySelector('.cm-content').dispatchEvent(paste)
  })()`)
}

/** Puts the caret at the end of the line that begins so. */
async function toEndOf(page: Page, line: string): Promise<void> {
  await page.locator('.cm-line', { hasText: line }).first().click()
  await page.keyboard.press('End')
}

test('what is typed is checked while it is typed; what was saved meanwhile by somebody else is shown, and stays', async () => {
  await using stand = await openEditors()
  const [one, other] = [await stand.become('ada', true), await stand.become('grace', true)]
  const text = await one.page.locator('textarea').inputValue()
  expect(text).not.toContain('gate-secret')
  const found = one.page.locator('#findings')
  await paste(one.page, text.replace('allow =', 'alow ='))
  await found.getByText('unknown key "alow"').waitFor()
  await paste(one.page, `${text}# <img src=x onerror=alert(1)>\n"<img src=x onerror=alert(2)>" = 1\n`)
  await found.getByText('<img src=x onerror=alert(2)>').waitFor()
  await paste(one.page, text.replace('"in"', '"by Ada"'))
  await found.getByText('unknown key').waitFor({ state: 'detached' })
  await one.page.locator('#edit-state').getByText('Not saved yet').waitFor()
  expect(await findBarriers(one.page)).toEqual([])
  await one.page.getByRole('button', { name: 'Review the changes' }).click()
  await one.page.getByRole('heading', { name: 'Review the change' }).waitFor()
  expect(await findBarriers(one.page)).toEqual([])
  await one.page.setViewportSize({ width: 320, height: 700 })
  expect(await one.page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false)
  await one.page.getByRole('button', { name: 'Save' }).click()
  await one.page.waitForURL('**/.sallyport/file?saved=1')
  await one.page.getByText('Saved', { exact: true }).waitFor()
  expect(await findBarriers(one.page)).toEqual([])
  expect(readFileSync(stand.gate.configPath, 'utf8')).toContain('"by Ada"')

  await paste(other.page, text.replace('"in"', '"by Grace"'))
  await other.page.locator('#findings').getByText('another person changed the file').waitFor()
  const [answer] = await Promise.all([
    other.page.waitForResponse(
      response => response.request().method() === 'POST' && response.request().isNavigationRequest(),
    ),
    other.page.getByRole('button', { name: 'Review the changes' }).click(),
  ])
  expect(answer.status()).toBe(409)
  expect(await other.page.locator('.removed').textContent()).toContain('"by Ada"')
  expect(await other.page.locator('textarea').inputValue()).toContain('"by Grace"')
  expect(readFileSync(stand.gate.configPath, 'utf8')).toContain('"by Ada"')
  expect([...one.person.complaints, ...other.person.complaints]).toEqual([])
})

test('the editor numbers lines, marks what is wrong at its line, leads there, and completes keys of the schema', async () => {
  await using stand = await openEditors()
  const { person, page } = await stand.become('ada', true)
  await page.locator('#edit-state').getByText('Saved · 1 warning').waitFor()
  expect(await page.getByRole('button', { name: 'Review the changes' }).isDisabled()).toBe(true)
  expect(await page.locator('.tok-heading', { hasText: 'portals' }).first().textContent()).toBe('[portals.home]')
  const at = (await page.locator('textarea').inputValue()).split('\n').indexOf('insecure_cookies = true') + 1
  expect(await page.locator('.cm-lintRange-warning').textContent()).toBe('insecure_cookies')
  await page.getByRole('button', { name: `line ${at}` }).click()
  expect(await page.locator('.cm-lineNumbers .cm-activeLineGutter').textContent()).toBe(`${at}`)

  await toEndOf(page, 'allow = ["admin"]')
  await page.keyboard.type('\nmax_bo')
  const options = page.getByRole('listbox')
  await options.getByText('max_body').waitFor()
  await page.locator('.cm-completionInfo').getByText('body', { exact: false }).waitFor()
  // A list that has only just come up takes no key (Enter would be a new line), and not every click.
  await eventually(async () => {
    if (await options.isVisible()) await options.getByText('max_body').click()
    return (await page.locator('textarea').inputValue()).includes('\nmax_body')
  }, 'the key is completed')
  await page.keyboard.type('"much"')
  expect(await page.locator('textarea').inputValue()).toContain('\nmax_body = "much"')
  await page.locator('.cm-lintRange-error').first().waitFor()
  await page.locator('.cm-lint-marker-error').waitFor()
  await page
    .locator('#edit-state')
    .getByText(/^Not saved yet · \d errors?/)
    .waitFor()
  await page.keyboard.press('Home')
  await page.keyboard.press('Shift+End')
  await page.keyboard.type('tok')
  await options.getByText('tokens', { exact: true }).waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.type('ens = t')
  await options.getByText('true').click()
  await page.keyboard.type('\n\n[[rou')
  await options.getByText('routes', { exact: true }).waitFor()
  await page.keyboard.press('Escape')
  expect(person.complaints).toEqual([])
})

test('the keyboard gets into the editor, and by Escape and Tab out of it', async () => {
  await using stand = await openEditors()
  const { page } = await stand.become('ada', true)
  await textIn(page).waitFor()
  const here = () => page.evaluate('document.activeElement.className + document.activeElement.value')
  for (let count = 0; count < 30 && !String(await here()).includes('cm-content'); count++)
    await page.keyboard.press('Tab')
  expect(await here()).toContain('cm-content')
  const before = await page.locator('textarea').inputValue()
  await page.keyboard.press('Tab')
  expect(await here()).toContain('cm-content')
  expect(await page.locator('textarea').inputValue()).not.toBe(before)
  await page.keyboard.press('Escape')
  await page.keyboard.press('Tab')
  expect(await here()).not.toContain('cm-content')
})

test('nothing of the editor keeps anybody out, in either theme, narrow or enlarged; only its page loads it, once', async () => {
  await using stand = await openEditors()
  for (const screen of [
    { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
    { colorScheme: 'dark', viewport: { width: 640, height: 400 } },
    { colorScheme: 'light', viewport: { width: 320, height: 640 }, locale: 'de-DE' },
  ] as const) {
    const { person, page } = await stand.become('ada', true, screen)
    await page.locator('.cm-lintRange-warning').waitFor()
    expect(await findBarriers(page)).toEqual([])
    await person.context.close()
    expect(person.complaints).toEqual([])
  }
  const { person, page } = await stand.become('ada', true)
  const asked: string[] = []
  page.on('request', request => asked.push(new URL(request.url()).pathname))
  const loaded = page.waitForResponse(response => response.url().includes('/editor.js'))
  const policy = (await page.reload())?.headers()['content-security-policy'] ?? ''
  const answer = await loaded
  expect([answer.status(), await answer.headerValue('cache-control')]).toEqual([
    200,
    'private, max-age=31536000, immutable',
  ])
  expect(policy).toMatch(/style-src [^;]*'nonce-[\w-]{43}'; script-src 'nonce-[\w-]{43}'/)
  expect(policy).not.toContain('unsafe')
  for (const path of ['file', 'admin', 'audit']) await page.goto(`${stand.home}/.sallyport/${path}`)
  expect(asked.filter(path => path.endsWith('editor.js'))).toHaveLength(1)
  expect(person.complaints).toEqual([])
})

test('all of it works without a script', async () => {
  await using stand = await openEditors()
  const { person, page } = await stand.become('ada', false)
  const box = page.locator('textarea')
  const text = await box.inputValue()
  await box.fill(text.replace('allow =', 'alow ='))
  await page.getByRole('button', { name: 'Check' }).click()
  await page.locator('#findings').getByText('unknown key "alow"').waitFor()
  await box.fill(text.replace('groups = ["admins"]', 'groups = ["others"]'))
  await page.getByRole('button', { name: 'Review the changes' }).click()
  await page.getByText('You would lose the admin role').waitFor()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('You would lose the admin role').waitFor()
  await page.getByRole('button', { name: 'Back to the text' }).click()
  await page.getByText('It has no errors.').waitFor()
  const before = readFileSync(stand.gate.configPath, 'utf8')
  await box.fill(text.replace('"in"', '"new"'))
  await page.getByRole('button', { name: 'Review the changes' }).click()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.waitForURL('**/.sallyport/file?saved=1')
  expect(readFileSync(stand.gate.configPath, 'utf8')).toBe(before.replace('"in"', '"new"'))
  expect(person.complaints).toEqual([])
})

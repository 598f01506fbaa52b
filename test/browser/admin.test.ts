import { expect, setDefaultTimeout } from 'bun:test'
import type { BrowserContextOptions } from 'playwright-core'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { freePort } from '../kit/programs/child.ts'
import { providerTable, SILENT } from '../kit/toml.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const browser = keep(await openChromium())
const stand = keep(await openStand())

/** A gate with more routes than one page shows, of which one is down, and things to tell in its trail. */
async function openStand() {
  const port = await freePort()
  const home = `auth.localhost:${port}`
  const routes = Array.from(
    { length: 60 },
    (_, at) => `
[[routes]]
host = "app${at}.localhost"
${at === 7 ? 'upstream = "http://127.0.0.1:9"' : 'respond = { body = "in" }'}
portal = "home"
allow = [${at % 2 === 0 ? '"user"' : '"admin"'}]
name = "Application ${at}"
`,
  )
  const toml = `[audit]
keep = "7d"
${providerTable(SILENT)}
[portals.home]
url = "http://${home}"
providers = ["id"]
admin_role = "admin"
insecure_cookies = true
requests = true
roles.user = { any = true }
roles.admin = { groups = ["admins"] }
${routes.join('')}`
  const gate = await startGate(toml, { listen: `127.0.0.1:${port}`, server: 'edit = true' })
  const signIn = (sub: string, groups: readonly string[]) =>
    gate.signIn('auth.localhost', { sub, name: sub, email: `${sub}@example.com`, groups: [...groups] })
  const ada = await signIn('Ada', ['admins'])
  const grace = await gate.signIn('app1.localhost', { sub: 'Grace', name: 'Grace' })
  for (let count = 0; count < 2; count++) {
    const refused = await fetch(`http://127.0.0.1:${port}/`, {
      headers: { host: `app1.localhost:${port}`, cookie: grace.cookie, accept: 'text/html' },
    })
    expect(refused.status).toBe(403)
  }
  return {
    gate,
    home: `http://${home}/.sallyport`,
    read: (path: string) =>
      fetch(`http://127.0.0.1:${port}/.sallyport/${path}`, {
        headers: { host: home, cookie: ada.cookie, accept: 'text/html' },
      }),
    async openAs(path: string, options: BrowserContextOptions = {}) {
      const person = await watchedContext(browser, options)
      const [name = '', value = ''] = ada.cookie.split('=')
      await person.context.addCookies([{ name, value, url: `http://${home}` }])
      return { person, page: await person.open(`http://${home}/.sallyport/${path}`) }
    },
    [Symbol.asyncDispose]: () => gate[Symbol.asyncDispose](),
  }
}

test('the table of routes follows what is typed, keeps it in the address, and its pages can be turned', async () => {
  const { person, page } = await stand.openAs('admin')
  const rows = page.locator('.table tbody tr')
  expect(await rows.count()).toBe(50)
  await page.getByRole('link', { name: 'Next' }).click()
  await page.waitForURL('**/admin?page=2#routes')
  expect(await rows.count()).toBe(10)
  await page.getByRole('searchbox').fill('app7.local')
  await page.waitForURL(url => url.searchParams.get('q') === 'app7.local')
  await rows.first().getByText('Not answering').waitFor()
  expect(await rows.count()).toBe(1)
  await page.getByRole('combobox', { name: 'State' }).selectOption('up')
  await page.getByText('No route matches.').waitFor()
  await page.reload()
  await page.getByText('No route matches.').waitFor()
  expect(await page.getByRole('searchbox').inputValue()).toBe('app7.local')
  expect(person.complaints).toEqual([])
})

test('without scripts the same forms and links lead to the same', async () => {
  const { person, page } = await stand.openAs('admin', { javaScriptEnabled: false })
  await page.getByRole('searchbox').fill('app7.local')
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.waitForURL('**/admin?q=app7.local*')
  expect(await page.locator('.table tbody tr').count()).toBe(1)
  await page.getByRole('columnheader', { name: 'Response time' }).getByRole('link').click()
  expect(new URL(page.url()).search).toBe('?q=app7.local&sort=-took')
  await page.locator('.table').getByRole('link', { name: 'Application 7' }).click()
  await page.getByRole('heading', { name: 'Application 7' }).waitFor()
  await page.getByRole('combobox', { name: 'Person' }).selectOption({ label: 'Grace' })
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.locator('.verdict').getByText('Grace may not open it').waitFor()
  await page.getByRole('link', { name: 'Audit trail' }).click()
  await page.getByRole('combobox', { name: 'What happened' }).selectOption('access')
  await page.getByRole('button', { name: 'Search' }).click()
  const event = page.locator('.events summary').first()
  expect(await event.textContent()).toContain('Grace was refused at Application 1')
  await event.click()
  await page.getByText('role.missing').first().waitFor()
  expect(person.complaints).toEqual([])
})

test('the days and times of the audit trail are those of the browser; without scripts those of the portal, which is said', async () => {
  const { person, page } = await stand.openAs('audit', { timezoneId: 'Asia/Tokyo', locale: 'en-GB' })
  await person.context.clock.setFixedTime('2026-05-03T12:00:00Z')
  // The newest event, and a copy of it with the others, at times that lie in one day of UTC and in two of Tokyo.
  await page.route('**/audit', async route => {
    const answer = await stand.read('audit')
    let count = 0
    const body = (await answer.text())
      .replace(/<li>.*?<\/li>/s, '$&$&')
      .replaceAll(/datetime="[^"]*"/g, () => `datetime="2026-05-02T${count++ === 0 ? '23:30' : '08:00'}:00.000Z"`)
    await route.fulfill({ headers: Object.fromEntries(answer.headers), body })
  })
  await page.reload()
  expect(await page.locator('.day h2').allTextContents()).toEqual(['Today', 'Yesterday'])
  expect(await page.locator('.day').first().locator('time').allTextContents()).toEqual(['08:30'])
  expect(new Set(await page.locator('.day').last().locator('time').allTextContents())).toEqual(new Set(['17:00']))
  expect(await page.locator('.events time').first().getAttribute('title')).toBe('3 May 2026, 08:30')
  expect(person.complaints).toEqual([])
  const plain = await stand.openAs('audit', { timezoneId: 'Asia/Tokyo', javaScriptEnabled: false })
  const [first] = await plain.page.locator('.events time').all()
  const at = new Date((await first?.getAttribute('datetime')) ?? '')
  expect(await first?.textContent()).toBe(at.toISOString().slice(11, 16))
  for (const heading of await plain.page.locator('.day h2').allTextContents()) expect(heading).toMatch(/UTC$/)
  await plain.page.goto(`${stand.home}/admin`)
  expect(await plain.page.locator('.figures time').textContent()).toMatch(/UTC$/)
})

test('a phone shows the first routes, and all of them by a link that needs no script', async () => {
  const options = { javaScriptEnabled: false, viewport: { width: 390, height: 844 } }
  const { page } = await stand.openAs('admin', options)
  const rows = page.locator('.table tbody tr').filter({ visible: true })
  const all = page.locator('.unfold').getByRole('link', { name: 'All routes' })
  expect(await rows.count()).toBe(8)
  // What one rarely looks for is folded here alone.
  const refused = page.locator('#turned-away .items')
  expect(await refused.isVisible()).toBe(false)
  await page.locator('#turned-away .narrow > summary').click()
  expect(await refused.isVisible()).toBe(true)
  await page.setViewportSize({ width: 1280, height: 844 })
  expect(await page.locator('#last-active .items').isVisible()).toBe(true)
  await page.setViewportSize(options.viewport)
  await all.click()
  await page.waitForURL('**/admin#all-routes')
  expect([await rows.count(), await all.isVisible()]).toEqual([50, false])
})

test('the keyboard reaches the way to every route, and opens what is folded', async () => {
  const { page } = await stand.openAs('audit?event=access')
  const focused = () => page.evaluate('document.activeElement.tagName')
  for (let count = 0; count < 40 && (await focused()) !== 'SUMMARY'; count++) await page.keyboard.press('Tab')
  expect(await focused()).toBe('SUMMARY')
  await page.keyboard.press('Enter')
  await page.getByText('role.missing').first().waitFor()
})

import { expect, setDefaultTimeout } from 'bun:test'
import { readFileSync } from 'node:fs'
import { findBarriers } from '../kit/browser/accessible.ts'
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
    async become(sub: string, javaScriptEnabled: boolean) {
      const person = await watchedContext(browser, { javaScriptEnabled })
      const [name = '', value = ''] = (await gate.signIn('auth.localhost', { sub, groups: ['admins'] })).cookie.split(
        '=',
      )
      await person.context.addCookies([{ name, value, url: `http://${home}` }])
      return { person, page: await person.open(`http://${home}/.sallyport/edit`) }
    },
    [Symbol.asyncDispose]: () => gate[Symbol.asyncDispose](),
  }
}

test('what is typed is checked while it is typed; what was saved meanwhile by somebody else is shown, and stays', async () => {
  await using stand = await openEditors()
  const [one, other] = [await stand.become('ada', true), await stand.become('grace', true)]
  const box = one.page.locator('textarea')
  const text = await box.inputValue()
  expect(text).not.toContain('gate-secret')
  const found = one.page.locator('#findings')
  await box.fill(text.replace('allow =', 'alow ='))
  await found.getByText('unknown key "alow"').waitFor()
  await box.fill(`${text}# <img src=x onerror=alert(1)>\n"<img src=x onerror=alert(2)>" = 1\n`)
  await found.getByText('<img src=x onerror=alert(2)>').waitFor()
  await box.fill(text.replace('"in"', '"by Ada"'))
  await found.getByText('Nothing is wrong with it.').waitFor()
  expect(await findBarriers(one.page)).toEqual([])
  await one.page.getByRole('button', { name: 'Review the changes' }).click()
  await one.page.getByRole('heading', { name: 'What would change' }).waitFor()
  expect(await findBarriers(one.page)).toEqual([])
  await one.page.setViewportSize({ width: 320, height: 700 })
  expect(await one.page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false)
  await one.page.getByRole('button', { name: 'Save' }).click()
  await one.page.waitForURL('**/.sallyport/file')
  expect(await findBarriers(one.page)).toEqual([])
  expect(readFileSync(stand.gate.configPath, 'utf8')).toContain('"by Ada"')

  await other.page.locator('textarea').fill(text.replace('"in"', '"by Grace"'))
  await other.page.locator('#findings').getByText('changed by somebody else').waitFor()
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
  await page.getByText('Nothing is wrong with it.').waitFor()
  const before = readFileSync(stand.gate.configPath, 'utf8')
  await box.fill(text.replace('"in"', '"new"'))
  await page.getByRole('button', { name: 'Review the changes' }).click()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.waitForURL('**/.sallyport/file')
  expect(readFileSync(stand.gate.configPath, 'utf8')).toBe(before.replace('"in"', '"new"'))
  expect(person.complaints).toEqual([])
})

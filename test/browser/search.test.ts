import { expect, setDefaultTimeout } from 'bun:test'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { openStand } from '../kit/browser/stand.ts'
import { startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { freePort } from '../kit/programs/child.ts'
import { providerTable, SILENT } from '../kit/toml.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const NAMES = ['Photos', 'Music', 'Recipes', 'Notes', 'Graphs', 'Backups', 'Sources', 'Books']
const ROUTES = NAMES.map(
  (name, index) =>
    `[[routes]]\nhost = "h${index}.localhost"\nupstream = "http://127.0.0.1:1"\nportal = "home"\nallow = ["user"]\nname = "${name}"\n` +
    `app = { group = "${index < 4 ? 'Home' : 'Work'}", description = "${name === 'Graphs' ? 'What all machines do' : 'Something'}" }`,
)

const keep = untilTheEnd()
const browser = keep(await openChromium())
const stand = keep(await openStand(ROUTES.join('\n')))

test.each([true, false])('ten applications can be searched, with a script (%p) or without', async javaScriptEnabled => {
  const person = await watchedContext(browser, { javaScriptEnabled })
  const page = await person.open(stand.app)
  await stand.become(page, 'Ada')
  await page.goto(`${stand.portal}/`)
  const shown = () => page.locator('.app h3').filter({ visible: true }).allTextContents()
  expect((await shown()).length).toBe(10)
  // As of an application outside of any group: nothing of a page's own headings is in a tile.
  expect(await page.evaluate("getComputedStyle(document.querySelector('.app h3')).marginTop")).toBe('0px')
  const search = async (text: string) => {
    await page.getByLabel('Find an application').fill(text)
    if (javaScriptEnabled) return
    await page.getByRole('button', { name: 'Search' }).click()
    await page.waitForLoadState()
  }
  await search('MACHINES do')
  expect(await shown()).toEqual(['Graphs'])
  expect(await page.getByRole('heading', { level: 2 }).allTextContents()).toEqual(['Work'])
  await search('nothing like it')
  expect(await shown()).toEqual([])
  expect(await page.getByText('No application matches.').isVisible()).toBe(true)
  await search('home note')
  expect(await shown()).toEqual(['Notes'])
  await search('')
  expect((await shown()).length).toBe(10)
  expect(new URL(page.url()).search).toBe(javaScriptEnabled ? '' : '?q=')
  expect(person.complaints).toEqual([])
  await person.context.close()
})

test('a card follows what the gate knows of its application, which is not asked for that', async () => {
  let asked = 0
  let isDown = false
  const app = keep(
    Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        data(socket) {
          asked++
          if (isDown) socket.terminate()
          else socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nin')
        },
      },
    }),
  )
  const port = await freePort()
  const gate = keep(
    await startGate(
      `${providerTable(SILENT)}
[portals.home]
url = "http://auth.localhost:${port}"
providers = ["id"]
insecure_cookies = true
roles.user = { any = true }
[[routes]]
host = "app.localhost"
upstream = "http://127.0.0.1:${app.port}"
portal = "home"
allow = ["user"]
name = "Photos"`,
      { listen: `127.0.0.1:${port}` },
    ),
  )
  const enter = async (host: string) => (await gate.signIn(host, { sub: 'ada' })).cookie
  const [own, there] = [await enter('auth.localhost'), await enter('app.localhost')]
  const person = await watchedContext(browser, { locale: 'en' })
  const [name = '', value = ''] = own.split('=')
  await person.context.addCookies([{ name, value, url: `http://auth.localhost:${port}` }])
  const visit = async () => {
    const headers = { host: `app.localhost:${port}`, cookie: there }
    return (await fetch(`http://127.0.0.1:${port}/`, { headers })).status
  }
  const page = await person.open(`http://auth.localhost:${port}/`)
  const card = page.getByRole('link', { name: 'Photos' })
  const runs = page.locator('.app[data-health="up"]')
  const look = () => page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
  const said = await card.textContent()
  // Nobody has been there: the gate knows nothing, and asks nothing.
  expect([await card.getAttribute('data-health'), await runs.count(), asked]).toEqual(['unknown', 0, 0])
  expect(await visit()).toBe(200)
  await look()
  await runs.waitFor()
  // That it runs needs no word.
  expect(await card.textContent()).toBe(said)
  isDown = true
  expect(await visit()).toBe(502)
  const before = asked
  await look()
  await card.getByText('Not answering').waitFor()
  expect(await runs.count()).toBe(0)
  isDown = false
  expect(await visit()).toBe(200)
  await look()
  await runs.waitFor()
  expect(await card.getByText('Not answering').count()).toBe(0)
  // The last visit, and nothing for the looks.
  expect(asked).toBe(before + 1)
  expect(person.complaints).toEqual([])
  await person.context.close()
})

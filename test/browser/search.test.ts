import { expect, setDefaultTimeout } from 'bun:test'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { openStand } from '../kit/browser/stand.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

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
    if (!javaScriptEnabled) await page.getByRole('button', { name: 'Search' }).click()
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

import { expect, setDefaultTimeout } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findBarriers } from '../kit/browser/accessible.ts'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { keepPicture } from '../kit/browser/picture.ts'
import { openStand } from '../kit/browser/stand.ts'
import { eventually } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

/** One pixel. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
)
const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">
<script>parent.document.title = 'taken over'; document.documentElement.setAttribute('onload', 'alert(1)')</script>
<circle cx="5" cy="5" r="4" fill="#34624f"/></svg>`

const keep = untilTheEnd()
const browser = keep(await openChromium())
const stand = keep(await openStand())
writeFileSync(join(dirname(stand.configPath), 'logo.svg'), LOGO)
writeFileSync(join(dirname(stand.configPath), 'logo.png'), PNG)
const before = readFileSync(stand.configPath, 'utf8')
const look = '$&\nlogo = "logo.svg"\nlogo_dark = "logo.png"\ncolour = "#7a3b5a"\n'
writeFileSync(
  stand.configPath,
  `${before.replace(/^\[portals\.[a-z]+\]$/m, look)}\n[[routes]]\nhost = "drawn.localhost"\nrespond = { body = "drawn" }\nportal = "home"\nallow = ["user"]\napp = { icon = "logo.svg" }\n`,
)
const page = () => fetch(`${stand.portal}/.sallyport/nothing`, { headers: { accept: 'text/html' } })
await eventually(async () => (await (await page()).text()).includes('#7a3b5a'), 'the portal has its look')

test.each(['light', 'dark'] as const)(
  'a logo and a colour of one’s own keep nobody out, in German: %s',
  async scheme => {
    const person = await watchedContext(browser, {
      colorScheme: scheme,
      locale: 'de-DE',
      viewport: { width: 320, height: 700 },
    })
    const page = await person.open(`${stand.admin}/settings`)
    await stand.become(page, 'Grace')
    expect(await page.locator('html').getAttribute('lang')).toBe('de')
    expect(await page.getByText('Konto wechseln').count()).toBe(1)
    expect(await page.evaluate(`document.querySelector('img.mark').naturalWidth > 0`)).toBe(true)
    const shown = await page.evaluate(`document.querySelector('img.mark').currentSrc.split(';')[0]`)
    expect(shown).toBe(scheme === 'light' ? 'data:image/svg+xml' : 'data:image/png')
    const colour = await page.evaluate(`getComputedStyle(document.documentElement).getPropertyValue('--accent')`)
    if (scheme === 'light') expect(colour).toBe('#7a3b5a')
    else expect(colour).not.toBe('#86d2c2')
    await keepPicture(page, `own-look-${scheme}`)
    expect(await page.title()).toContain('Kein Zugriff')
    expect(await findBarriers(page)).toEqual([])
    expect(person.complaints).toEqual([])
    await person.context.close()
  },
)

test('an icon with a script in it is a picture in the list, and runs nothing when it is opened as a page', async () => {
  const person = await watchedContext(browser)
  const page = await person.open(`${stand.app}/`)
  await stand.become(page, 'Grace')
  await page.goto(`${stand.portal}/`)
  const icon = page.locator('img.icon')
  expect(await page.evaluate(`document.querySelector('img.icon').naturalWidth > 0`)).toBe(true)
  expect(person.complaints).toEqual([])
  const address = new URL((await icon.getAttribute('src')) ?? '', stand.portal)
  const opened = await page.goto(address.href)
  expect(opened?.status()).toBe(200)
  expect(await page.locator('circle').count()).toBe(1)
  expect(await page.evaluate(`document.documentElement.hasAttribute('onload')`)).toBe(false)
  await person.context.close()
})

import { expect, setDefaultTimeout } from 'bun:test'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { openStand } from '../kit/browser/stand.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const browser = keep(await openChromium())
const stand = keep(await openStand())

/** Until the page has the font that it asks for. */
const LOADED = `document.fonts.ready.then(() => document.fonts.check('16px Figtree') || Promise.reject(new Error('no font')))`

test.each([
  { name: 'desk', viewport: { width: 1280, height: 800 } },
  { name: 'phone', viewport: { width: 390, height: 844 } },
])('a font that comes after the first paint moves nothing: $name', async screen => {
  const person = await watchedContext(browser, screen)
  try {
    const painted = Promise.withResolvers<void>()
    const asked: string[] = []
    await person.context.route('**/*.woff2', async route => {
      await painted.promise
      asked.push(new URL(route.request().url()).pathname)
      await route.continue()
    })
    await person.context.addInitScript(
      `globalThis.shifts = 0; new PerformanceObserver(list => { for (const { value } of list.getEntries()) globalThis.shifts += value }).observe({ type: 'layout-shift', buffered: true })`,
    )
    const page = await person.context.newPage()
    await page.goto(stand.choice, { waitUntil: 'commit' })
    await page.evaluate(
      `new Promise(done => new PerformanceObserver(list => list.getEntriesByName('first-contentful-paint').length > 0 && done()).observe({ type: 'paint', buffered: true }))`,
    )
    expect(await page.evaluate(`document.fonts.check('16px Figtree')`)).toBe(false)
    // A slow machine paints a part of the page first: what that moves is not of the font.
    await page.waitForLoadState('domcontentloaded')
    await page.evaluate(
      'new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)))).then(() => { globalThis.shifts = 0 })',
    )
    const before = await heights()
    painted.resolve()
    await page.evaluate(LOADED)
    await page.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
    expect(await heights()).toEqual(before)
    // No line moves. A label that is centred begins some pixels elsewhere, where letters are rounded to whole ones: a hundredth of what is good.
    expect(Number(await page.evaluate('globalThis.shifts'))).toBeLessThan(0.001)
    // Nothing of these words needs the second file.
    expect(asked.length).toBe(1)
    expect(person.complaints).toEqual([])

    function heights(): Promise<unknown> {
      return page.evaluate(
        `[...document.querySelectorAll('h1, p, a')].map(one => [one.textContent, one.getBoundingClientRect().top, one.getBoundingClientRect().height])`,
      )
    }
  } finally {
    await person.context.close()
  }
})

test('the font has one address for good, on hosts that are not served too, and is loaded once', async () => {
  const person = await watchedContext(browser)
  try {
    const asked: string[] = []
    person.context.on('response', answer => {
      if (answer.url().endsWith('.woff2')) asked.push(answer.url())
    })
    const page = await person.open(stand.choice)
    await page.evaluate(LOADED)
    const [address = ''] = asked
    expect(new URL(address).pathname).toMatch(/^\/\.sallyport\/fonts\/[\w-]{16}\.woff2$/)
    await page.goto(`${stand.choice}/.sallyport/nothing`)
    await page.evaluate(LOADED)
    for (const origin of [stand.choice, stand.app, stand.dead, stand.app.replace('app.', 'nowhere.')]) {
      const answer = await fetch(new URL(new URL(address).pathname, origin.replace(/\/\/[\w.]+/, '//127.0.0.1')), {
        headers: { host: new URL(origin).host },
      })
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'font/woff2'])
      expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
      expect(
        Buffer.from(await answer.bytes())
          .subarray(0, 4)
          .toString(),
      ).toBe('wOF2')
      expect(answer.headers.get('set-cookie')).toBe(null)
    }
    const wrong = await fetch(`http://127.0.0.1:${new URL(stand.app).port}/.sallyport/fonts/other.woff2`, {
      headers: { host: new URL(stand.app).host },
    })
    expect(wrong.status).toBe(404)
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
})

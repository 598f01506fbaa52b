import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { startApp } from '../kit/applications/app.ts'
import { installedApp } from '../kit/applications/installed-app.ts'
import { openStand } from '../kit/browser/stand.ts'
import { describeEachBrowser, leaveBy, type Tab, untilIn } from '../kit/browser/tab.ts'
import { eventually } from '../kit/gate.ts'
import { untilTheEnd } from '../kit/opened.ts'

setDefaultTimeout(300_000)

const serve = await installedApp('workbox')
const keep = untilTheEnd()
const app = keep(await startApp(({ url = '' }, response) => serve(url, response)))
const stand = keep(
  await openStand(
    `\n[[routes]]\nhost = "box.localhost"\nupstream = "http://127.0.0.1:${app.port}"\nportal = "home"\nallow = ["user"]\nkeep_fragment = true\n`,
  ),
)
/** In the page: a worker stands before it, and has begun its work. One that is still being activated stands there too. */
const IS_INSTALLED = `navigator.serviceWorker.controller?.state === 'activated'`
const place = `${stand.app.replace('app.', 'box.')}/deep?x=1#/place`

/** WebKitGTK gets no further in one of thirty rounds beside a load: all its processes are idle, the worker has been fetched, and never begins. */
const NOT_IN = { without: 'WebKit' }

describeEachBrowser((_, open) => {
  let tab: Tab
  beforeAll(async () => {
    tab = await open()
  })
  afterAll(() => tab?.[Symbol.asyncDispose]())

  /** Loads the page anew, and waits until it is another one. */
  async function reload(): Promise<void> {
    await tab.evaluate('void Object.assign(window, { isOld: true })')
    await leaveBy(tab, 'location.reload()')
    await untilIn(tab, 'window.isOld !== true')
  }

  test('comes back to what stood behind #, and out of an installed application whose session is over', async () => {
    await tab.open(place)
    await untilIn(tab, `document.querySelector('input[name=login]') !== null`)
    await tab.evaluate(`void (document.querySelector('input[name=login]').value = 'grace')`)
    await tab.press('form button')
    await untilIn(tab, `location.href === ${JSON.stringify(place)} && ${IS_INSTALLED}`)

    const asked = app.paths.length
    await reload()
    await untilIn(tab, `document.querySelector('#path')?.textContent.endsWith('#/place')`)
    await tab.forget('sallyport')
    expect(app.paths.slice(asked)).not.toContain('/deep?x=1')
    await reload()
    // The page itself is asked for again, by who is signed in.
    await eventually(() => app.paths.slice(asked).includes('/deep?x=1'), 'the page comes from the application again')
    await untilIn(tab, `location.href === ${JSON.stringify(place)} && ${IS_INSTALLED}`)
  })
}, NOT_IN)

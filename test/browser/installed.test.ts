import { expect, setDefaultTimeout } from 'bun:test'
import { errors, type Page } from 'playwright-core'
import { startApp } from '../kit/applications/app.ts'
import { installedApp } from '../kit/applications/installed-app.ts'
import { openChromium, type WatchedContext, watchedContext } from '../kit/browser/chromium.ts'
import { openStand } from '../kit/browser/stand.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const [workbox, byHand] = [await installedApp('workbox'), await installedApp('by hand')]
const keep = untilTheEnd()
const app = keep(
  await startApp(({ headers, url = '' }, response) => {
    const serve = headers.host?.startsWith('hand') === true ? byHand : workbox
    serve(url, response)
  }),
)
const route = (name: string, more: string) =>
  `\n[[routes]]\nhost = "${name}.localhost"\nupstream = "http://127.0.0.1:${app.port}"\n${more}\n`
const USERS = 'portal = "home"\nallow = ["user"]'
const stand = keep(
  await openStand(
    `admin_role = "admin"\n${route('box', USERS)}${route('hand', USERS)}${route('box', 'path = "/open"\nallow = "public"')}${route('box', `path = "/kept"\n${USERS}\nkeep_fragment = true`)}`,
  ),
)
const browser = keep(await openChromium({ isWhole: true }))
const at = (name: string) => stand.app.replace('app.', `${name}.`)

/** Opens an application, signs in, and has its worker keep the page. */
async function openApp(person: WatchedContext, name: string, path: string): Promise<Page> {
  const page = await person.open(at(name) + path)
  await stand.become(page, 'Grace')
  await untilWorking(page)
  await page.reload()
  expect(await shown(page)).toBe(path)
  return page
}

/** Ends once the application's own worker is the one at work, which says so; ours says nothing. */
const untilWorking = (page: Page) =>
  page.evaluate(`new Promise(resolve => {
    const ask = () => {
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = ({ data }) => data === 'own' && resolve()
      navigator.serviceWorker.controller?.postMessage('whose', [port2])
    }
    navigator.serviceWorker.addEventListener('controllerchange', ask)
    ask()
  })`)

/** A script that ends once something holds in its page. */
const until = (holds: string) =>
  `(async () => { while (!(${holds})) await new Promise(resolve => requestAnimationFrame(resolve)) })()`

const shown = (page: Page): Promise<unknown> => page.evaluate(`document.querySelector('#path').textContent`)

/** The provider forgets the browser too, so that it asks who it is. */
const forgetAtProvider = ({ context }: WatchedContext) => context.clearCookies({ domain: 'localhost' })

/** Reloads a window; one that is led on already, since its browser has looked for a newer worker by then, goes there. */
const reload = (page: Page): Promise<unknown> =>
  page.reload({ waitUntil: 'commit' }).catch((error: unknown) => {
    // A reload that gets no answer is no such case, and the wait after it would not say so.
    if (error instanceof errors.TimeoutError) throw error
  })

const ENDS: readonly [string, (person: WatchedContext) => Promise<void>][] = [
  [
    'signing out',
    async ({ context }) => {
      const page = await context.newPage()
      await page.goto(`${stand.portal}/.sallyport/logout`)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.waitForURL('**/signed-out*')
      await page.close()
    },
  ],
  // Browsers drop the cookie when its session has run its time.
  ['a session that has run its time', ({ context }) => context.clearCookies({ name: 'sallyport' })],
  [
    'an admin',
    async () => {
      const admin = await watchedContext(browser)
      const page = await admin.open(`${stand.portal}/.sallyport/sessions?all=1`)
      await stand.become(page, 'Ada')
      const sessions = page.getByRole('listitem').filter({ hasText: 'Grace' })
      for (let count = await sessions.count(); count > 0; count = await sessions.count()) {
        const answered = page.waitForEvent('load')
        await sessions.first().getByRole('button').click()
        await answered
      }
      await admin.context.close()
    },
  ],
]

const WORKERS = [
  ['of workbox', 'box'],
  ['that was written by hand', 'hand'],
] as const
const CASES = ENDS.flatMap(([by, end]) => WORKERS.map(([kind, name]) => [by, kind, name, end] as const))

test.each(CASES)(
  'an installed application whose session was ended by %s: a reload brings the sign-in page, and then its own worker again (%s)',
  async (_by, _kind, name, end) => {
    const person = await watchedContext(browser)
    try {
      const page = await openApp(person, name, '/deep?x=1')
      const kept = await page.evaluate('caches.keys()')
      // First: a browser that just then looks for a newer worker is led on at once, and would come back signed in.
      await forgetAtProvider(person)
      await end(person)
      await reload(page)
      await page.waitForURL(address => address.origin === stand.providerOrigin)
      await stand.become(page, 'Grace')
      await page.waitForURL(`${at(name)}/deep?x=1`)
      await untilWorking(page)
      expect(await page.evaluate('caches.keys()')).toEqual(kept)
      expect(await page.evaluate(`fetch('/data').then(it => it.status)`)).toBe(200)
    } finally {
      await person.context.close()
    }
  },
)

test('every window of the application that is looked at is led to sign in, each back to its own place', async () => {
  const person = await watchedContext(browser)
  try {
    const page = await openApp(person, 'box', '/one')
    const other = await person.open(`${at('box')}/two?b=2`)
    await person.context.clearCookies()
    await reload(page)
    for (const one of [page, other]) await one.waitForURL(address => address.origin === stand.providerOrigin)
    await stand.become(page, 'Grace')
    await page.waitForURL(`${at('box')}/one`)
    // Only a window that had loaded when it was led on has something to go back to.
    await other.goBack()
    await other.waitForURL(`${at('box')}/two?b=2`)
  } finally {
    await person.context.close()
  }
})

test('where the fragment of addresses is kept, such a window comes back to its very place', async () => {
  const person = await watchedContext(browser)
  try {
    const page = await openApp(person, 'box', '/kept/one?a=1#/place')
    await person.context.clearCookies()
    await reload(page)
    await page.waitForURL(address => address.origin === stand.providerOrigin)
    await stand.become(page, 'Grace')
    await page.waitForURL(`${at('box')}/kept/one?a=1#/place`)
  } finally {
    await person.context.close()
  }
})

test('a page for everybody that such a worker answers is not led away, and neither it nor a new visitor is loaded again and again', async () => {
  const person = await watchedContext(browser)
  try {
    const page = await openApp(person, 'box', '/')
    await page.goto(`${at('box')}/open`)
    const loads: string[] = []
    page.on('framenavigated', frame => loads.push(frame.url()))
    await person.context.clearCookies()
    const asked = app.paths.length
    await page.reload()
    // The stand-in has asked for the page, and goes.
    await page.evaluate(until('!(await navigator.serviceWorker.getRegistration())'))
    expect(app.paths.slice(asked)).toContain('/open')
    await page.reload()
    // Its page registers a worker, and there is none for somebody who has not signed in.
    await page.evaluate(until('(await newest).state === "redundant"'))
    expect(await page.evaluate(`navigator.serviceWorker.getRegistration().then(it => it === undefined)`)).toBe(true)
    expect(loads).toEqual([`${at('box')}/open`, `${at('box')}/open`])
  } finally {
    await person.context.close()
  }
})

import { expect, setDefaultTimeout } from 'bun:test'
import { type AppHandler, startApp } from '../kit/applications/app.ts'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { freePort } from '../kit/programs/child.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const browser = keep(await openChromium())

const PAGE = '<!doctype html><title>Up</title><form method="post" action="/save"><button>Save</button></form>'

const page: AppHandler = (_, response) => void response.setHeader('content-type', 'text/html').end(PAGE)

test('the page of an application that is down becomes the application once it is up', async () => {
  const port = await freePort()
  const upstream = `upstream = "http://127.0.0.1:${port}"`
  await using gate = await startGate(`[[routes]]\nhost = "app.localhost"\n${upstream}\nallow = "public"\n`)
  const { context, open, complaints } = await watchedContext(browser)
  const tab = await open(`http://app.localhost:${gate.port}/deep?x=1#there`)
  await tab.getByRole('button', { name: 'Stop trying' }).waitFor()
  await using back = await startApp(page, { port })
  await tab.getByRole('button', { name: 'Save' }).waitFor()
  expect(new URL(tab.url()).search + new URL(tab.url()).hash).toBe('?x=1#there')
  expect(back.paths).toContain('/deep?x=1')
  expect(complaints).toEqual([])
  await context.close()
})

test('whoever wants no further try stops the count, and without a script there is a button', async () => {
  const port = await freePort()
  const upstream = `upstream = "http://127.0.0.1:${port}"`
  const route = `[[routes]]\nhost = "app.localhost"\nname = "Photo album"\n${upstream}\nallow = "public"\n`
  await using gate = await startGate(route)
  const { context, complaints } = await watchedContext(browser)
  const tab = await context.newPage()
  await tab.clock.install({ time: 0 })
  // It stands still from here on, however long the page takes to load.
  await tab.clock.pauseAt(3_600_000)
  const loads: string[] = []
  tab.on('request', request => void (request.isNavigationRequest() && loads.push(request.url())))
  await tab.goto(`http://app.localhost:${gate.port}/`)
  expect(await tab.textContent('main')).toContain('Photo album')
  const again = tab.getByRole('link', { name: 'Try again', exact: true })
  expect(await again.getAttribute('data-left')).toBe('5')
  await tab.clock.runFor(2000)
  expect(await again.getAttribute('data-left')).toBe('3')
  await tab.getByRole('button', { name: 'Stop trying' }).click()
  expect(await again.getAttribute('data-left')).toBeNull()
  expect(await tab.getByRole('button', { name: 'Stop trying' }).isVisible()).toBe(false)
  await tab.clock.runFor(60_000)
  expect(loads.length).toBe(1)
  expect(complaints).toEqual([])
  await context.close()

  const still = await watchedContext(browser, { javaScriptEnabled: false })
  const quiet = await still.open(`http://app.localhost:${gate.port}/deep`)
  expect(await quiet.getByText('Stop trying').isVisible()).toBe(false)
  await using _ = await startApp(page, { port })
  await quiet.getByRole('link', { name: 'Try again' }).click()
  await quiet.getByRole('button', { name: 'Save' }).waitFor()
  expect(new URL(quiet.url()).pathname).toBe('/deep')
  await still.context.close()
})

test('a form that met an application that went down is not sent a second time', async () => {
  const methods: string[] = []
  const port = await freePort()
  const app = await startApp(page, { port })
  const upstream = `upstream = "http://127.0.0.1:${port}"`
  await using gate = await startGate(`[[routes]]\nhost = "app.localhost"\n${upstream}\nallow = "public"\n`)
  const { context, open } = await watchedContext(browser, { javaScriptEnabled: false })
  const tab = await open(`http://app.localhost:${gate.port}/`)
  await app.stop()
  await tab.getByRole('button', { name: 'Save' }).click()
  await tab.getByText('is not sent again automatically').waitFor()
  await using _ = await startApp(
    (request, response) => {
      methods.push(request.method ?? '')
      page(request, response)
    },
    { port },
  )
  expect(await tab.locator('meta[http-equiv=refresh]').count()).toBe(0)
  await tab.goto(`http://app.localhost:${gate.port}/`)
  expect(new Set(methods)).toEqual(new Set(['GET']))
  await context.close()
})

import { expect, setDefaultTimeout } from 'bun:test'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Page } from 'playwright-core'
import { startApp } from '../kit/applications/app.ts'
import { findBarriers } from '../kit/browser/accessible.ts'
import { openChromium, type WatchedContext, watchedContext } from '../kit/browser/chromium.ts'
import { keepPicture } from '../kit/browser/picture.ts'
import { openStand, type Person } from '../kit/browser/stand.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

/** Bodies of every form that the application was sent. */
const got: string[] = []
const notes = () => stand.app.replace('app.', 'notes.')
/** The same application at a portal that is mounted on its host. */
const mounted = () => stand.choice

const keep = untilTheEnd()
const app = keep(await startApp((request, response) => void serve(request, response)))
const upstream = `upstream = "http://127.0.0.1:${app.port}"\nkeep_posts = "256KiB"`
const stand = keep(
  await openStand(
    `[[routes]]\nhost = "notes.localhost"\n${upstream}\nname = "Notes"\nportal = "home"\nallow = ["user"]
    [[routes]]\nhost = "two.localhost"\npath = "/notes"\n${upstream}\nname = "Notes"\nportal = "choice"\nallow = "authenticated"`,
  ),
)
const browser = keep(await openChromium())

/** An application with a strict policy of its own, which answers some forms with a page and others by leading away. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  response.setHeader('content-type', 'text/html')
  if (request.method === 'POST') {
    got.push(Buffer.concat(chunks).toString('latin1'))
    if (request.url?.includes('away') === true) {
      response.writeHead(303, { location: `${stand.public}/thanks` })
      response.end()
      return
    }
  }
  response.setHeader('content-security-policy', "default-src 'self'; form-action 'self'")
  const form = `<form method="post" action="" enctype="multipart/form-data"><label>Text <textarea name="text"></textarea></label><input type="file" name="file"><button>Save</button></form>`
  response.end(
    `<!doctype html><title>Notes</title><h1>Notes</h1><p id="got">${got.length}</p>${form}<a href="next">relative</a>`,
  )
}

/** The session's cookie is gone from the browser, as when it has run its time. */
const expire = ({ context }: WatchedContext, address: string) =>
  context.clearCookies({ domain: new URL(address).hostname, name: 'sallyport' })

async function write(page: Page, text: string): Promise<void> {
  await page.getByLabel('Text').fill(text)
  await page
    .locator('input[type=file]')
    .setInputFiles({ name: 'b.bin', mimeType: 'application/octet-stream', buffer: Buffer.from([0, 255, 13, 10]) })
  await page.getByRole('button', { name: 'Save' }).click()
}

/** Past the choices of a portal with several providers, and past the provider where it asks. */
async function signIn(page: Page, who: Person): Promise<void> {
  // A click ends once the next page begins.
  await page.waitForLoadState()
  const choice = page.getByRole('link', { name: 'Continue with Main provider' })
  if (await choice.isVisible()) await choice.click()
  if (stand.isAtProvider(page)) await stand.become(page, who)
}

const HOSTS: readonly (readonly [string, () => string])[] = [
  ['a portal on a host of its own', notes],
  ['a portal on the host itself', () => `${mounted()}/notes`],
]

test.each([...HOSTS])('a form that met an expired session is sent after signing in, from %s', async (_, at) => {
  const person = await watchedContext(browser)
  try {
    const page = await person.open(`${at()}/new?x=1`)
    await signIn(page, 'Grace')
    await expire(person, at())
    const before = got.length
    await write(page, 'long and dear')
    expect(await page.textContent('main')).toContain('is kept for 30 minutes')
    expect(await findBarriers(page)).toEqual([])
    await page.getByRole('link', { name: 'Sign in' }).click()
    await signIn(page, 'Grace')
    await page.getByRole('heading', { name: 'Send it now?' }).waitFor()
    expect(await page.textContent('main')).toContain('You were sending a form to Notes')
    expect(got.length).toBe(before)
    await page.getByRole('button', { name: 'Send it now' }).click()
    await page.getByRole('heading', { name: 'Notes' }).waitFor()
    expect(got.slice(before)).toHaveLength(1)
    expect(got.at(-1)).toContain('long and dear')
    expect(got.at(-1)).toContain('\r\n\r\n\x00\xff\r\n\r\n')
    // The answer stands under the address of the form: what it leads to by itself still fits.
    expect(page.url()).toBe(`${at()}/new?x=1`)
    expect(await page.evaluate('document.links[0].href')).toBe(`${at()}/next`)
    // Loading the answer once more sends the button's form again, and not the application's.
    await page.reload()
    await page.getByRole('heading', { name: 'There is nothing here to send' }).waitFor()
    await page.goBack()
    await page.goto(`${at()}/new?x=1`)
    await write(page, 'and more')
    expect(got.at(-1)).toContain('and more')
    expect(got.slice(before)).toHaveLength(2)
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
})

test('the application may lead on to another host', async () => {
  const person = await watchedContext(browser)
  try {
    const page = await person.open(`${notes()}/away`)
    await signIn(page, 'Grace')
    await expire(person, notes())
    await write(page, 'x')
    await page.getByRole('link', { name: 'Sign in' }).click()
    await page.getByRole('button', { name: 'Send it now' }).click()
    await page.waitForURL(`${stand.public}/thanks`)
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
})

test('somebody else who signs in at the same browser neither sees nor sends it', async () => {
  const person = await watchedContext(browser)
  try {
    const page = await person.open(`${notes()}/new`)
    await signIn(page, 'Grace')
    await expire(person, notes())
    const before = got.length
    await write(page, 'private')
    const kept = await page.getByRole('link', { name: 'Sign in' }).getAttribute('href')
    const other = await person.open(`${stand.portal}/.sallyport/login?switch=1`)
    await stand.become(other, 'Ada')
    await page.goto(`${notes()}${kept}`)
    expect(await page.textContent('h1')).toBe('There is nothing here to send')
    expect(await page.textContent('main')).not.toContain('new')
    expect(got.length).toBe(before)
  } finally {
    await person.context.close()
  }
})

test.each([
  { name: 'light', colorScheme: 'light', viewport: { width: 1100, height: 800 } },
  { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 320, height: 700 } },
] as const)('the pages keep nobody out: $name', async screen => {
  const person = await watchedContext(browser, screen)
  const look = async (page: Page, name: string) => {
    await keepPicture(page, `${name}-${screen.name}`)
    expect([name, await findBarriers(page)]).toEqual([name, []])
  }
  try {
    const page = await person.open(`${notes()}/a/rather/long/address/of/a/note?x=1`)
    await signIn(page, 'Grace')
    await expire(person, notes())
    await write(page, 'x')
    await look(page, 'form-kept')
    await page.getByRole('link', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'Send it now?' }).waitFor()
    await look(page, 'form-send')
    await page.getByRole('button', { name: 'Discard it' }).click()
    await page.waitForURL(`${notes()}/a/rather/long/address/of/a/note?x=1`)
    await page.goBack()
    await page.reload()
    await look(page, 'form-gone')
    const lost = await person.open(stand.public)
    await lost.setContent(`<form method="post" action="${notes()}/x"><button>Save</button></form>`)
    await lost.getByRole('button').click()
    expect(await lost.textContent('main')).toContain('is not kept')
    await look(lost, 'form-lost')
  } finally {
    await person.context.close()
  }
})

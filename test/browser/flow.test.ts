import { afterEach, beforeEach, expect, setDefaultTimeout } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { openChromium, type WatchedContext, watchedContext } from '../kit/browser/chromium.ts'
import { openBinaryStand, openStand, type Person, type Stand } from '../kit/browser/stand.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { afterAll, beforeAll, describe, test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const browser = keep(await openChromium())

const STANDS: readonly (readonly [name: string, open: () => Promise<Stand>])[] = [
  ['this checkout with a certified provider', openStand],
  ['the compiled binary with its own demo', openBinaryStand],
]

describe.each(STANDS)('%s', (_, openTheStand) => {
  let stand: Stand
  let person: WatchedContext
  beforeAll(async () => {
    stand = await openTheStand()
  })
  afterAll(() => stand?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    person = await watchedContext(browser)
  })
  afterEach(async () => {
    await person.context.close()
    expect(person.complaints).toEqual([])
  })

  /** A tab that asked for an address and was signed in on the way. */
  async function openAs(who: Person, address: string): Promise<Page> {
    const page = await person.open(address)
    expect(stand.isAtProvider(page)).toBe(true)
    await stand.become(page, who)
    return page
  }

  /** What a program with this person's cookies is answered. */
  async function statusOf(address: string): Promise<number> {
    const cookies = await person.context.cookies(address)
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
    return (await fetch(address, { headers: { accept: 'application/json', cookie }, redirect: 'manual' })).status
  }

  /** Saving is enough, but not instant. */
  async function untilStatus(address: string, status: number): Promise<void> {
    while ((await statusOf(address)) !== status) await Bun.sleep(20)
  }

  const who = (page: Page) => page.locator('#who').textContent()

  test('someone signs in and lands on the deep link that they asked for', async () => {
    const page = await openAs('Grace', `${stand.app}/deep/link?x=1&y=%20z`)
    expect(page.url()).toBe(`${stand.app}/deep/link?x=1&y=%20z`)
    expect(await who(page)).toBe('Grace')
    expect(await page.locator('#roles').textContent()).toBe('user')
  })

  test('one sign-in opens the other host too', async () => {
    await openAs('Ada', stand.app)
    const page = await person.open(`${stand.admin}/settings`)
    expect(page.url()).toBe(`${stand.admin}/settings`)
    expect(await who(page)).toBe('Ada')
  })

  test('whoever lacks the role is told who they are and what is missing, and can switch account', async () => {
    const page = await openAs('Grace', `${stand.admin}/settings`)
    expect(page.url()).toBe(`${stand.admin}/settings`)
    const text = await page.locator('main').textContent()
    expect(text).toContain('Grace')
    expect(text).toContain('admin')
    await page.getByText('Switch account').click()
    await stand.become(page, 'Ada')
    expect(page.url()).toBe(`${stand.admin}/settings`)
    expect(await who(page)).toBe('Ada')
  })

  test('signing out on one host signs out on all', async () => {
    const page = await openAs('Ada', stand.app)
    const other = await person.open(stand.admin)
    expect(await who(other)).toBe('Ada')
    for (const address of [stand.app, stand.admin]) expect(await statusOf(address)).toBe(200)
    await signOut(page)
    // Not by loading the pages: a provider with a sign-in of its own brings one straight back.
    for (const address of [stand.app, stand.admin]) expect(await statusOf(address)).toBe(401)
  })

  test('signing out ends what is still open: events stop and the WebSocket closes', async () => {
    const page = await openAs('Grace', stand.app)
    await page.locator('#clock-state', { hasText: 'streaming' }).waitFor()
    await page.locator('#echo-state', { hasText: 'connected' }).waitFor()
    await signOut(await person.open(`${stand.app}/another/tab`))
    await page.locator('#clock-state', { hasText: 'the stream ended' }).waitFor()
    await page.locator('#echo-state', { hasText: 'the connection ended' }).waitFor()
  })

  test('several tabs sign in at once, each to its own address, and none has to begin again', async () => {
    const addresses = [1, 2, 3, 4].map(count => `${count % 2 === 0 ? stand.app : stand.admin}/tab/${count}`)
    const tabs = await Promise.all(addresses.map(address => person.open(address)))
    for (const [index, tab] of [...tabs.entries()].toReversed()) {
      if (stand.isAtProvider(tab)) await stand.become(tab, 'Ada')
      expect(tab.url()).toBe(addresses[index] ?? '')
    }
    expect(tabs.map(tab => tab.url())).toEqual(addresses)
    expect(await Promise.all(tabs.map(who))).toEqual(['Ada', 'Ada', 'Ada', 'Ada'])
  })

  test('going back without signing in ends at a page that offers to try again', async () => {
    const page = await person.open(stand.app)
    await stand.become(page, null)
    expect(await page.locator('h1').count()).toBe(1)
    await page.getByRole('main').getByText('Try again').click()
    expect(stand.isAtProvider(page)).toBe(true)
  })

  test('events, WebSockets and uploads pass through the gate', async () => {
    const page = await openAs('Grace', stand.app)
    await page.locator('#clock-state', { hasText: 'streaming' }).waitFor()
    const first = (await page.locator('#clock').textContent()) ?? ''
    await page.locator('#clock', { hasNotText: first }).waitFor()

    await page.locator('#echo-state', { hasText: 'connected' }).waitFor()
    await page.getByLabel('Text to be echoed').fill('through the gate ✓')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.locator('#echo-reply', { hasText: 'through the gate ✓' }).waitFor()

    const file = { name: 'a.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(3_000_017, 7) }
    await page.getByLabel('A file of any size').setInputFiles(file)
    await page.getByRole('button', { name: 'Upload' }).click()
    await page.locator('#upload-reply', { hasText: '3000017 bytes arrived' }).waitFor()
  })

  test('nobody becomes Mallory by saying so', async () => {
    const page = await openAs('Grace', stand.app)
    await page.getByRole('button', { name: 'Pretend to be Mallory' }).click()
    await page.locator('#forge-reply', { hasText: 'the name that arrived: Grace' }).waitFor()
    await page.goto(stand.public)
    await page.getByRole('button', { name: 'Pretend to be Mallory' }).click()
    await page.locator('#forge-reply', { hasText: 'no name arrived' }).waitFor()
  })

  test('no cookie of the gate reaches the application, or a script on its page', async () => {
    const page = await openAs('Grace', stand.app)
    expect(await page.evaluate('document.cookie')).toBe('')
    expect(await page.evaluate(`fetch('/demo/request').then(reply => reply.text())`)).not.toContain('sallyport=')
  })

  test('an edit of routes.toml acts on an open sign-in at the next reload', async () => {
    const page = await openAs('Grace', stand.admin)
    expect(await statusOf(stand.admin)).toBe(403)
    const before = readFileSync(stand.configPath, 'utf8')
    writeFileSync(stand.configPath, before.replace('allow = ["admin"]', 'allow = ["user"]'))
    await untilStatus(stand.admin, 200)
    await page.reload()
    expect(await who(page)).toBe('Grace')
    writeFileSync(stand.configPath, before)
    await untilStatus(stand.admin, 403)
    await page.reload()
    expect(await page.locator('#who').count()).toBe(0)
  })
})

async function signOut(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
}

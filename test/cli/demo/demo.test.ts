import { afterEach, beforeEach, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { type Demo, startDemo } from '../../../src/cli/demo/start.ts'
import { BrowserLite, type Page } from '../../kit/browser/browser-lite.ts'
import { serveInProcess } from '../../kit/serve.ts'

let demo: Demo
beforeEach(async () => {
  demo = await startDemo({ dir: null, port: 0 }, serveInProcess)
})
afterEach(() => demo.stop())

/** A new browser that opens a demo address and signs in as one of the demo people when it is asked to. */
async function openAs(person: string, address: string): Promise<{ browser: BrowserLite; page: Page }> {
  const browser = new BrowserLite()
  const choice = await browser.open(address)
  expect(choice.address.origin).toBe(demo.addresses.provider)
  return { browser, page: await browser.submit(choice, { person: `demo-${person}` }) }
}

/** Reloads until the answer has this status: a save is noticed soon, but not at once. */
async function reloadUntil(browser: BrowserLite, address: string, status: number): Promise<Page> {
  for (;;) {
    const page = await browser.open(address)
    if (page.response.status === status) return page
    await Bun.sleep(20)
  }
}

test('Ada signs in, reaches the service at the address that she asked for, and the service knows who she is', async () => {
  const { page } = await openAs('ada', `${demo.addresses.app}/deep/link?x=1`)
  expect(page.address.href).toBe(`${demo.addresses.app}/deep/link?x=1`)
  expect(page.response.status).toBe(200)
  expect(page.html.one('#who').text).toBe('Ada')
  expect(page.html.text).toContain('GET /deep/link?x=1')
})

test('the guest signs in and is told that a role is missing; the public host stays open', async () => {
  const { browser, page } = await openAs('guest', demo.addresses.app)
  expect(page.response.status).toBe(403)
  expect(page.html.text).toContain('Guest')
  expect((await browser.open(demo.addresses.public)).response.status).toBe(200)
})

test('one sign-in counts on the other host; what it may open there is decided anew', async () => {
  const ada = await openAs('ada', demo.addresses.app)
  expect((await ada.browser.open(demo.addresses.admin)).html.one('#who').text).toBe('Ada')
  const grace = await openAs('grace', demo.addresses.app)
  expect((await grace.browser.open(demo.addresses.admin)).response.status).toBe(403)
})

test('the edit that the first screen proposes takes effect on a live session, and back', async () => {
  const { browser } = await openAs('grace', demo.addresses.admin)
  const before = readFileSync(demo.configPath, 'utf8')
  const after = before.replace('allow = ["admin"]', 'allow = ["user"]')
  expect(after).not.toBe(before)
  writeFileSync(demo.configPath, after)
  expect((await reloadUntil(browser, demo.addresses.admin, 200)).html.one('#who').text).toBe('Grace')
  writeFileSync(demo.configPath, before)
  await reloadUntil(browser, demo.addresses.admin, 403)
})

test('nobody means no session: going back without signing in ends at a page, not in a loop', async () => {
  const browser = new BrowserLite()
  const page = await browser.submit(await browser.open(demo.addresses.app), { person: '' })
  expect(page.response.status).toBe(403)
  expect(page.address.origin).toBe(demo.addresses.portal)
})

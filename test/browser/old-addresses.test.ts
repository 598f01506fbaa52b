import { expect, setDefaultTimeout } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { type AppHandler, startApp } from '../kit/applications/app.ts'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { serveImported, startSurroundings } from '../kit/recorded.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

/** An application as it was behind oauth2-proxy, with its links. */
const PAGE = `<!doctype html><title>Application</title><link rel="icon" href="data:,">
<a href="/oauth2/sign_out?rd=/bye">Leave</a> <a href="/oauth2/start?rd=/a">Enter</a>
<output></output>
<button onclick="fetch('/oauth2/userinfo').then(r => r.text()).then(t => document.querySelector('output').textContent = t)">Who</button>`

const answer: AppHandler = (_, response) => void response.setHeader('content-type', 'text/html').end(PAGE)

const keep = untilTheEnd()
const browser = keep(await openChromium())
const surroundings = keep(await startSurroundings())
const app = keep(await startApp(answer))
const config = readFileSync(join(import.meta.dir, '../recorded/oauth2-proxy-endpoints.cfg'), 'utf8')
const gate = keep(
  await serveImported(`${config.replaceAll('app.example.test', 'app.localhost')}skip_auth_routes=["^/bye$"]\n`, {
    ...surroundings,
    apps: new Map([[9710, app]]),
  }),
)
const site = `http://app.localhost:${gate.port}`
surroundings.provider.allowRedirect(`${site}/oauth2/callback`)

const isAt = (page: Page, path: string) => page.waitForURL(site + path)

/** What a script of the page gets. */
const statusOf = (page: Page, path: string) => page.evaluate(at => fetch(at).then(({ status }) => status), path)

/** Signs in on the provider's page. */
async function become(page: Page, name: string): Promise<void> {
  await page.getByLabel('Login').fill(name)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

test('the links of an application lead out and in as they did', async () => {
  const { open, context, complaints } = await watchedContext(browser)
  const page = await open(`${site}/deep`)
  await become(page, 'alice')
  await isAt(page, '/deep')

  await page.getByRole('button', { name: 'Who' }).click()
  const who = page.locator('output', { hasText: 'alice' })
  expect(JSON.parse((await who.textContent()) ?? '')).toEqual({
    user: 'alice',
    email: 'alice@corp.test',
    groups: ['users', 'admins'],
    preferredUsername: 'alice',
  })

  await page.getByRole('link', { name: 'Leave' }).click()
  await isAt(page, '/bye')
  const session = (await context.cookies(site)).filter(({ name }) => name === 'sallyport')
  expect(session).toEqual([])
  expect(await statusOf(page, '/oauth2/auth')).toBe(401)

  await page.getByRole('link', { name: 'Enter' }).click()
  await isAt(page, '/a')
  expect(await statusOf(page, '/oauth2/auth')).toBe(202)
  expect(complaints).toEqual([])
  await context.close()
})

test('the page with a button leads to the provider, and on', async () => {
  const { open, context, complaints } = await watchedContext(browser)
  const page = await open(`${site}/oauth2/sign_in?rd=/a`)
  await page.getByRole('link').click()
  await become(page, 'bob')
  await isAt(page, '/a')
  expect(complaints).toEqual([])
  await context.close()
})

test('another site signs nobody out, and a person who follows its link is asked', async () => {
  const picture = `<img src="${site}/oauth2/sign_out?rd=/bye" onerror="document.title = 'loaded'">`
  await using evil = await startApp((_, response) => {
    const page = `<!doctype html><link rel="icon" href="data:,">${picture}<a href="${site}/oauth2/sign_out?rd=/bye">Win</a>`
    response.setHeader('content-type', 'text/html').end(page)
  })
  const { open, context } = await watchedContext(browser)
  const page = await open(`${site}/deep`)
  await become(page, 'alice')
  await isAt(page, '/deep')

  await page.goto(`http://evil.localhost:${evil.port}/`)
  await page.waitForFunction("document.title === 'loaded'")
  await page.getByRole('link', { name: 'Win' }).click()
  await page.getByRole('button', { name: 'Sign out' }).waitFor()
  const second = await context.newPage()
  await second.goto(`${site}/still`)
  expect(second.url()).toBe(`${site}/still`)

  await page.getByRole('button', { name: 'Sign out' }).click()
  await isAt(page, '/bye')
  expect(await statusOf(page, '/oauth2/auth')).toBe(401)
  await context.close()
})

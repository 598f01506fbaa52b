import { expect, setDefaultTimeout } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { runImport } from '../../src/migrate/import.ts'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { makeAuthority } from '../kit/certificates.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { ADA_OF_STAFF } from '../kit/people.ts'
import { freePort } from '../kit/programs/child.ts'
import { startNginx } from '../kit/programs/front.ts'
import { startProvider } from '../kit/provider/provider.ts'
import { serveInProcess } from '../kit/serve.ts'
import { blocksOf, type SetUp, setUpFor } from '../kit/set-ups.ts'

const { describe, test } = needs('chromium', 'nginx', 'openssl')

setDefaultTimeout(300_000)

const HOST = 'app.localhost'
const SECRET = 'client-secret-from-pocket-id'

/** The application as it was behind both programs, with the links that they answered, and what it is told of who is there. */
function answer(request: Request): Response {
  const fields = [...request.headers].filter(([name]) => /^x-(?:forwarded-(?!for|host|proto|port)|token-)/.test(name))
  const page = `<!doctype html><title>Status</title><link rel="icon" href="data:,"><output>${JSON.stringify(Object.fromEntries(fields))}</output>
<a href="/oauth2/sign_out?rd=/bye">Leave oauth2-proxy</a> <a href="/auth/logout">Leave caddy-security</a>`
  return new Response(page, { headers: { 'content-type': 'text/html' } })
}

const keep = untilTheEnd()
const browser = keep(await openChromium())
const { cert, key } = makeAuthority().issue(`DNS:${HOST}`)
const app = keep(Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer }))
const provider = keep(
  await startProvider({
    host: 'localhost',
    clients: [
      { client_id: 'client_secret_basic', client_secret: SECRET },
      { client_id: 'client_secret_post', client_secret: SECRET, token_endpoint_auth_method: 'client_secret_post' },
    ],
    accounts: [ADA_OF_STAFF],
  }),
)

/** Somebody's folder on the evening of the move: the old file, with what is theirs filled in, and what import made of it. */
async function moveIn(folder: string, setUp: SetUp, client: string, port: number): Promise<string> {
  const old = setUp.given
    .replaceAll('https://id.example.com', provider.issuer)
    .replaceAll('client-id-from-pocket-id', client)
    .replaceAll('status.example.com', HOST)
    .replaceAll('uptime-kuma:3001', `127.0.0.1:${app.port}`)
    .replaceAll('0.0.0.0:4180', `127.0.0.1:${port}`)
  writeFileSync(join(folder, setUp.file), old)
  const options = setUp.options.map(option => option.replace('status.example.com', HOST))
  const { code, err } = await runIn(folder, io => runImport([setUp.file, ...options, '--out', 'routes.toml'], io))
  expect([code, err]).toEqual([0, expect.stringContaining('everyone signs in once more')])
  // The way back: the old file is as it was.
  expect(readFileSync(join(folder, setUp.file), 'utf8')).toBe(old)
  writeFileSync(join(folder, 'client-secret'), SECRET)
  writeFileSync(join(folder, 'status.pem'), cert)
  writeFileSync(join(folder, 'status-key.pem'), key)
  return readFileSync(join(folder, 'routes.toml'), 'utf8').replace(
    /\$\{\w+_CLIENT_SECRET\}/,
    `\${file:${folder}/client-secret}`,
  )
}

/** Signs in as Ada, beginning at a page of the application. */
async function signIn(page: Page, site: string): Promise<void> {
  await page.goto(`${site}/deep?link=1`)
  await page.getByLabel('Login').fill('ada')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${site}/deep?link=1`)
}

/** Where the provider forgets who is there, so that nobody is signed in again unasked. */
const forget = (page: Page) => page.context().clearCookies({ domain: 'localhost' })

describe('the set-up of a chapter, moved in', () => {
  test('from oauth2-proxy, behind the same proxy, on the same port: its fields, and its link to sign out', async () => {
    using folder = temporaryFolder()
    const [port, securePort] = [await freePort(), await freePort()]
    const toml = await moveIn(folder.path, setUpFor('moving-in-from-oauth2-proxy'), 'client_secret_basic', port)
    expect(toml).toContain(`listen = ["127.0.0.1:${port}"]`)
    const routes = join(folder.path, 'routes.toml')
    writeFileSync(routes, toml.replace(/^# trusted_proxies = .*$/m, 'trusted_proxies = ["127.0.0.1"]'))
    const gate = await serveInProcess(routes)
    await using _front = await startNginx(
      folder.path,
      securePort,
      `server {
  listen 127.0.0.1:${securePort} ssl;
  ssl_certificate ${folder.path}/status.pem;
  ssl_certificate_key ${folder.path}/status-key.pem;
  location / {
    proxy_pass http://127.0.0.1:${port};
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header X-Forwarded-For $remote_addr;
  }
}`,
    )
    const site = `https://${HOST}:${securePort}`
    provider.allowRedirect(`${site}/oauth2/callback`)
    const { open, context, complaints } = await watchedContext(browser, { ignoreHTTPSErrors: true })
    const page = await open('about:blank')
    await signIn(page, site)
    expect(JSON.parse((await page.locator('output').textContent()) ?? '')).toEqual({
      'x-forwarded-user': 'ada-1',
      'x-forwarded-email': 'ada@example.com',
      'x-forwarded-groups': 'staff,ops',
      'x-forwarded-preferred-username': 'ada',
    })

    await forget(page)
    await page.getByRole('link', { name: 'Leave oauth2-proxy' }).click()
    await page.getByLabel('Login').waitFor()
    expect((await context.cookies(site)).filter(({ name }) => name === '__Host-sallyport')).toEqual([])
    await page.goto(`${site}/deep`)
    await page.getByLabel('Login').waitFor()
    expect(complaints).toEqual([])
    await context.close()
    await gate.stop()
  })

  describe('from caddy-security, with Caddy’s own certificate, on the same port: its fields', () => {
    const chapter = 'moving-in-from-caddy-security'
    const shown = setUpFor(chapter)

    /** Ada on a page of the application, of which what Caddy makes of the chapter's file or of one like it was the gate. */
    async function atHome(folder: string, given: string) {
      const [port, securePort] = [await freePort(), await freePort()]
      const toml = await moveIn(folder, { ...shown, given }, 'client_secret_post', port)
      // As the chapter says, with a certificate that is there.
      const [, tls = ''] = blocksOf(chapter, 'toml')
      const own = tls.replace('0.0.0.0:80"', `127.0.0.1:${port}"`).replace('0.0.0.0:443"', `127.0.0.1:${securePort}"`)
      expect(own).toContain('status-key.pem')
      const routes = join(folder, 'routes.toml')
      writeFileSync(routes, toml.replace(/^\[server\]\nlisten = .*$/m, own))
      const gate = await serveInProcess(routes)
      const site = `https://${HOST}:${securePort}`
      provider.allowRedirect(`${site}/auth/oauth2/generic/authorization-code-callback`)
      const { open, context, complaints } = await watchedContext(browser, { ignoreHTTPSErrors: true })
      const page = await open('about:blank')
      await signIn(page, site)
      expect(JSON.parse((await page.locator('output').textContent()) ?? '')).toEqual({
        'x-token-subject': 'ada-1',
        'x-token-user-name': 'Ada',
        'x-token-user-email': 'ada@example.com',
        'x-token-user-roles': 'user',
      })
      await forget(page)
      return {
        page,
        site,
        async [Symbol.asyncDispose]() {
          await context.close()
          await gate.stop()
          expect(complaints).toEqual([])
        },
      }
    }

    /** Whether nobody is there any more: another page leads to the provider. */
    async function isOut(page: Page, site: string): Promise<void> {
      expect((await page.context().cookies(site)).filter(({ name }) => name === '__Host-sallyport')).toEqual([])
      await page.goto(`${site}/deep`)
      await page.getByLabel('Login').waitFor()
    }

    test('the set-up itself, in which /auth/logout was the application’s and is', async () => {
      using folder = temporaryFolder()
      await using home = await atHome(folder.path, shown.given)
      const { page, site } = home
      await page.getByRole('link', { name: 'Leave caddy-security' }).click()
      await page.waitForURL(`${site}/auth/logout`)
      expect(await page.locator('output').textContent()).toContain('ada@example.com')
      await page.goto(`${site}/.sallyport/logout`)
      await page
        .getByRole('button', { name: /sign out/i })
        .first()
        .click()
      await page.waitForLoadState()
      await isOut(page, site)
    })

    test('with all below /auth for the portal, the application’s old link signs out', async () => {
      using folder = temporaryFolder()
      const whole = shown.given.replace(/\[\s*"\/auth\/oauth2\/generic",[^\]]*\]/, '["/auth/*"]')
      expect(whole).toContain('"path": ["/auth/*"]')
      await using home = await atHome(folder.path, whole)
      const { page, site } = home
      const left = page.waitForResponse(`${site}/auth/logout`)
      await page.getByRole('link', { name: 'Leave caddy-security' }).click()
      expect((await left).status()).toBeLessThan(400)
      await page.waitForLoadState()
      await isOut(page, site)
    })
  })
})

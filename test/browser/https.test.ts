import { expect } from 'bun:test'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { makeAuthority } from '../kit/certificates.ts'
import { startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { freePort } from '../kit/programs/child.ts'
import { startProvider } from '../kit/provider/provider.ts'
import { providerTable, routeForUsers } from '../kit/toml.ts'

const { test } = needs('chromium', 'openssl')

const keep = untilTheEnd()
const { cert, key } = makeAuthority().issue('DNS:app.localhost')
const securePort = await freePort()
const app = `https://app.localhost:${securePort}`
const browser = keep(await openChromium())
const provider = keep(
  await startProvider({
    host: 'localhost',
    clients: [{ client_id: 'gate', client_secret: 'gate-secret' }],
    accounts: [{ sub: 'ada', name: 'Ada', email: 'ada@example.com', email_verified: true, groups: [] }],
  }),
)
provider.allowRedirect(`${app}/.sallyport/callback`)
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request, server) {
      if (server.upgrade(request)) return
      const who = request.headers.get('x-token-user-email') ?? 'nobody'
      return new Response(`<!doctype html><link rel="icon" href="data:,"><title>App</title><h1>${who}</h1>`, {
        headers: { 'content-type': 'text/html' },
      })
    },
    websocket: { message: (socket, message) => void socket.send(`echo of ${message}`) },
  }),
)
const gate = keep(
  await startGate(
    `[tls]
listen = ["127.0.0.1:${securePort}"]
certificates = [{ cert = "app.pem", key = "app.key" }]
hsts = "1d"

${providerTable(provider)}
[portals.home]
providers = ["id"]
[portals.home.roles]
user = { any = true }

${routeForUsers(upstream, 'app.localhost', 'headers = "x-token"')}`,
    { files: { 'app.pem': cert, 'app.key': key } },
  ),
)
const plain = `http://app.localhost:${gate.port}`

test('someone who comes by plain HTTP signs in by HTTPS and works there, over HTTP/2 and WebSockets', async () => {
  const { context, complaints, open } = await watchedContext(browser, { ignoreHTTPSErrors: true })
  const page = await open(`${plain}/deep?link=1`)
  await page.getByLabel('Login').fill('ada')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${app}/deep?link=1`)
  expect(await page.getByRole('heading').textContent()).toBe('ada@example.com')

  const session = (await context.cookies(app)).find(({ name }) => name === '__Host-sallyport')
  expect(session).toMatchObject({ secure: true, httpOnly: true, sameSite: 'Lax', path: '/' })
  expect(await page.evaluate<string>('performance.getEntriesByType("navigation")[0].nextHopProtocol')).toBe('h2')
  const echo = await page.evaluate<string>(`new Promise((resolve, reject) => {
    const socket = new WebSocket('wss://' + location.host + '/socket')
    socket.onopen = () => socket.send('hello')
    socket.onmessage = ({ data }) => resolve(data)
    socket.onerror = () => reject(new Error('the WebSocket failed'))
  })`)
  expect(echo).toBe('echo of hello')

  await page.goto(`${app}/.sallyport/logout`)
  await page
    .getByRole('button', { name: /sign out/i })
    .first()
    .click()
  await page.waitForLoadState()
  expect((await context.cookies(app)).filter(({ name }) => name === '__Host-sallyport')).toEqual([])
  expect(complaints).toEqual([])
  await context.close()
})

/** People who come by plain HTTP where the file promises HTTPS: no sign-in would last, and whoever runs the place has not seen why. */
import { describe, expect, test } from 'bun:test'
import { startApp } from '../../kit/applications/app.ts'
import { startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Fields, fetchFrom } from '../../kit/requests.ts'
import { providerTable, SILENT } from '../../kit/toml.ts'

/** A page load as browsers send it by plain HTTP, where they say nothing of what is to be loaded; a number for each client. */
const PLAIN = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'upgrade-insecure-requests': '1' }

const keep = untilTheEnd()
const app = keep(await startApp((_, response) => response.end('the application')))
const route = (host: string, portal: string) =>
  `[[routes]]\nhost = "${host}"\nupstream = "http://127.0.0.1:${app.port}"\nportal = "${portal}"\nallow = "authenticated"\n`
const FILE = `${providerTable(SILENT)}
[portals.own]
providers = ["id"]

[portals.away]
url = "https://auth.example.com"
providers = ["id"]

[portals.lan]
providers = ["id"]
insecure_cookies = true

${route('app.example.com', 'own')}
${route('wiki.example.com', 'away')}
${route('app.lan.test', 'lan')}`

const direct = keep(await startGate(FILE))
const behind = keep(await startGate(FILE, { server: 'trusted_proxies = ["127.0.0.1"]' }))

/** What a browser is shown: where it is led, or the code of the log. */
async function ask(gate: typeof direct, host: string, fields: Fields, path = '/deep?x=1') {
  const before = gate.log.length
  const answer = await fetchFrom(gate, path, { host, ...fields })
  return {
    status: answer.status,
    text: await answer.text(),
    location: answer.headers.get('location'),
    log: gate.log.slice(before).filter(line => line.includes('sign_in.plain_http')),
  }
}

describe('a page load by plain HTTP', () => {
  test.each([
    { host: 'app.example.com', path: '/deep?x=1' },
    { host: 'app.example.com', path: '/.sallyport/login?return=%2Fdeep%3Fx%3D1' },
    { host: 'wiki.example.com', path: '/deep?x=1' },
    { host: 'auth.example.com', path: '/.sallyport/login' },
  ])('at $host$path is told so, with three ways out, and so is the log', async ({ host, path }) => {
    const { status, text, log } = await ask(direct, host, PLAIN, path)
    expect(status).toBe(400)
    for (const word of ['http://', 'https://', '[tls]', 'trusted_proxies', 'insecure_cookies']) {
      expect(text).toContain(word)
    }
    expect(htmlPage(text).address('https:')).toStartWith(`https://${host}/`)
    expect(log).toHaveLength(1)
    for (const word of ['plain HTTP', '[tls]', 'trusted_proxies', 'insecure_cookies']) expect(log[0]).toContain(word)
  })

  test('leads back to the page that was asked for, by https, and on to the sign-in for whoever knows better', async () => {
    const { text } = await ask(direct, 'app.example.com', PLAIN)
    const page = htmlPage(text)
    expect(page.address('https:')).toBe('https://app.example.com/deep?x=1')
    const onward = page.address('/.sallyport/login?')
    const { text: next } = await ask(direct, 'app.example.com', PLAIN, onward)
    // The provider is not there: the sign-in has begun.
    expect(next).not.toContain('insecure_cookies')
  })

  test('is told by a trusted proxy, whatever the browser says', async () => {
    const said = { 'x-forwarded-proto': 'http', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
    expect((await ask(behind, 'app.example.com', { ...PLAIN, ...said })).status).toBe(400)
  })
})

describe('nobody else is stopped', () => {
  test.each([
    ['a browser that came by HTTPS says what it loads', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
    ['a proxy that nobody has named says https', { 'x-forwarded-proto': 'https' }],
    ['a proxy that nobody has named says no scheme', { 'x-forwarded-for': '203.0.113.7' }],
    ['one that writes Forwarded', { forwarded: 'for=203.0.113.7;proto=https' }],
    ['one that writes Via', { via: '1.1 proxy' }],
    ['one of nginx’s habit', { 'x-real-ip': '203.0.113.7' }],
  ])('%s', async (_, fields) => {
    const { status, location } = await ask(direct, 'app.example.com', { ...PLAIN, ...fields })
    expect([status, location]).toEqual([302, '/.sallyport/login?return=%2Fdeep%3Fx%3D1'])
  })

  test.each([
    ['https', { 'x-forwarded-proto': 'https' }],
    ['nothing', {}],
  ])('a trusted proxy that says %s', async (_, fields) => {
    expect((await ask(behind, 'app.example.com', { ...PLAIN, ...fields })).status).toBe(302)
  })

  test('where the portal allows plain HTTP', async () => {
    expect((await ask(direct, 'app.lan.test', PLAIN)).status).toBe(302)
  })

  test('programs, which get 401 as ever', async () => {
    expect((await ask(direct, 'app.example.com', { accept: 'application/json' })).status).toBe(401)
  })

  test('people who are signed in', async () => {
    const { cookie } = await direct.signIn('app.example.com', {}, 'own')
    const asked = await ask(direct, 'app.example.com', { ...PLAIN, cookie: `__Host-${cookie}` })
    expect([asked.status, asked.text]).toEqual([200, 'the application'])
  })
})

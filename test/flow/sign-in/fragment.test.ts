import { expect, test } from 'bun:test'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { portalWith, startGate } from '../../kit/gate.ts'
import { type HtmlPage, htmlPage } from '../../kit/html.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeForUsers, routeTo } from '../../kit/toml.ts'
import { PAGE } from '../../kit/verify.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

/** People sign in by a form of ours, on the application's own host. */
const PEOPLE = `[providers.people]
users = "users.htpasswd"
[portals.people]
providers = ["people"]
insecure_cookies = true
roles.user = { any = true }
`

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'OWN')]))
const gate = keep(
  await startGate(
    [
      portalWith('url = "http://auth.test"'),
      routeForUsers(upstream, 'app.test', 'keep_fragment = true'),
      routeForUsers(upstream, 'app.test', 'path = "/plain"'),
      routeForUsers(upstream, 'else.test'),
      routeTo(
        upstream,
        'app.test',
        'path = "/new"\nportal = "home"\nallow = [{ roles = "user", max_age = "15m" }]\nkeep_fragment = true',
      ),
      PEOPLE,
      routeTo(upstream, 'people.test', 'portal = "people"\nallow = ["user"]\nkeep_fragment = true'),
    ].join('\n'),
    { files: { 'users.htpasswd': `ada:${await Bun.password.hash('secret', { algorithm: 'bcrypt', cost: 4 })}\n` } },
  ),
)
const ask = (path: string, host = 'app.test', fields: readonly string[] = PAGE, method = 'GET') =>
  sendRaw(gate.port, rawRequest(`${method} ${path}`, host, fields))
const login = (query: Record<string, string>) => `/.sallyport/login?${new URLSearchParams(query)}`

/** Where the page's script puts the fragment back, and where it goes on. */
function keptIn(html: HtmlPage) {
  const page = html.one('[data-onward]')
  return { to: page.attribute('data-return-to'), onward: page.attribute('data-onward') }
}

test('a page load goes by a page of the same host, which may run its own script and nothing else', async () => {
  const away = await ask('/mail?x=1')
  expect([away.status, away.field('location')]).toEqual([302, login({ return: '/mail?x=1' })])
  const page = await ask(login({ return: '/mail?x=1' }))
  expect([page.status, page.field('cache-control'), page.field('set-cookie')]).toEqual([200, 'no-store', null])
  expect(page.field('content-security-policy')).toMatch(/^default-src 'none'; .*script-src 'sha256-[\w+/]+=';/)
  const html = htmlPage(page.body.toString())
  const onward = login({ return: '/mail?x=1', fragment: 'kept' })
  expect(keptIn(html)).toEqual({ to: '/mail?x=1', onward })
  expect(html.has('meta[http-equiv="refresh"]')).toBe(false)
  const without = htmlPage(html.one('noscript').lines)
  expect(without.one('meta[http-equiv="refresh"]').attribute('content')).toBe(`0;url=${onward}`)
  expect(html.address('login')).toBe(onward)
  const next = await ask(login({ return: '/mail?x=1', fragment: 'kept' }))
  expect([next.status, next.field('location')?.startsWith('http://auth.test/.sallyport/login?to=')]).toEqual([
    302,
    true,
  ])
})

test('elsewhere nothing is in between: other routes, other hosts, our own pages, and the host where people sign in', async () => {
  for (const [path, host] of [
    ['/plain/x', 'app.test'],
    ['/', 'else.test'],
    [login({ return: '/plain' }), 'app.test'],
    [login({ return: '/.sallyport/sessions' }), 'app.test'],
    [login({}), 'app.test'],
    [login({ return: '/mail' }), 'auth.test'],
  ] as const) {
    const answer = await ask(path, host)
    expect([path, host, answer.status]).toEqual([path, host, host === 'auth.test' ? 503 : 302])
  }
})

test('an address that leads elsewhere leads nowhere', async () => {
  for (const to of ['//evil.example/', 'https://evil.example/', '/\\evil.example', 'javascript:alert(1)']) {
    const { body } = await ask(login({ return: to }))
    expect([to, keptIn(htmlPage(body.toString()))]).toEqual([
      to,
      { to: '/', onward: '/.sallyport/login?return=%2F&fragment=kept' },
    ])
  }
  const { body } = await ask(login({ return: '/a"><script>' }))
  expect(keptIn(htmlPage(body.toString())).to).toBe('/a"><script>')
})

test('what is no page load is answered as ever', async () => {
  const script = ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty', 'Accept: */*']
  expect((await ask('/mail', 'app.test', script)).status).toBe(401)
  expect((await ask(login({ return: '/mail' }), 'app.test', script)).status).toBe(403)
  expect((await ask(login({ return: '/mail' }), 'app.test', PAGE, 'HEAD')).status).toBe(204)
  expect(upstream.text).toBe('')
})

test('what a newer sign-in is asked for goes along', async () => {
  const { cookie } = await gate.signIn('app.test', { auth_time: Math.floor(Date.now() / 1000) - 3600 })
  const away = await ask('/new/x', 'app.test', [...PAGE, `Cookie: ${cookie}`])
  const asked = new URL(away.field('location') ?? '', 'http://app.test')
  expect([asked.pathname, asked.searchParams.get('return')]).toEqual(['/.sallyport/login', '/new/x'])
  const { body } = await ask(asked.pathname + asked.search, 'app.test', [...PAGE, `Cookie: ${cookie}`])
  const onward = new URL(keptIn(htmlPage(body.toString())).onward ?? '', asked)
  asked.searchParams.set('fragment', 'kept')
  expect(Object.fromEntries(onward.searchParams)).toEqual(Object.fromEntries(asked.searchParams))
  expect(onward.searchParams.size).toBeGreaterThan(2)
})

test('a form of ours keeps it through a wrong password, and its answer puts it back', async () => {
  const browser = browserAt(gate, 'people.test')
  const form = await browser.refresh(await browser.open('http://people.test/mail'))
  const wrong = await browser.submit(form, { name: 'ada', password: 'wrong' })
  expect([wrong.response.status, wrong.address.searchParams.get('fragment')]).toEqual([403, 'kept'])
  const right = await browser.submit(wrong, { name: 'ada', password: 'secret' })
  expect([right.response.status, keptIn(right.html).onward]).toEqual([200, '/mail'])
  expect((await browser.refresh(right)).text).toBe('OWN')
})

import { describe, expect, test } from 'bun:test'
import { type Gate, portalWith, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Fields, fetchFrom, statusOf } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'

/** What a browser says of a page that is loaded into a window by a link of some page. */
const LINK = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
const PICTURE = { accept: 'image/*', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }
const FRAME = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }
const SCRIPT = { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }
/** What it says over plain HTTP. */
const PLAIN = { accept: 'text/html' }
const from = (site: string) => ({ 'sec-fetch-site': site })

const HOST = 'app.example'
const SIGN_OUT = '/oauth2/sign_out?rd=/bye'

const keep = untilTheEnd()
const upstream = keep(Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('here') }))
const routes = routeTo(upstream, HOST, 'portal = "home"\nallow = ["user"]')
const gate = keep(await startGate(portalWith('compat = "oauth2-proxy"') + routes))

/** Asks as someone who has just signed in, and tells whether they still are. */
async function ask(fields: Fields, init: RequestInit = {}, at: Gate = gate, path = SIGN_OUT) {
  const { cookie } = await at.signIn(HOST)
  const answer = await fetchFrom(at, path, { host: HOST, cookie, ...fields }, init)
  return {
    status: answer.status,
    location: answer.headers.get('location'),
    setCookies: answer.headers.getSetCookie(),
    text: await answer.text(),
    cookie,
    isIn: (await statusOf(at, '/', { host: HOST, cookie })) === 200,
  }
}

const caddy = keep(await startGate(portalWith('compat = "caddy-security"') + routes))
const CADDY = '/auth/logout?redirect_uri=/bye'

describe.each([
  ['oauth2-proxy’s sign_out', gate, SIGN_OUT, '/oauth2/sign_out?rd=%2Fbye'],
  ['caddy-security’s logout', caddy, CADDY, '/auth/logout?redirect_uri=%2Fbye'],
] as const)('%s, asked from elsewhere, signs nobody out', (_, at, path, action) => {
  const cases: readonly (readonly [what: string, fields: Fields, init: RequestInit])[] = [
    ['by a link of another site', { ...LINK, ...from('cross-site') }, {}],
    ['by a picture of another site', { ...PICTURE, ...from('cross-site') }, {}],
    ['by a picture of a neighbour', { ...PICTURE, ...from('same-site') }, {}],
    ['by a picture of this host, as somebody may put into a page', { ...PICTURE, ...from('same-origin') }, {}],
    ['by a frame', { ...FRAME, ...from('same-origin') }, {}],
    ['by a script of a neighbour', { ...SCRIPT, ...from('same-site') }, {}],
    ['by a site that nobody knows', { ...LINK, ...from('somewhere') }, {}],
    ['by plain HTTP, from nowhere', PLAIN, {}],
    ['by plain HTTP, from another site', { ...PLAIN, referer: 'http://evil.example/' }, {}],
    ['by plain HTTP, from a host that begins alike', { ...PLAIN, referer: `http://${HOST}.evil.example/` }, {}],
    ['by a look ahead', { ...LINK, ...from('same-origin'), 'sec-purpose': 'prefetch' }, {}],
    ['by HEAD', { ...LINK, ...from('same-origin') }, { method: 'HEAD' }],
    ['by a form of another site', { ...LINK, ...from('cross-site') }, { method: 'POST', body: '' }],
    ['by a form of nowhere', PLAIN, { method: 'POST', body: new URLSearchParams({ proof: 'x' }) }],
  ]
  for (const [what, fields, init] of cases) {
    test(what, async () => {
      const { isIn, location, setCookies } = await ask(fields, init, at, path)
      expect([isIn, location, setCookies]).toEqual([true, null, []])
    })
  }

  test('the person is asked, and whoever says yes is led on', async () => {
    const { cookie, text, status } = await ask({ ...LINK, ...from('cross-site') }, {}, at, path)
    const form = htmlPage(text).form()
    expect([status, form.action]).toEqual([200, action])
    const body = new URLSearchParams(form.hidden)
    const done = await fetchFrom(at, path, { host: HOST, cookie, ...PLAIN }, { method: 'POST', body })
    expect([done.status, done.headers.get('location')]).toEqual([302, '/bye'])
    expect(await statusOf(at, '/', { host: HOST, cookie })).toBe(401)
  })

  test('a form of ours leads to no other host, which browsers would stop', async () => {
    const { text } = await ask(
      { ...LINK, ...from('cross-site') },
      {},
      at,
      path.replace('/bye', 'https://app.example/x'),
    )
    expect(htmlPage(text).form().action).toBe('/.sallyport/logout')
  })
})

describe.each([
  ['oauth2-proxy’s sign_out', gate, SIGN_OUT],
  ['caddy-security’s logout', caddy, CADDY],
] as const)('%s signs out at once', (_, at, path) => {
  const cases: readonly (readonly [what: string, fields: Fields, init: RequestInit])[] = [
    ['by a link of the application', { ...LINK, ...from('same-origin') }, {}],
    ['by a script of it', { ...SCRIPT, ...from('same-origin') }, {}],
    ['by a link of a neighbour', { ...LINK, ...from('same-site') }, {}],
    ['typed by the person', { ...LINK, ...from('none') }, {}],
    ['by a link of the application, over plain HTTP', { ...PLAIN, referer: `http://${HOST}/page` }, {}],
    ['by a form of the application', { ...LINK, ...from('same-origin') }, { method: 'POST', body: '' }],
  ]
  for (const [what, fields, init] of cases) {
    test(what, async () => {
      const { isIn, status, location } = await ask(fields, init, at, path)
      expect([isIn, status, location]).toEqual([false, 302, '/bye'])
    })
  }
})

test('caddy-security’s logout leads to our own page where nothing else is said', async () => {
  const { isIn, status, location } = await ask({ ...LINK, ...from('same-origin') }, {}, caddy, '/auth/logout')
  expect([isIn, status, location]).toEqual([false, 302, '/.sallyport/signed-out'])
})

test('who is not signed in is led on, and no cookie is touched', async () => {
  for (const fields of [
    { ...LINK, ...from('cross-site') },
    { ...PICTURE, ...from('cross-site') },
  ]) {
    const answer = await fetchFrom(gate, SIGN_OUT, { host: HOST, ...fields })
    expect([answer.status, answer.headers.get('location'), answer.headers.getSetCookie()]).toEqual([302, '/bye', []])
  }
})

test('without the key its address is the application’s', async () => {
  await using plain = await startGate(portalWith('') + routes)
  const { status, text, isIn } = await ask({ ...LINK, ...from('same-origin') }, {}, plain)
  expect([status, text, isIn]).toEqual([200, 'here', true])
})

describe('rd leads to no other host than those of the file', () => {
  const others =
    routeTo(upstream, 'other.example', 'allow = "public"') + routeTo(upstream, '*.wild.example', 'allow = "public"')
  const origin = 'http://app.example'
  const cases: readonly (readonly [rd: string, location: string])[] = [
    ['/bye?x=1', '/bye?x=1'],
    ['/bye#part', '/bye'],
    [`${origin}/bye`, '/bye'],
    ['https://other.example/a?b=c', 'https://other.example/a?b=c'],
    ['https://other.example:443/a', 'https://other.example/a'],
    ['http://other.example/a', 'http://other.example/a'],
    ['https://other.example', 'https://other.example/'],
    ['https://x.wild.example/', 'https://x.wild.example/'],
    ...[
      'https://evil.example/',
      '//evil.example/',
      '/\\evil.example/',
      '\\\\evil.example',
      'https:evil.example',
      'https:///evil.example',
      'https://other.example@evil.example/',
      'https://evil.example\\.other.example/',
      'https://evil.example/.other.example',
      'https://other.example.evil.example/',
      'https://evilother.example/',
      'https://other.example:8443/',
      'https://other.example:443:80/',
      'https://other.example?x',
      'https://wild.example/',
      'https://xn--a.wild.example/',
      'https://1.2.3.999.wild.example:99999/',
      'javascript:alert(1)',
      'ftp://other.example/',
      ' https://evil.example/',
      '\thttps://evil.example/',
      '%09//evil.example',
      '/%2e%2e//evil.example',
      '/.sallyport/login',
      'evil.example',
      '',
    ].map(rd => [rd, '/'] as const),
  ]
  test('at sign_out', async () => {
    await using wide = await startGate(portalWith('compat = "oauth2-proxy"') + routes + others)
    for (const [rd, location] of cases) {
      const path = `/oauth2/sign_out?${new URLSearchParams({ rd })}`
      const { headers } = await fetchFrom(wide, path, { host: HOST, ...LINK })
      expect([rd, headers.get('location')]).toEqual([rd, location])
    }
    const twice = await statusOf(wide, '/oauth2/sign_out?rd=/a&rd=https://evil.example/', { host: HOST, ...LINK })
    expect(twice).toBe(400)
  })

  test('by plain HTTP only where the host that was asked is', async () => {
    const secure = portalWith('compat = "oauth2-proxy"').replace('insecure_cookies = true', '')
    await using https = await startGate(secure + routes + others)
    const at = (rd: string) => fetchFrom(https, `/oauth2/sign_out?rd=${rd}`, { host: HOST, ...LINK })
    expect((await at('http://other.example/')).headers.get('location')).toBe('/')
    expect((await at('https://other.example/')).headers.get('location')).toBe('https://other.example/')
  })
})

import { expect, test } from 'bun:test'
import { portalWith, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeForUsers } from '../../kit/toml.ts'
import { PAGE } from '../../kit/verify.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'OWN')]))
const gate = keep(
  await startGate(
    [
      portalWith('url = "http://auth.test"'),
      routeForUsers(upstream, 'app.test', 'keep_fragment = true'),
      routeForUsers(upstream, 'app.test', 'path = "/plain"'),
      routeForUsers(upstream, 'else.test'),
    ].join('\n'),
  ),
)
const ask = (path: string, host = 'app.test', fields: readonly string[] = PAGE, method = 'GET') =>
  sendRaw(gate.port, rawRequest(`${method} ${path}`, host, fields))
const login = (query: Record<string, string>) => `/.sallyport/login?${new URLSearchParams(query)}`

test('a page load goes by a page of the same host, which may run its own script and nothing else', async () => {
  const away = await ask('/mail?x=1')
  expect([away.status, away.field('location')]).toEqual([302, login({ return: '/mail?x=1' })])
  const page = await ask(login({ return: '/mail?x=1' }))
  expect([page.status, page.field('cache-control'), page.field('set-cookie')]).toEqual([200, 'no-store', null])
  expect(page.field('content-security-policy')).toMatch(/^default-src 'none'; .*script-src 'sha256-[\w+/]+=';/)
  const html = page.body.toString()
  const onward = login({ return: '/mail?x=1', fragment: 'kept' }).replaceAll('&', '&amp;')
  expect(html).toContain('data-return-to="/mail?x=1"')
  expect(html).toContain(`data-onward="${onward}"`)
  expect(html).toContain(`<noscript><meta http-equiv="refresh" content="0;url=${onward}"/></noscript>`)
  expect(html).toContain(`href="${onward}"`)
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
    const html = (await ask(login({ return: to }))).body.toString()
    expect([to, /data-return-to="([^"]*)"/.exec(html)?.[1]]).toEqual([to, '/'])
    expect(html).toContain(`data-onward="/.sallyport/login?return=%2F&amp;fragment=kept"`)
  }
  expect((await ask(login({ return: '/a"><script>' }))).body.toString()).toContain(
    'data-return-to="/a&quot;&gt;&lt;script&gt;"',
  )
})

test('what is no page load is answered as ever', async () => {
  const script = ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty', 'Accept: */*']
  expect((await ask('/mail', 'app.test', script)).status).toBe(401)
  expect((await ask(login({ return: '/mail' }), 'app.test', script)).status).toBe(403)
  expect((await ask(login({ return: '/mail' }), 'app.test', PAGE, 'HEAD')).status).toBe(204)
  expect(upstream.text).toBe('')
})

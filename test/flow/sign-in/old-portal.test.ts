import { describe, expect, test } from 'bun:test'
import { startApp } from '../../kit/applications/app.ts'
import { portalWith, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { routeForUsers, routeTo } from '../../kit/toml.ts'

const keep = untilTheEnd()
const app = keep(await startApp('here'))
const PAGE = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

async function at(gate: { readonly port: number }, host: string, path: string) {
  const answer = await fetchFrom(gate, path, { host, ...PAGE })
  await answer.body?.cancel()
  return [answer.status, answer.headers.get('location')]
}

describe('the addresses of caddy-security’s portal lead to ours', async () => {
  const gate = keep(await startGate(portalWith('compat = "caddy-security"') + routeForUsers(app, 'app.example')))
  test.each([
    ['/auth', '/.sallyport/'],
    ['/auth/', '/.sallyport/'],
    ['/auth/portal', '/.sallyport/'],
    ['/auth/whoami', '/.sallyport/me'],
    ['/auth/login', '/.sallyport/login?return=%2F'],
    ['/auth/login?redirect_url=/a%3Fb', '/.sallyport/login?return=%2Fa%3Fb'],
    ['/auth/login?redirect_url=https://evil.example/', '/.sallyport/login?return=%2F'],
    ['/auth/oauth2/generic', '/.sallyport/login?return=%2F'],
    ['/auth/logout', '/.sallyport/signed-out'],
  ])('%s to %s', async (path, location) => expect(await at(gate, 'app.example', path)).toEqual([302, location]))
  test.each(['/auth/other', '/auth/oauth2/a/b', '/authx', '/login'])('and %s is the application’s', async path => {
    const [status, location] = await at(gate, 'app.example', path)
    expect([status, location]).toEqual([302, `/.sallyport/login?return=${encodeURIComponent(path)}`])
  })
})

test('on a host of its own they have no prefix, and applications keep their paths', async () => {
  const portal = portalWith('url = "http://auth.example"\ncompat = { program = "caddy-security", prefix = "/" }')
  await using gate = await startGate(
    portal +
      routeTo(app, 'app.example', 'portal = "home"\nallow = "public"') +
      routeForUsers(app, 'app.example', 'path = "/in"'),
  )
  expect(await at(gate, 'auth.example', '/portal')).toEqual([302, '/.sallyport/'])
  expect(await at(gate, 'auth.example', '/login')).toEqual([302, '/.sallyport/login?return=%2F'])
  expect(await at(gate, 'auth.example', '/logout')).toEqual([302, '/.sallyport/signed-out'])
  for (const path of ['/login', '/logout', '/portal']) {
    expect(await at(gate, 'app.example', path)).toEqual([200, null])
  }
})

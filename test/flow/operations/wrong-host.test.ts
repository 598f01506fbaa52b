import { expect, setDefaultTimeout } from 'bun:test'
import { needs } from '../../kit/needs.ts'
import { HOSTS } from '../../kit/programs/recipe-routes.ts'
import { changed, openSpoiled, type ProxyName } from '../../kit/programs/recipes.ts'
import { PAGE } from '../../kit/verify.ts'

const { describe, test } = needs('nginx', 'caddy', 'haproxy')

setDefaultTimeout(300_000)

/** A proxy in front that hands over another host, the page that shows it, and what an admin reads there. */
const CASES: readonly (readonly [ProxyName, spoil: (text: string) => string, path: string, says: string])[] = [
  [
    'nginx',
    changed([/(# For Sallyport.*\n) +proxy_set_header Host .*\n +proxy_set_header X-Forwarded-Host .*\n/, '$1']),
    '/.sallyport/',
    'no portal serves 127.0.0.1',
  ],
  [
    'Caddy',
    changed([/(uri \/\.sallyport\/verify\n\t+header_up X-Forwarded-Host ).*/, '$1{upstream_hostport}']),
    '/x',
    'Host and X-Forwarded-Host name different hosts',
  ],
  [
    'Caddy',
    changed([
      /^app\.example\.com \{\n/,
      'app.example.com {\n\tforward_auth sallyport:9080 {\n\turi /.sallyport/verify\n\theader_up X-Forwarded-Host {http.request.hostport}\n\t}\n',
    ]),
    '/.sallyport/',
    'a verdict was asked for about a page of our own',
  ],
  [
    'HAProxy',
    changed([/(backend app\n)/, '$1    http-request set-header Host wrong\n']),
    '/x',
    'no route serves wrong/x',
  ],
]

describe.each([...CASES])('the page of a failure where %s hands over the wrong thing', (name, spoil, path, says) => {
  test(`${name}: "${says}" is for an admin to read, and for nobody else`, async () => {
    await using stand = await openSpoiled(name, spoil)
    const open = async (groups: readonly string[]) => {
      const { cookie } = await stand.gate.signIn(HOSTS.app, { sub: groups.join(), groups })
      return stand.ask(path, [`Cookie: ${cookie}`, ...PAGE])
    }
    const admin = await open(['users', 'admins'])
    expect([400, 404]).toContain(admin.status)
    expect(admin.body).toContain(says)
    expect(admin.body).toContain('let the proxy in front')
    for (const other of [await open(['users']), await stand.ask(path, PAGE)]) {
      expect(other.status).toBe(admin.status)
      expect(other.body).toContain('<html')
      expect(other.body).not.toContain(says)
      expect(other.body).not.toContain('let the proxy in front')
    }
    const { cookie } = await stand.gate.signIn(HOSTS.app, { sub: 'ada', groups: ['admins'] })
    expect((await stand.ask(path, [`Cookie: ${cookie}`])).body).not.toContain('let the proxy in front')
    // What a service worker passes on, or a script that claims to be one, the application reads as well.
    for (const mode of ['navigate', 'same-origin']) {
      const worker = [`Sec-Fetch-Mode: ${mode}`, 'Sec-Fetch-Dest: empty', 'Upgrade-Insecure-Requests: 1']
      const { body } = await stand.ask(path, [`Cookie: ${cookie}`, 'Accept: text/html', ...worker])
      expect(body).toContain('<html')
      expect(body).not.toContain('let the proxy in front')
    }
  })
})

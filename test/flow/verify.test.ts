import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runTokens } from '../../src/cli/tokens.ts'
import { BrowserLite } from '../kit/browser-lite.ts'
import { freePort } from '../kit/child.ts'
import { quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { type Front, startCaddy, startNginx } from '../kit/front.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { runIn } from '../kit/io.ts'
import { startProvider, type TestProvider } from '../kit/provider.ts'
import { sendRaw } from '../kit/wire.ts'

const README = readFileSync(join(import.meta.dir, '../../README.md'), 'utf8')

/** The hosts behind the proxy in front: of a portal with a host of its own, and of one that lives on the host itself. */
const APP = 'app.example.com'
const OWN = 'own.example.com'
const AUTH = 'auth.example.com'

let provider: TestProvider
let application: Bun.Server<undefined>
let gate: Gate
let folder: ReturnType<typeof temporaryFolder>
const fronts = new Map<string, Front>()
/** The fields of every request that the application got. */
const seen: Record<string, string>[] = []

/** The README's own text for this proxy, on our ports, for a host and for the portal's. */
function snippet(language: string, port: number): string {
  const block = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\n\`\`\``).exec(README)?.[1]
  if (block === undefined) throw new Error(`the README has nothing for ${language}`)
  return block
    .replaceAll('sallyport:8080', `127.0.0.1:${gate.port}`)
    .replaceAll('sallyport:9080', `127.0.0.1:${gate.verifyPort}`)
    .replaceAll('app:3000', `127.0.0.1:${application.port}`)
    .replace('listen 80;', `listen 127.0.0.1:${port};`)
    .replace(/^app\.example\.com \{/m, `http://app.example.com:${port} {\n    bind 127.0.0.1`)
}

const onBoth = (text: string) => `${text}\n${text.replaceAll(APP, OWN)}`

beforeAll(async () => {
  folder = temporaryFolder()
  provider = await startProvider({
    clients: [{ client_id: 'gate', client_secret: 'gate-secret' }],
    accounts: [
      {
        sub: 'ada',
        name: 'Ada',
        preferred_username: 'ada',
        email: 'ada@example.com',
        email_verified: true,
        groups: ['admins', 'users'],
      },
      {
        sub: 'grace',
        name: 'Grace',
        preferred_username: 'grace',
        email: 'grace@example.com',
        email_verified: true,
        groups: ['users'],
      },
      {
        sub: 'guest',
        name: 'Guest',
        preferred_username: 'gäst',
        email: 'guest@example.org',
        email_verified: true,
        groups: [],
      },
    ],
  })
  for (const host of [AUTH, OWN]) provider.allowRedirect(`http://${host}/.sallyport/callback`)
  application = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      seen.push({ ...Object.fromEntries(request.headers), ':method': request.method, ':body': await request.text() })
      const { pathname, search } = new URL(request.url)
      return new Response(`${request.headers.get('remote-user') || 'nobody'} sees ${pathname}${search}`)
    },
  })
  const route = (host: string, portal: string, more: string) =>
    `[[routes]]\nhost = "${host}"\nverify = true\nportal = "${portal}"\nheaders = "remote"\n${more}\n`
  const portal = (name: string, more: string) =>
    `[portals.${name}]\nproviders = ["id"]\ninsecure_cookies = true\n${more}\n[portals.${name}.roles]\nuser = { groups = ["users"] }\nadmin = { groups = ["admins"] }\n`
  gate = await startGate(
    `
[providers.id]
issuer = "${provider.issuer}"
client_id = "gate"
client_secret = "gate-secret"

${portal('home', `url = "http://${AUTH}"`)}
${portal('own', '')}
${[
  [APP, 'home'],
  [OWN, 'own'],
]
  .map(([host = '', name = '']) =>
    [
      route(host, name, 'allow = ["user"]\ntokens = true'),
      route(host, name, 'path = "/admin"\nallow = ["admin"]'),
      route(host, name, 'path = "/open"\nallow = "public"'),
      route(host, name, 'path = "/fresh"\nallow = [{ roles = ["user"], max_age = "1m" }]'),
      route(host, name, 'path = "/read"\nallow = ["user"]\nmethods = ["GET"]'),
    ].join('\n'),
  )
  .join('\n')}`,
    { server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"' },
  )
  const nginxPort = await freePort()
  const nginxPortal = `server { listen 127.0.0.1:${nginxPort}; server_name ${AUTH}; location / { proxy_pass http://127.0.0.1:${gate.port}; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; } }`
  fronts.set(
    'nginx',
    await startNginx(folder.path, nginxPort, `${onBoth(snippet('nginx', nginxPort))}\n${nginxPortal}`),
  )
  const caddyPort = await freePort()
  const caddyPortal = `http://${AUTH}:${caddyPort} {\n bind 127.0.0.1\n reverse_proxy 127.0.0.1:${gate.port}\n}`
  fronts.set(
    'Caddy',
    await startCaddy(folder.path, caddyPort, `${onBoth(snippet('caddyfile', caddyPort))}\n${caddyPortal}`),
  )
})

afterAll(async () => {
  for (const front of fronts.values()) await front[Symbol.asyncDispose]()
  await gate[Symbol.asyncDispose]()
  await application.stop(true)
  await provider.stop()
  folder[Symbol.dispose]()
})

describe.each(['nginx', 'Caddy'])('behind %s, as the README has it', name => {
  const port = () => fronts.get(name)?.port ?? 0
  function browser(): BrowserLite {
    const at = `127.0.0.1:${port()}`
    return new BrowserLite({ hosts: { [APP]: at, [OWN]: at, [AUTH]: at } })
  }
  /** A request of a program, with these raw lines among its fields; answers what came back and what the application saw. */
  async function ask(path: string, lines: readonly string[] = [], method = 'GET', host = APP) {
    const before = seen.length
    const head = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines]
    const answer = await sendRaw(port(), `${head.join('\r\n')}\r\n\r\n`, { until: () => false })
    return { status: answer.status, body: answer.body.toString('utf8'), answer, saw: seen.slice(before) }
  }

  test.each([APP, OWN])(
    'someone signs in, comes back to the page of %s they asked for, and is told to the application',
    async host => {
      const tab = browser()
      const page = await tab.signIn(`http://${host}/deep/link?q=1&r=%2Fx`, 'grace')
      expect([page.response.status, page.text]).toEqual([200, 'grace sees /deep/link?q=1&r=%2Fx'])
      expect(page.address.href).toBe(`http://${host}/deep/link?q=1&r=%2Fx`)
      const fields = seen.at(-1) ?? {}
      expect(fields['remote-groups']).toBe('users')
      expect(fields.cookie ?? '').not.toContain('sallyport')
    },
  )

  test('what a role is missing for is a page of ours, with who they are', async () => {
    const tab = browser()
    await tab.signIn(`http://${APP}/`, 'grace')
    const before = seen.length
    const page = await tab.open(`http://${APP}/admin/x`)
    expect(page.response.status).toBe(403)
    expect(page.text).toContain('Grace')
    expect(page.text).toContain('admin')
    expect(seen.length).toBe(before)
    expect((await browser().signIn(`http://${APP}/admin/x`, 'ada')).text).toBe('ada sees /admin/x')
  })

  test('signing out ends it at once, and a rule that wants a newer sign-in asks for one', async () => {
    const tab = browser()
    await tab.signIn(`http://${APP}/`, 'grace')
    expect((await tab.open(`http://${APP}/fresh`)).text).toBe('grace sees /fresh')
    const out = await tab.submit(await tab.open(`http://${APP}/.sallyport/logout`))
    expect(out.response.status).toBe(200)
    const again = await tab.visit(`http://${APP}/`)
    expect([again.status, again.headers.get('location')?.includes('/.sallyport/login')]).toEqual([302, true])
  })

  test('programs get a status and never a redirect, and the application sees nothing of them', async () => {
    for (const lines of [
      [],
      ['Accept: */*', 'X-Requested-With: XMLHttpRequest'],
      ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty'],
    ]) {
      const { status, body, saw } = await ask('/', lines)
      expect([lines, status, saw]).toEqual([lines, 401, []])
      expect(body).toContain('access.sign_in')
    }
  })

  test('a public path passes without a name, whatever the client says of itself', async () => {
    const forged = ['Remote-User: admin', 'Remote-Groups: admins', 'Remote-Name: Admin']
    const { status, body, saw } = await ask('/open/x', forged)
    expect(status).toBe(200)
    expect(body).toBe('nobody sees /open/x')
    expect(saw[0]?.['remote-user'] ?? '').toBe('')
    expect(saw[0]?.['remote-groups'] ?? '').toBe('')
  })

  test('a body is the application’s alone, and a method that a route does not list is not let through', async () => {
    const tab = browser()
    await tab.signIn(`http://${APP}/`, 'grace')
    const sent = await tab.visit(`http://${APP}/form`, { method: 'POST', body: 'a=1' })
    expect(sent.status).toBe(200)
    expect(seen.at(-1)).toMatchObject({ ':method': 'POST', ':body': 'a=1', 'remote-user': 'grace' })
    const before = seen.length
    expect((await tab.visit(`http://${APP}/read`, { method: 'POST', body: 'a=1' })).status).toBe(405)
    expect(seen.length).toBe(before)
  })

  test('cookies and credentials of the application’s own reach it, ours do not', async () => {
    const tab = browser()
    await tab.signIn(`http://${APP}/`, 'grace')
    tab.plant(APP, 'theme', 'dark')
    await tab.visit(`http://${APP}/`, { headers: { authorization: 'Bearer the-application-s' } })
    expect(seen.at(-1)).toMatchObject({ cookie: 'theme=dark', authorization: 'Bearer the-application-s' })
  })

  test('a token is taken where the route says so, and goes no further', async () => {
    const argv = [
      'create',
      '--json',
      '--name',
      'n',
      '--portal',
      'home',
      '--service',
      'backup',
      '--roles',
      'user',
      '--path',
      '/api',
    ]
    const { out } = await runIn(gate.folder, io => runTokens(argv, io, { ...io, ...quietPorts({ now: Date.now }) }))
    const { token } = JSON.parse(out)
    const taken = await ask('/api/x', [`Authorization: Bearer ${token}`])
    expect([taken.status, taken.body]).toEqual([200, 'nobody sees /api/x'])
    expect(JSON.stringify(taken.saw)).not.toContain(token)
    const elsewhere = await ask('/x', [`Authorization: Bearer ${token}`])
    expect([elsewhere.status, elsewhere.saw]).toEqual([403, []])
  })

  const STATEMENTS: readonly (readonly string[])[] = [
    ['X-Forwarded-Uri: /open'],
    ['X-Forwarded-Method: OPTIONS', 'X-Forwarded-Uri: /open'],
    ['X-Original-URL: http://app.example.com/open', 'X-Original-Method: GET'],
    ['X-Original-URI: /open', 'X-Rewrite-URL: /open', 'X-Forwarded-Path: /open'],
    ['X-Forwarded-Host: open.example.com'],
    ['X-Forwarded-Host: own.example.com', 'X-Forwarded-Uri: /open'],
    ['Forwarded: host=app.example.com;proto=https', 'X-Forwarded-Uri: /open', 'X-Forwarded-Uri: /open'],
    ['X_Forwarded_Uri: /open', 'X.Original.URL: http://app.example.com/open'],
    ['Connection: X-Original-URL, X-Forwarded-Uri', 'X-Forwarded-Uri: /open'],
    ['X-HTTP-Method-Override: GET'],
  ]
  test.each(STATEMENTS.map(lines => [lines] as const))(
    'a client that states another request (%p) is judged by its own',
    async lines => {
      for (const path of ['/', '/admin', '/open/../admin']) {
        const { status, saw } = await ask(path, lines)
        expect([path, status >= 400 && status < 500, saw]).toEqual([path, true, []])
      }
    },
  )

  test('what the application could read as another route’s path is not let through', async () => {
    const paths = [
      '//admin',
      '/open/..%2fadmin',
      '/open/%2e%2e/admin',
      '/open;/../admin',
      '/open%2f..%2fadmin',
      '/open//..//admin',
      '/open\\..\\admin',
      '/%6fpen/..;/admin',
      '/open/%zz',
      '/open%00/x',
      '/open/../%61dmin',
    ]
    for (const path of paths) {
      const { status, saw } = await ask(path)
      expect([path, status >= 400 || (status >= 300 && status < 400), saw]).toEqual([path, true, []])
    }
  })
})

test('the access log tells of the request that was asked about, and who sent it', async () => {
  await Bun.sleep(0)
  const records = () => gate.access.filter(line => line.includes('/deep/link'))
  expect(records().some(line => line.includes('grace') && line.includes('204'))).toBe(true)
})

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { runTokens } from '../../src/cli/tokens.ts'
import { quietPorts } from '../kit/clock.ts'
import { eventually } from '../kit/gate.ts'
import { runIn } from '../kit/io.ts'
import { startProvider, type TestProvider } from '../kit/provider.ts'
import { HOSTS, openRecipeStand, PROXIES, type RecipeStand } from '../kit/recipes.ts'
import type { Received } from '../kit/telling-app.ts'
import { askForWebSocket, frameBytes, framesIn } from '../kit/websocket-wire.ts'
import { openWire, sendRaw, type WireResponse } from '../kit/wire.ts'

setDefaultTimeout(60_000)

let provider: TestProvider
const stands = new Map<string, RecipeStand>()

beforeAll(async () => {
  provider = await startProvider({
    clients: [{ client_id: 'gate', client_secret: 'gate-secret' }],
    accounts: [
      { sub: 'ada', name: 'Ada', preferred_username: 'ada', email: 'ada@example.com', groups: ['admins', 'users'] },
      { sub: 'grace', name: 'Grace', preferred_username: 'grace', email: 'grace@example.com', groups: ['users'] },
    ],
  })
  for (const name of PROXIES) stands.set(name, await openRecipeStand(name, provider))
})

afterAll(async () => {
  for (const stand of stands.values()) await stand[Symbol.asyncDispose]()
  await provider.stop()
})

interface Asked {
  readonly status: number
  readonly body: string
  readonly answer: WireResponse
  /** What applications got of it. */
  readonly saw: readonly Received[]
}

describe.each([...PROXIES])('docs/recipes for %s', name => {
  function stand(): RecipeStand {
    const found = stands.get(name)
    if (found === undefined) throw new Error(`${name} was not started`)
    return found
  }
  /** A request of a program with these raw lines among its fields, on a connection of its own. */
  async function ask(
    target: string,
    lines: readonly string[] = [],
    more: { method?: string; host?: string; body?: string } = {},
  ) {
    const { app, port } = stand()
    const before = app.received.length
    const host = more.host ?? `${HOSTS.app}:${port}`
    const head = [`${more.method ?? 'GET'} ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines]
    const answer = await sendRaw(port, `${head.join('\r\n')}\r\n\r\n${more.body ?? ''}`, {
      until: () => false,
      timeoutMs: 20_000,
    })
    const body = answer.body.toString('utf8')
    return { status: answer.status, body, answer, saw: app.received.slice(before) } satisfies Asked
  }
  const isRefused = ({ status, saw }: Asked) => (status === 0 || status >= 300) && status < 500 && saw.length === 0
  /** The cookie of someone who is signed in at an application, as a field. */
  async function cookieOf(sub: string, application: keyof typeof HOSTS = 'app', groups: readonly string[] = ['users']) {
    const { gate } = stand()
    const { cookie } = await gate.signIn(HOSTS[application], { sub, preferred_username: sub, groups })
    return `Cookie: ${cookie}`
  }

  describe('people', () => {
    test.each(['app', 'own'] as const)(
      'sign in, come back to the page of "%s" that they asked for, and are told to the application',
      async application => {
        const { app, address, browser } = stand()
        const tab = browser()
        const asked = address(application, '/deep/link?q=1&r=%2Fx')
        const page = await tab.signIn(asked, 'grace')
        expect([page.response.status, page.text]).toEqual([200, 'grace sees /deep/link?q=1&r=%2Fx'])
        expect(page.address.href).toBe(asked)
        const { fields } = app.received.at(-1) ?? {}
        expect(fields).toMatchObject({ 'remote-user': 'grace', 'remote-name': 'Grace', 'remote-groups': 'users' })
        expect(fields?.cookie).toBeUndefined()
        expect(fields?.authorization).toBeUndefined()
      },
    )

    test('a role that is missing is a page of ours, with who they are', async () => {
      const { app, address, browser } = stand()
      const tab = browser()
      await tab.signIn(address('app'), 'grace')
      const before = app.received.length
      const page = await tab.open(address('app', '/admin/x'))
      expect([page.response.status, app.received.length]).toEqual([403, before])
      expect(page.text).toContain('Grace')
      expect(page.text).toContain('admin')
      expect((await browser().signIn(address('app', '/admin/x'), 'ada')).text).toBe('ada sees /admin/x')
    })

    test('signing out ends it at once, and a rule that wants a newer sign-in asks for one', async () => {
      const { address, browser } = stand()
      const tab = browser()
      await tab.signIn(address('app'), 'grace')
      expect((await tab.open(address('app', '/fresh'))).text).toBe('grace sees /fresh')
      const out = await tab.submit(await tab.open(address('app', '/.sallyport/logout')))
      expect(out.response.status).toBe(200)
      const again = await tab.visit(address('app'))
      expect([again.status, again.headers.get('location')?.includes('/.sallyport/login')]).toEqual([302, true])
    })

    test('a body is the application’s alone, and a method that a route does not list is not let through', async () => {
      const { app, address, browser } = stand()
      const tab = browser()
      await tab.signIn(address('app'), 'grace')
      const sent = await tab.visit(address('app', '/form'), { method: 'POST', body: 'a=1' })
      expect(sent.status).toBe(200)
      expect(app.received.at(-1)).toMatchObject({ method: 'POST', body: 'a=1', target: '/form' })
      const before = app.received.length
      expect((await tab.visit(address('app', '/read'), { method: 'POST', body: 'a=1' })).status).toBe(405)
      expect(app.received.length).toBe(before)
    })

    test('cookies and credentials of the application’s own reach it, ours do not', async () => {
      const lines = [`${await cookieOf('grace')}; theme=dark`, 'Authorization: Bearer the-application-s']
      const { saw } = await ask('/', lines)
      expect(saw[0]?.fields).toMatchObject({ cookie: 'theme=dark', authorization: 'Bearer the-application-s' })
    })
  })

  describe('programs', () => {
    test('get a status and never a redirect, and the application sees nothing of them', async () => {
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

    test('a token is taken where the route says so, and goes no further', async () => {
      const argv = ['create', '--json', '--name', 'n', '--portal', 'home', '--service', 'backup', '--roles', 'user']
      const create = [...argv, '--path', '/api']
      const { gate } = stand()
      const { out } = await runIn(gate.folder, io => runTokens(create, io, { ...io, ...quietPorts({ now: Date.now }) }))
      const { token } = JSON.parse(out)
      for (const field of [`Authorization: Bearer ${token}`, `X-Sallyport-Token: ${token}`]) {
        const taken = await ask('/api/x', [field])
        expect([field, taken.status, taken.body]).toEqual([field, 200, 'nobody sees /api/x'])
        expect(JSON.stringify(taken.saw)).not.toContain(token)
        const elsewhere = await ask('/x', [field])
        expect([elsewhere.status, elsewhere.saw]).toEqual([403, []])
      }
      const open = await ask('/open', [`X-Sallyport-Token: ${token}`])
      expect(JSON.stringify(open.saw)).not.toContain(token)
    })

    test('a preflight passes where the route says so, and nothing that only looks like one', async () => {
      const preflight = ['Origin: https://page.example', 'Access-Control-Request-Method: PUT']
      expect((await ask('/cors', preflight, { method: 'OPTIONS' })).status).toBe(200)
      for (const lines of [
        ['X-HTTP-Method-Override: DELETE'],
        ['Content-Length: 3'],
        ['Content-Length: 3', 'Content-Type: text/plain'],
      ]) {
        const body = lines[0] === 'Content-Length: 3' ? 'a=1' : ''
        const asked = await ask('/cors', [...preflight, ...lines], { method: 'OPTIONS', body })
        expect([lines, isRefused(asked)]).toEqual([lines, true])
      }
      expect(isRefused(await ask('/', preflight, { method: 'OPTIONS' }))).toBe(true)
    })
  })

  describe('a client that says who it is', () => {
    const names = ['User', 'Name', 'Email', 'Groups'].flatMap(part =>
      ['-', '_', '.'].flatMap(dash => [`Remote${dash}${part}`, `remote${dash}${part}`.toUpperCase()]),
    )

    test.each(names)('%s arrives in no spelling, on a public path, as nobody and as somebody', async field => {
      const grace = await cookieOf('grace')
      for (const [target, lines] of [
        ['/open/x', []],
        ['/open/x', [grace]],
        ['/x', [grace]],
      ] as const) {
        const { status, saw } = await ask(target, [...lines, `${field}: forged`])
        expect(JSON.stringify(saw)).not.toContain('forged')
        // Other spellings are refused, or dropped by the proxy; our own are written over.
        if (field.includes('-')) expect([target, status]).toEqual([target, 200])
      }
    })

    test('nothing that is not known arrives as an empty field', async () => {
      const { fields } = (await ask('/open/x', ['Cookie: sallyport=junk', 'Remote-User: forged'])).saw[0] ?? {}
      expect(fields).toBeDefined()
      for (const one of ['cookie', 'authorization', 'remote-user', 'remote-name', 'remote-email', 'remote-groups']) {
        expect([one, fields?.[one]]).toEqual([one, undefined])
      }
    })
  })

  describe('a client that states another request', () => {
    const statements: readonly (readonly string[])[] = [
      ['X-Forwarded-Uri: /open'],
      ['X-Forwarded-Method: OPTIONS', 'X-Forwarded-Uri: /open'],
      ['X-Original-URL: http://app.example.com/open', 'X-Original-Method: GET'],
      ['X-Original-URI: /open', 'X-Rewrite-URL: /open', 'X-Forwarded-Path: /open'],
      ['X-Forwarded-Host: open.example.com'],
      ['X-Forwarded-Host: own.example.com', 'X-Forwarded-Uri: /open'],
      ['X-Forwarded-Prefix: /open', 'X-Original-Body: 0'],
      ['X-Forwarded-For: 127.0.0.1', 'X-Real-IP: 127.0.0.1'],
      ['Forwarded: host=open.example.com;proto=https', 'X-Forwarded-Uri: /open', 'X-Forwarded-Uri: /open'],
      ['X_Forwarded_Uri: /open', 'X_Forwarded_Host: open.example.com', 'X.Original.URL: http://app.example.com/open'],
      ['Connection: X-Original-URL, X-Forwarded-Uri, X-Forwarded-Host', 'X-Forwarded-Uri: /open'],
      ['X-HTTP-Method-Override: GET'],
    ]
    test.each(statements.map(lines => [lines] as const))('is judged by its own: %p', async lines => {
      for (const target of ['/', '/admin', '/open/../admin', '/admin/../open/../admin']) {
        expect([target, isRefused(await ask(target, lines))]).toEqual([target, true])
      }
    })

    test('another host in the address than in Host is judged as what is served, and reaches nothing else', async () => {
      const { port } = stand()
      const grace = await cookieOf('grace')
      for (const [target, host] of [
        [`http://${HOSTS.adm}/secret`, `${HOSTS.app}:${port}`],
        [`http://${HOSTS.adm}:${port}/secret`, `${HOSTS.app}:${port}`],
        [`http://${HOSTS.adm}/secret`, `${HOSTS.open}:${port}`],
        [`http://${HOSTS.adm}/secret`, 'answered.example.com'],
        [`http://${HOSTS.adm}/secret`, 'x.wide.example.com'],
        ['http://x.wide.example.com/secret', HOSTS.adm],
        [`HTTP://${HOSTS.adm.toUpperCase()}/secret`, HOSTS.open],
        [`http://x@${HOSTS.adm}/secret`, HOSTS.open],
        [`http://${HOSTS.app}/admin`, HOSTS.open],
      ] as const) {
        for (const lines of [[], [grace]]) {
          const { saw } = await ask(target, lines, { host })
          expect([target, host, saw]).toEqual([target, host, []])
        }
      }
      // The other way round there is nothing to gain: whoever may see the public one sees that.
      for (const { application } of (await ask(`http://${HOSTS.open}/x`, [], { host: HOSTS.adm })).saw) {
        expect(application).toBe('open')
      }
    })

    test('a host that the proxy does not serve reaches no application', async () => {
      const { port } = stand()
      const grace = await cookieOf('grace')
      for (const host of [
        'answered.example.com',
        'nowhere.example.com',
        'x.wide.example.com',
        `127.0.0.1:${port}`,
        '',
        `${HOSTS.open}.evil.example`,
        `evil-${HOSTS.open}`,
      ]) {
        const { saw } = await ask('/secret', [grace], { host })
        expect([host, saw]).toEqual([host, []])
      }
      const two = await ask('/secret', [`Host: ${HOSTS.open}`, grace], { host: HOSTS.adm })
      for (const { application } of two.saw) expect(application).toBe('open')
    })
  })

  test('what the application could read as another route’s path is not let through', async () => {
    const grace = await cookieOf('grace')
    for (const target of [
      '//admin',
      '/open/..%2fadmin',
      '/open/%2e%2e/admin',
      '/open;/../admin',
      '/open%2f..%2fadmin',
      '/open//..//admin',
      '/open\\..\\admin',
      '/%6fpen/..;/admin',
      '/%61dmin',
      '/ADMIN',
      '/admin;x',
      '/open/%zz',
      '/open%00/x',
      '/open/../%61dmin',
      '/.sallyport/../admin',
      '/.sallyport/%2e%2e/admin',
      '/.sallyport/..;/admin',
    ]) {
      for (const lines of [[], [grace]]) {
        const { status, saw } = await ask(target, lines)
        const seen = saw.map(one => one.target)
        expect([target, status === 0 || status >= 300, seen]).toEqual([target, true, []])
      }
    }
  })

  test('whoever asks for a verdict through the proxy gets none', async () => {
    const { app } = stand()
    const before = app.received.length
    for (const page of [
      'verify',
      'verify/nginx',
      'verify/traefik',
      'verify/envoy/',
      'verify/',
      'verify?x',
      'x/../verify',
    ]) {
      const grace = await cookieOf('grace')
      for (const lines of [
        [grace],
        [grace, 'X-Forwarded-Method: GET', 'X-Forwarded-Uri: /', `X-Forwarded-Host: ${HOSTS.app}`],
        [grace, 'X-Original-Method: GET', `X-Original-URL: http://${HOSTS.app}/`],
      ]) {
        const { status, answer } = await ask(`/.sallyport/${page}`, lines)
        expect([page, status, answer.field('remote-user')]).toEqual([page, 404, null])
      }
    }
    expect(app.received.length).toBe(before)
  })

  test('a WebSocket opens for whoever may pass, and for no page of another site', async () => {
    const { port } = stand()
    const host = `${HOSTS.app}:${port}`
    const grace = await cookieOf('grace')
    const refused = await sendRaw(port, askForWebSocket(host, '/socket', [grace, 'Origin: https://evil.example']))
    // nginx looks at the status, and then asks for the page of it: by then there is nothing to be refused but the application.
    expect(refused.status).toBe(name === 'nginx' ? 404 : 403)
    expect((await sendRaw(port, askForWebSocket(host, '/socket'))).status).toBe(401)
    const wire = await openWire(port)
    try {
      await wire.send(askForWebSocket(host, '/socket', [grace, `Origin: http://${host}`]))
      const head = await wire.receive({ until: bytes => bytes.includes('\r\n\r\n') })
      expect(head.status).toBe(101)
      await wire.send(
        frameBytes({ opcode: 1, payload: Buffer.from('hello'), isFinal: true, reserved: 0 }, Buffer.from('mask')),
      )
      const frames = () => framesIn(wire.received.subarray(wire.received.indexOf('\r\n\r\n') + 4))
      await wire.receive({ until: () => frames().length > 0, timeoutMs: 20_000 })
      expect(frames().map(({ payload }) => Buffer.from(payload).toString())).toEqual(['echo hello'])
    } finally {
      wire.close()
    }
  })

  test('an event stream shows each event when it happens', async () => {
    const { port } = stand()
    const wire = await openWire(port)
    try {
      await wire.send(`GET /events HTTP/1.1\r\nHost: ${HOSTS.app}:${port}\r\n${await cookieOf('grace')}\r\n\r\n`)
      const answer = await wire.receive({ until: bytes => bytes.includes('data: first'), timeoutMs: 20_000 })
      expect(answer.status).toBe(200)
    } finally {
      wire.close()
    }
  })

  test('the access log tells of the request that was asked about, and who sent it', async () => {
    await ask('/logged/once', [await cookieOf('grace')])
    const { gate } = stand()
    const records = () => gate.access.filter(line => line.includes('/logged/once') && line.includes('grace'))
    await eventually(() => records().length > 0, 'the access log has it')
    expect(records()).toHaveLength(1)
  })
})

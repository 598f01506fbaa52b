import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createToken } from '../../kit/commands.ts'
import { eventually } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { HOSTS } from '../../kit/programs/recipe-routes.ts'
import {
  changed,
  describeEach,
  isRefused,
  openRecipes,
  openSpoiled,
  proxyTests,
  type RecipeStand,
} from '../../kit/programs/recipes.ts'
import { askForWebSocket, frameBytes, framesIn } from '../../kit/wire/websocket.ts'
import { openWire, sendRaw } from '../../kit/wire/wire.ts'

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const recipes = keep(await openRecipes())

describeEach('docs/recipes for %s', name => {
  /** Whether it shows pages of its own: then a page load and a program are sent to sign in alike. */
  const isMute = name === 'ingress-nginx'
  const stand = () => recipes.stand(name)
  const ask: RecipeStand['ask'] = (...asked) => stand().ask(...asked)
  const cookieOf: RecipeStand['cookieOf'] = (...whose) => stand().cookieOf(...whose)

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
      if (!isMute) {
        expect(page.text).toContain('Grace')
        expect(page.text).toContain('admin')
      }
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
      expect((await tab.visit(address('app', '/read'), { method: 'POST', body: 'a=1' })).status).toBe(
        isMute ? 403 : 405,
      )
      expect(app.received.length).toBe(before)
    })

    test('cookies and credentials of the application’s own reach it, ours do not', async () => {
      const lines = [`${await cookieOf('grace')}; theme=dark`, 'Authorization: Bearer the-application-s']
      const { saw } = await ask('/', lines)
      expect(saw[0]?.fields).toMatchObject({ cookie: 'theme=dark', authorization: 'Bearer the-application-s' })
    })
  })

  describe('programs', () => {
    test('get a status, and a redirect only where there are no pages of ours, and the application sees nothing of them', async () => {
      for (const lines of [
        [],
        ['Accept: */*', 'X-Requested-With: XMLHttpRequest'],
        ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty'],
      ]) {
        const { status, body, saw } = await ask('/', lines)
        expect([lines, status, saw]).toEqual([lines, isMute ? 302 : 401, []])
        if (!isMute) expect(body).toContain('access.sign_in')
      }
    })

    test('a token is taken where the route says so, and goes no further', async () => {
      const { token } = await createToken(stand().gate, ['--path', '/api'])
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
        const body = lines[0]?.startsWith('Content-Length') ? 'a=1' : ''
        const asked = await ask('/cors', [...preflight, ...lines], { method: 'OPTIONS', body })
        expect([lines, isRefused(asked)]).toEqual([lines, true])
      }
      expect(isRefused(await ask('/', preflight, { method: 'OPTIONS' }))).toBe(true)
    })
  })

  test('a WebSocket opens for whoever may pass, and for no page of another site', async () => {
    const { port } = stand()
    const host = `${HOSTS.app}:${port}`
    const grace = await cookieOf('grace')
    const refused = await sendRaw(port, askForWebSocket(host, '/socket', [grace, 'Origin: https://evil.example']))
    // nginx looks at the status, and then asks for the page of it: by then there is nothing to be refused but the application.
    expect(refused.status).toBe(name === 'nginx' ? 404 : 403)
    expect((await sendRaw(port, askForWebSocket(host, '/socket'))).status).toBe(isMute ? 302 : 401)
    const wire = await openWire(port)
    try {
      await wire.send(askForWebSocket(host, '/socket', [grace, `Origin: http://${host}`]))
      const head = await wire.receive({ until: bytes => bytes.includes('\r\n\r\n') })
      expect(head.status).toBe(101)
      await wire.send(
        frameBytes({ opcode: 1, payload: Buffer.from('hello'), isFinal: true, reserved: 0 }, Buffer.from('mask')),
      )
      const frames = () => framesIn(wire.received.subarray(wire.received.indexOf('\r\n\r\n') + 4))
      await wire.receive({ until: () => frames().length > 0 })
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
      const answer = await wire.receive({ until: bytes => bytes.includes('data: first') })
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

proxyTests('Envoy').test('Envoy says that it cannot ask, and nobody passes', async () => {
  await using stand = await openSpoiled('Envoy', text => text)
  await stand.gate[Symbol.asyncDispose]()
  const { status, saw } = await stand.ask('/open/x')
  expect([status, saw]).toEqual([503, []])
})

proxyTests('Envoy').describe('Envoy that adds no fields to its question, as the Gateway API has it', () => {
  test('asks by its own request, whatever its client writes', async () => {
    const spoil = changed(
      [/^ +authorization_request:\n(?: +headers_to_add:\n)(?: +- \{.*\n)+/, ''],
      [/^ +- remove: x-.*\n/, ''],
    )
    await using stand = await openSpoiled('Envoy', spoil)
    const { ask, app, browser, address, cookieOf } = stand
    const page = await browser().signIn(address('app', '/deep/link?q=1'), 'grace')
    expect([page.response.status, page.text]).toEqual([200, 'grace sees /deep/link?q=1'])
    const before = app.received.length
    const grace = await cookieOf('grace')
    for (const field of [
      'X-Forwarded-Uri: /open',
      'X-Forwarded-Method: OPTIONS',
      `X-Forwarded-Host: ${HOSTS.open}`,
      'X-Original-URL: /open',
      'Accept: */*',
    ]) {
      for (const target of ['/admin', '/admin/../admin', '/open/../admin']) {
        expect([field, target, isRefused(await ask(target, [grace, field]))]).toEqual([field, target, true])
      }
    }
    expect(app.received.length).toBe(before)
    expect((await ask('/admin/../open/x')).saw.map(one => one.target)).toEqual(['/open/x'])
    expect((await ask('/open/x', ['Remote-User: root'])).body).toBe('nobody sees /open/x')
  })
})

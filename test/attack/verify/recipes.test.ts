import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { HOSTS } from '../../kit/programs/recipe-routes.ts'
import { describeEach, isRefused, openRecipes, type RecipeStand } from '../../kit/programs/recipes.ts'

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const recipes = keep(await openRecipes())

describeEach('docs/recipes for %s, against hostile clients', name => {
  const isTrusting = name === 'Traefik that trusts where clients are'
  const stand = () => recipes.stand(name)
  const ask: RecipeStand['ask'] = (...asked) => stand().ask(...asked)
  const cookieOf: RecipeStand['cookieOf'] = (...whose) => stand().cookieOf(...whose)

  describe('a client that says who it is', () => {
    const names = ['User', 'Name', 'Email', 'Groups', 'Provider'].flatMap(part =>
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
        if (field.includes('-') && !/provider/i.test(field)) expect([target, status]).toEqual([target, 200])
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

    test.each([
      'X-Forwarded-Prefix: /stated',
      'X-Forwarded-Port: 4711',
      'X_Forwarded_Prefix: /stated',
      'X_Forwarded_Port: 4711',
      'X.Forwarded.Prefix: /stated',
      'X.Forwarded.Port: 4711',
    ])('tells no application of another port or prefix: %s', async line => {
      for (const lines of [[], [await cookieOf('grace')]]) {
        const { status, saw } = await ask('/open/x', [...lines, line])
        expect([200, 400]).toContain(status)
        if (/^X-/.test(line)) expect(status).toBe(200)
        if (isTrusting && line.startsWith('X-Forwarded-Port')) continue
        expect(JSON.stringify(saw.map(({ fields }) => fields))).not.toMatch(/stated|\b4711\b/)
      }
    })

    test.each([
      'Forwarded',
      'Proxy',
      'True-Client-IP',
      'X-Client-IP',
      'X-Real-IP',
      'X-Host',
      'X-Original-URL',
      'X-Original-URI',
      'X-Original-Host',
      'X-Forwarded-Path',
      'X-Forwarded-Uri',
      'X-Forwarded-Scheme',
      'X-Forwarded-Server',
      'X-Forwarded-Ssl',
      'X-Scheme',
      'X-Url-Scheme',
      'Front-End-Https',
      'Transfer_encoding',
      'Content_Length',
      'X_Original_URL',
    ])('has %s reach no application', async field => {
      for (const lines of [[], [await cookieOf('grace')]]) {
        const { status, saw } = await ask('/open/x', [...lines, `${field}: /forged666`])
        expect([200, 400, 403, 404, 501]).toContain(status)
        // It was told to believe what comes from where clients are here, as it says addresses there.
        if (isTrusting && field === 'X-Real-IP') continue
        expect(JSON.stringify(saw.map(({ fields }) => fields))).not.toContain('forged666')
      }
    })

    // Envoy says in place of 127.0.0.1 the machine's own address, and without one 127.0.0.1 itself, which is believed here.
    const { test: testAddress } = name === 'Envoy' ? needs('an address of its own') : { test }
    testAddress('has the address that it comes from, whatever it says', async () => {
      if (name.endsWith('that trusts where clients are')) {
        // It was told to believe what they say of addresses, and so is Sallyport.
        expect((await ask('/inner', ['X-Forwarded-For: 10.1.2.3'])).status).toBe(200)
        return
      }
      for (const lines of [
        [],
        ['X-Forwarded-For: 10.1.2.3'],
        ['X-Forwarded-For: 10.1.2.3, 127.0.0.1', 'X-Real-IP: 10.1.2.3'],
        ['X_Forwarded_For: 10.1.2.3', 'Forwarded: for=10.1.2.3'],
        ['Connection: X-Forwarded-For', 'X-Forwarded-For: 10.1.2.3'],
      ]) {
        expect([lines, isRefused(await ask('/inner', lines))]).toEqual([lines, true])
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
      '/adm%C4%B1n',
      '/%EF%BD%81dmin/x',
      '/admin.',
      '/admin%20/x',
      '/admin::$INDEX_ALLOCATION',
      '/.sallyport/../admin',
      '/.sallyport/%2e%2e/admin',
      '/.sallyport/..;/admin',
    ]) {
      for (const lines of [[], [grace]]) {
        const { status, saw } = await ask(target, lines)
        const seen = saw.map(one => one.target)
        if (name === 'Envoy' && target === '/open//..//admin') {
          // It makes this the path of a public page, for the question and the application alike.
          expect([target, status, seen]).toEqual([target, 200, ['/open/admin']])
          continue
        }
        expect([target, status === 0 || status >= 300, seen]).toEqual([target, true, []])
      }
    }
  })

  test('what is copied arrives nowhere but where its sender may write', async () => {
    const grace = await cookieOf('grace')
    const copy = (destination: string, ...lines: readonly string[]) =>
      ask('/x', [grace, `Destination: ${destination}`, ...lines], { method: 'COPY' })
    for (const destination of ['/y', stand().address('app', '/y')]) {
      const { status, saw } = await copy(destination)
      expect([destination, status, saw.map(one => one.target)]).toEqual([destination, 200, ['/x']])
    }
    for (const destination of [
      '/admin/y',
      stand().address('app', '/ADMIN/y'),
      stand().address('app', '/read/y'),
      stand().address('adm', '/y'),
      'http://elsewhere.example/y',
      'y',
    ]) {
      expect([destination, isRefused(await copy(destination))]).toEqual([destination, true])
    }
    expect(isRefused(await copy('/y', 'If: </admin/y> (["e"])'))).toBe(true)
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
})

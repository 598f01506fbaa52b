import { describe, expect, test } from 'bun:test'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { portalWith, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Fields, fetchFrom } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'

const COMPAT = portalWith(
  'compat = { program = "oauth2-proxy", headers = "x-auth-request", ping_user_agent = "GoogleHC/1.0" }',
)
const ADA = { sub: 'ada', email: 'ada@corp.test', email_verified: true, groups: ['staff', 'admins'] }
const BOB = { sub: 'bob', email: 'Bob@Corp.test', email_verified: true, groups: ['staff'] }
const EVE = { sub: 'eve', email: 'ada@corp.test', email_verified: false, groups: ['staff'] }
const FIELDS = ['gap-auth', 'x-auth-request-user', 'x-auth-request-email', 'x-auth-request-groups'] as const

const keep = untilTheEnd()
const telling = keep(startTellingFields())
const storing = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: request =>
      new Response('kept', { headers: { 'cache-control': decodeURI(new URL(request.url).pathname.slice(1)) } }),
  }),
)
const routes = [
  routeTo(telling, 'app.example', 'portal = "home"\nallow = ["user"]\nheaders = "x-forwarded"'),
  routeTo(telling, 'app.example', 'path = "/open"\nportal = "home"\nallow = "public"\nheaders = "x-forwarded"'),
  routeTo(telling, 'parted.example', 'portal = "home"\nallow = ["user"]\nheaders = "x-forwarded"'),
  routeTo(telling, 'parted.example', 'path = "/admin"\nportal = "home"\nallow = ["admin"]\nheaders = "x-forwarded"'),
  routeTo(telling, 'open.example', 'portal = "home"\nallow = "public"\nheaders = "x-forwarded"'),
  routeTo(telling, 'silent.example', 'portal = "home"\nallow = ["user"]'),
  routeTo(storing, 'stored.example', 'portal = "home"\nallow = ["user"]\nheaders = "x-forwarded"'),
  routeTo(
    storing,
    'shared.example',
    'portal = "home"\nallow = ["user"]\nheaders = "x-forwarded"\nshared_caches = true',
  ),
  routeTo(telling, 'other.example', 'allow = "public"'),
].join('\n')
const gate = keep(await startGate(COMPAT + routes))

async function ask(host: string, path: string, who: typeof ADA | null, fields: Fields = {}): Promise<Response> {
  const cookie = who === null ? {} : { cookie: (await gate.signIn(host, who)).cookie }
  return fetchFrom(gate, path, { host, ...cookie, ...fields })
}

async function statusAt(host: string, path: string, who: typeof ADA | null, fields: Fields = {}): Promise<number> {
  const { status, body } = await ask(host, path, who, fields)
  await body?.cancel()
  return status
}

const fieldsOf = ({ headers }: Response) => FIELDS.map(name => headers.get(name))

describe('auth speaks of the request that asks', () => {
  test('what it states of another one is not read', async () => {
    const stated = {
      'x-original-url': 'http://parted.example/admin',
      'x-original-method': 'GET',
      'x-forwarded-uri': '/admin',
      'x-forwarded-host': 'parted.example',
      'x-auth-request-redirect': '/admin',
    }
    expect(await statusAt('app.example', '/oauth2/auth', null, stated)).toBe(401)
    expect(await statusAt('app.example', '/oauth2/auth', BOB, stated)).toBe(202)
    expect(await statusAt('app.example', '/oauth2/auth', BOB)).toBe(202)
  })

  test('whoever may not open all of the host that is not public gets no yes for it', async () => {
    expect(await statusAt('parted.example', '/oauth2/auth', ADA)).toBe(202)
    expect(await statusAt('parted.example', '/oauth2/auth', BOB)).toBe(403)
    expect(await statusAt('open.example', '/oauth2/auth', ADA)).toBe(403)
  })

  test('a rule about what else a request is says nothing for the request that follows', async () => {
    const cases: readonly (readonly [lines: string, status: number])[] = [
      ['allow = ["user"]', 202],
      ['allow = ["user", { methods = ["GET"], anonymous = true }]', 202],
      ['allow = [{ roles = ["user"], methods = ["GET"] }]', 403],
      ['allow = [{ roles = ["user"], not = { methods = ["DELETE"] } }]', 403],
      ['allow = ["user"]\nmethods = ["GET"]', 403],
      ['allow = ["user"]\ndeny = [{ methods = ["DELETE"] }]', 403],
      ['allow = [{ roles = ["user"], paths = ["/oauth2/auth"] }]', 403],
      ['allow = ["user"]\ndeny = [{ paths = ["/admin/*"] }]', 403],
    ]
    await using ruled = await startGate(
      COMPAT +
        cases
          .map(([lines], index) => routeTo(telling, `ruled-${index}.example`, `portal = "home"\n${lines}`))
          .join('\n'),
    )
    for (const [index, [lines, status]] of cases.entries()) {
      const host = `ruled-${index}.example`
      const { cookie } = await ruled.signIn(host, BOB)
      const answer = await fetchFrom(ruled, '/oauth2/auth', { host, cookie })
      expect([lines, answer.status]).toEqual([lines, status])
    }
  })

  test('a cookie of another host is none', async () => {
    const { cookie } = await gate.signIn('app.example', ADA)
    expect((await fetchFrom(gate, '/oauth2/auth', { host: 'parted.example', cookie })).status).toBe(401)
  })

  test('where proxies in front ask there is no such address, and no other host has it', async () => {
    await using asked = await startGate(COMPAT + routes, {
      server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"',
    })
    const { cookie } = await asked.signIn('app.example', ADA)
    const at = await fetchFrom({ port: asked.verifyPort }, '/oauth2/auth', { host: 'app.example', cookie })
    expect(at.status).toBe(404)
    for (const host of ['sallyport', '127.0.0.1']) {
      expect([host, await statusAt(host, '/oauth2/auth', ADA)]).toEqual([host, 404])
    }
    expect(await (await ask('other.example', '/oauth2/auth', null)).json()).toMatchObject({ host: 'other.example' })
  })

  test('its lists compare as rules do, and nobody is in an empty one', async () => {
    const cases: readonly (readonly [query: string, ada: number, bob: number, eve: number])[] = [
      ['allowed_groups=admins', 202, 403, 403],
      ['allowed_groups=admins,staff', 202, 202, 202],
      ['allowed_groups=Admins', 403, 403, 403],
      ['allowed_groups=', 403, 403, 403],
      ['allowed_groups=,', 403, 403, 403],
      ['allowed_emails=ada@corp.test', 202, 403, 403],
      ['allowed_emails=bob@corp.test', 403, 202, 403],
      ['allowed_emails=', 403, 403, 403],
      ['allowed_email_domains=corp.test', 202, 202, 403],
      ['allowed_email_domains=CORP.test', 202, 202, 403],
      ['allowed_email_domains=*', 403, 403, 403],
      ['allowed_email_domains=*.corp.test', 403, 403, 403],
      ['allowed_email_domains=test', 403, 403, 403],
      ['allowed_groups=staff&allowed_emails=ada@corp.test', 202, 403, 403],
      ['allowed_groups=admins&allowed_groups=staff', 400, 400, 400],
    ]
    for (const [query, ...expected] of cases) {
      const came: number[] = []
      for (const who of [ADA, BOB, EVE]) came.push(await statusAt('app.example', `/oauth2/auth?${query}`, who))
      expect([query, ...came]).toEqual([query, ...expected])
    }
  })
})

describe('who is there is said where the application is told, and no address that nobody answers for', () => {
  test('by auth', async () => {
    const told = async (host: string, who: typeof ADA) => fieldsOf(await ask(host, '/oauth2/auth', who))
    expect(await told('app.example', ADA)).toEqual(['ada@corp.test', 'ada', 'ada@corp.test', 'staff,admins'])
    expect(await told('app.example', EVE)).toEqual([null, 'eve', null, 'staff'])
    expect(await told('silent.example', ADA)).toEqual([null, null, null, null])
  })

  test('by answers of the application, but not by those that others may get from a cache', async () => {
    const told = async (host: string, path: string, who: typeof ADA | null) => fieldsOf(await ask(host, path, who))
    expect(await told('app.example', '/', ADA)).toEqual(['ada@corp.test', 'ada', 'ada@corp.test', 'staff,admins'])
    expect(await told('app.example', '/', EVE)).toEqual([null, 'eve', null, 'staff'])
    expect(await told('app.example', '/open', ADA)).toEqual(['ada@corp.test', 'ada', 'ada@corp.test', 'staff,admins'])
    expect(await told('app.example', '/open', null)).toEqual([null, null, null, null])
    expect(await told('silent.example', '/', ADA)).toEqual([null, null, null, null])
    for (const kept of ['public', 'max-age=60,public', 'PUBLIC', 's-maxage=60', 'max-age=1,%20s-maxage=60']) {
      expect([kept, ...(await told('shared.example', `/${kept}`, ADA))]).toEqual([kept, null, null, null, null])
      const { headers } = await ask('stored.example', `/${kept}`, ADA)
      expect(headers.get('cache-control')).toMatch(/^private(?:, max-age=\d+)?$/)
      expect((await told('stored.example', `/${kept}`, ADA))[0]).toBe('ada@corp.test')
    }
    expect((await told('stored.example', '/private', ADA))[0]).toBe('ada@corp.test')
  })

  test('by userinfo, to scripts of the host alone', async () => {
    const answer = await ask('app.example', '/oauth2/userinfo', ADA, { origin: 'http://parted.example' })
    const { headers } = answer
    expect(await answer.json()).toEqual({ user: 'ada', email: 'ada@corp.test', groups: ['staff', 'admins'] })
    expect(headers.get('access-control-allow-origin')).toBeNull()
    expect([headers.get('cross-origin-resource-policy'), headers.get('cache-control')]).toEqual([
      'same-origin',
      'no-store',
    ])
    expect(await (await ask('app.example', '/oauth2/userinfo', EVE)).json()).toEqual({
      user: 'eve',
      email: '',
      groups: ['staff'],
    })
    expect(await statusAt('silent.example', '/oauth2/userinfo', ADA)).toBe(404)
    const refused = await ask('app.example', '/oauth2/userinfo', null, { origin: 'http://parted.example' })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, null])
  })
})

describe('health checks', () => {
  const CHECK = { 'user-agent': 'GoogleHC/1.0' }

  test('get their answer on any host, and no more than that', async () => {
    for (const host of ['app.example', '127.0.0.1', 'some-machine', 'open.example']) {
      for (const path of ['/ping', '/ready']) {
        const answer = await ask(host, path, null)
        expect([host, path, answer.status, await answer.text()]).toEqual([host, path, 200, 'OK'])
      }
    }
    for (const path of ['/', '/robots.txt', '/oauth2/sign_in', '/oauth2/userinfo', '/ping/x', '/pingx']) {
      expect([path, await statusAt('some-machine', path, null)]).toEqual([path, 404])
    }
    expect(await (await ask('other.example', '/ping', null)).json()).toMatchObject({ host: 'other.example' })
  })

  test('a user agent is a health check at / alone', async () => {
    for (const host of ['app.example', '127.0.0.1']) {
      expect([host, await (await ask(host, '/', null, CHECK)).text()]).toEqual([host, 'OK'])
    }
    for (const path of ['/page', '/oauth2/auth', '/oauth2/userinfo', '/.sallyport/me']) {
      expect([path, await statusAt('app.example', path, null, CHECK)]).toEqual([path, 401])
    }
    expect(await statusAt('app.example', '/', null, { 'user-agent': 'GoogleHC/1.0 x' })).toBe(401)
  })

  test('and nowhere, where what a route answers may be taken for a verdict', async () => {
    for (const answer of ['respond = { status = 202 }', 'verify = true']) {
      const route = `\n[[routes]]\nhost = "asked.example"\n${answer}\nportal = "home"\nallow = ["user"]\n`
      await using asked = await startGate(COMPAT + routes + route, {
        server: answer.startsWith('verify') ? 'trusted_proxies = ["127.0.0.2"]\nverify = "127.0.0.1:0"' : '',
      })
      for (const host of ['asked.example', 'app.example']) {
        const { status } = await fetchFrom(asked, '/', { host, ...CHECK })
        expect([answer, host, status === 200]).toEqual([answer, host, false])
      }
    }
  })
})

test('a field that mentions one of these addresses names nothing of the application', async () => {
  const { cookie } = await gate.signIn('app.example', ADA)
  for (const [to, status] of [
    ['/oauth2/sign_out', 403],
    ['/elsewhere', 200],
  ] as const) {
    const fields = { host: 'app.example', cookie, destination: `http://app.example${to}` }
    const answer = await fetchFrom(gate, '/from', fields, { method: 'MOVE' })
    await answer.body?.cancel()
    expect([to, answer.status]).toEqual([to, status])
  }
})

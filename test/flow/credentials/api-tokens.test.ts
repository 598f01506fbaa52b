import { expect, test } from 'bun:test'
import { runTokens } from '../../../src/cli/tokens.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { createToken, runOn } from '../../kit/commands.ts'
import { basic, bearer, PAGE } from '../../kit/fields.ts'
import { type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'

/** Every request as the upstream saw it: method, address, then its fields. */
const seen: string[] = []

const keep = untilTheEnd()
const upstream = keep(
  startStreaming(request => {
    seen.push(`${request.method} ${request.url} ${JSON.stringify(request.headers.toJSON())}`)
    return request.headers.get('x-token-subject') ?? 'nobody'
  }),
)

/** Routes that take tokens, one that does not, and a public one. */
function routes(): string {
  const route = (host: string, more: string) => routeTo(upstream, host, `portal = "home"\nheaders = "x-token"\n${more}`)
  return [
    PORTAL,
    route('app.test', 'allow = ["user"]\ntokens = true'),
    route('app.test', 'path = "/admin"\nallow = ["admin"]\ntokens = true'),
    route('app.test', 'path = "/people"\nallow = ["user"]'),
    route('app.test', 'path = "/fresh"\nallow = [{ roles = ["user"], max_age = "15m" }]\ntokens = true'),
    route('other.test', 'allow = ["user"]\ntokens = true'),
    route('open.test', 'allow = "public"'),
  ].join('\n')
}

const tokens = (gate: Gate, ...argv: string[]) => runOn(gate, runTokens, argv)
const create = (gate: Gate, ...more: string[]) => createToken(gate, more)

interface Asked {
  readonly host?: string
  readonly path?: string
  readonly method?: string
  readonly fields?: Readonly<Record<string, string>>
}

/** Sends a request and answers its status, its body, and what the upstream saw of it (empty where it saw nothing). */
async function ask(gate: Gate, { host = 'app.test', path = '/', method = 'GET', fields = {} }: Asked) {
  const before = seen.length
  const answer = await fetch(`http://127.0.0.1:${gate.port}${path}`, {
    method,
    redirect: 'manual',
    headers: { host, ...fields },
  })
  const body = await answer.text()
  return { status: answer.status, body, headers: answer.headers, forwarded: seen.slice(before).join('\n') }
}

test('a token is taken as Bearer, as the password of Basic and in a field of its own, and the upstream never sees it', async () => {
  await using gate = await startGate(routes())
  const { token } = await create(gate)
  const ways: Readonly<Record<string, string>>[] = [
    bearer(token),
    { authorization: `bearer  ${token}` },
    basic(`anyone:${token}`),
    basic(`:${token}`),
    { 'x-sallyport-token': token },
    { ...bearer(token), 'x-sallyport-token': token },
  ]
  for (const fields of ways) {
    const { status, body, forwarded } = await ask(gate, { fields })
    expect([status, body]).toEqual([200, 'token:backup'])
    expect(forwarded).not.toContain(token)
    expect(forwarded).not.toContain('authorization')
  }
})

test('an Authorization of the application’s own passes, beside a token in its own field and without one', async () => {
  await using gate = await startGate(routes())
  const { token } = await create(gate)
  const own = 'Bearer the-application-s-own'
  const beside = await ask(gate, { fields: { authorization: own, 'x-sallyport-token': token } })
  expect(beside.status).toBe(200)
  expect(beside.forwarded).toContain(own)
  expect(beside.forwarded).not.toContain(token)
  // As one signature of a thousand has it.
  const byChance = `${'A'.repeat(200)}sp_${'A'.repeat(139)}`
  const long = [`Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.${byChance}`, `Bearer ${byChance}`]
  for (const authorization of [own, ...long, `Basic ${btoa('ada:secret')}`, 'Digest username="x"']) {
    const plain = await ask(gate, { host: 'open.test', fields: { authorization } })
    expect(plain.status).toBe(200)
    expect(plain.forwarded).toContain(JSON.stringify(authorization))
  }
})

test('a token anywhere else, or malformed, is nobody’s: 401 and never a redirect, and it is not forwarded', async () => {
  await using gate = await startGate(routes())
  const { token } = await create(gate)
  const { cookie } = await gate.signIn('app.test')
  const unknown = `sp_${'A'.repeat(43)}`
  const refused: Readonly<Record<string, string>>[] = [
    bearer(unknown),
    bearer(`${token}x`),
    bearer(`sp_${token.slice(3).toUpperCase()}`),
    bearer(`${token}, Bearer ${token}`),
    bearer('sp_'),
    basic(`${token}:password`),
    basic(`x:${unknown}`),
    { authorization: token },
    { authorization: `Token ${token}` },
    { 'x-sallyport-token': '' },
    { 'x-sallyport-token': 'junk' },
    { ...bearer(token), 'x-sallyport-token': unknown },
    { ...bearer(unknown), cookie },
  ]
  for (const fields of refused) {
    const { status, body, headers, forwarded } = await ask(gate, { fields: { ...PAGE, ...fields } })
    expect([fields, status, forwarded]).toEqual([fields, 401, ''])
    expect(JSON.parse(body).code).toBe('access.token')
    expect(headers.get('www-authenticate')).toStartWith('Bearer')
    expect(headers.get('content-type')).toBe('application/problem+json')
  }
  const inCookie = await ask(gate, { fields: { cookie: `sallyport=${token}` } })
  expect([inCookie.status, inCookie.forwarded]).toEqual([401, ''])
})

test('only routes that say so take tokens; a public one forwards without it', async () => {
  await using gate = await startGate(routes())
  const { token } = await create(gate)
  const people = await ask(gate, { path: '/people', fields: bearer(token) })
  expect([people.status, people.forwarded]).toEqual([401, ''])
  for (const fields of [bearer(token), basic(`x:${token}`), { 'x-sallyport-token': token }]) {
    const open = await ask(gate, { host: 'open.test', fields })
    expect([open.status, open.body]).toEqual([200, 'nobody'])
    expect(open.forwarded).not.toContain(token)
    expect(open.forwarded).not.toContain('authorization')
  }
})

test('a path that could be read as one of a route without tokens is refused', async () => {
  await using gate = await startGate(routes())
  const { token } = await create(gate)
  for (const path of ['/PEOPLE;x', '/x/..%2fpeople', '//people', '/people%2f', '/%70eople']) {
    const { status, forwarded } = await ask(gate, { path, fields: bearer(token) })
    expect([path, status >= 400, forwarded]).toEqual([path, true, ''])
  }
})

test('a token has the roles it was made with and no others, and a service is not whoever is merely signed in', async () => {
  await using gate = await startGate(routes())
  const user = await create(gate)
  expect(JSON.parse((await tokens(gate, 'list', '--json')).out)).toMatchObject([
    { id: user.id, name: 'backup', subject: 'token:backup', roles: ['user'] },
  ])
  const denied = await ask(gate, { path: '/admin', fields: { ...PAGE, ...bearer(user.token) } })
  expect([denied.status, denied.forwarded]).toEqual([403, ''])
  expect(JSON.parse(denied.body)).toMatchObject({ code: 'access.denied', needed: ['admin'] })
  const admin = await create(gate, '--roles', 'admin')
  expect((await ask(gate, { path: '/admin', fields: bearer(admin.token) })).status).toBe(200)
  // `user` is a role that everyone who signs in has; this token was not given it.
  expect((await ask(gate, { fields: bearer(admin.token) })).status).toBe(403)
})

test('a token for a person is told to the application as that person', async () => {
  await using gate = await startGate(routes())
  const base = ['create', '--json', '--name', 'phone', '--portal', 'home', '--subject', 'ada', '--roles', 'user']
  const { token } = JSON.parse((await tokens(gate, ...base)).out)
  expect((await ask(gate, { fields: bearer(token) })).body).toBe('ada')
})

test('a token is no sign-in: max_age does not hold, and nobody is redirected', async () => {
  await using gate = await startGate(routes())
  const { token } = await create(gate)
  const { status, forwarded } = await ask(gate, { path: '/fresh', fields: { ...PAGE, ...bearer(token) } })
  expect([status, forwarded]).toEqual([403, ''])
})

const LIMITS: readonly {
  readonly option: readonly string[]
  readonly taken: readonly Asked[]
  readonly denied: readonly Asked[]
  readonly reason: string
}[] = [
  {
    option: ['--host', 'app.test'],
    taken: [{ host: 'app.test' }, { host: 'APP.test' }],
    denied: [{ host: 'other.test' }],
    reason: 'token.host',
  },
  {
    option: ['--path', '/api'],
    taken: [{ path: '/api' }, { path: '/api/x?y' }, { path: '/api/' }],
    denied: [{ path: '/' }, { path: '/apix' }, { path: '/API' }, { path: '/api..' }, { path: '/x?/api' }],
    reason: 'token.path',
  },
  {
    option: ['--methods', 'GET,HEAD'],
    taken: [{ method: 'GET' }, { method: 'HEAD' }],
    denied: [{ method: 'POST' }, { method: 'DELETE' }],
    reason: 'token.method',
  },
  { option: ['--networks', '10.0.0.0/8'], taken: [], denied: [{}], reason: 'token.network' },
  { option: ['--networks', '10.0.0.0/8,127.0.0.1'], taken: [{}], denied: [], reason: 'token.network' },
]

test.each(LIMITS)(
  'a token made with $option is taken there and nowhere else',
  async ({ option, taken, denied, reason }) => {
    await using gate = await startGate(routes())
    const { token } = await create(gate, ...option)
    for (const asked of taken) {
      expect([asked, (await ask(gate, { ...asked, fields: bearer(token) })).status]).toEqual([asked, 200])
    }
    for (const asked of denied) {
      const { status, body, forwarded } = await ask(gate, { ...asked, fields: bearer(token) })
      expect([asked, status, forwarded]).toEqual([asked, 403, ''])
      expect(JSON.parse(body).reasons).toMatchObject([{ code: reason }])
    }
  },
)

test('a client can neither name its own network nor escape a path', async () => {
  await using gate = await startGate(routes())
  const inside = await create(gate, '--networks', '10.0.0.0/8')
  const fields = { ...bearer(inside.token), 'x-forwarded-for': '10.1.1.1', 'x-real-ip': '10.1.1.1' }
  expect((await ask(gate, { fields })).status).toBe(403)
  const api = await create(gate, '--path', '/api')
  for (const path of [
    '/api/..%2fsecret',
    '/api/%2e%2e/secret',
    '/api;/../secret',
    '/api%2f..%2fsecret',
    '//api/x/../..',
  ]) {
    const { status, forwarded } = await ask(gate, { path, fields: bearer(api.token) })
    expect([path, status >= 400, forwarded]).toEqual([path, true, ''])
  }
})

test('an unproven address is in no network, even behind a trusted proxy', async () => {
  await using gate = await startGate(routes(), { server: 'trusted_proxies = ["127.0.0.0/8"]' })
  const { token } = await create(gate, '--networks', '10.0.0.0/8,127.0.0.1')
  const from = (address: string) => ask(gate, { fields: { ...bearer(token), 'x-forwarded-for': address } })
  expect((await from('10.1.1.1')).status).toBe(200)
  expect((await from('192.0.2.1')).status).toBe(403)
  expect((await from('nonsense')).status).toBe(403)
})

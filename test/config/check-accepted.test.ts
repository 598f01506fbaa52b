import { describe, expect, test } from 'bun:test'
import { SECTIONS } from '../../src/config/keys/keys.ts'
import { NOBODY_IN_PARTICULAR } from '../../src/config/keys/rules.ts'
import { parseRaw } from '../../src/config/text/raw.ts'
import { createReport } from '../../src/config/text/report.ts'
import { plainUser } from '../../src/config/values/users-file.ts'
import { GOOD_ISSUERS } from './checks/several-provider-cases.ts'
import { accepts, check, complete } from './checks.ts'

/** The product's own example, without [tls]. */
const EXAMPLE = `
[server]
listen = ["0.0.0.0:8080"]
trusted_proxies = []
workers = 1
admin = "127.0.0.1:9464"

[sessions]
store = "sqlite:sallyport.db"
lifetime = "12h"
idle = "2h"
cache = 10_000

[providers.pocket-id]
issuer = "https://id.example.com"
client_id = "3f0c…"
client_secret = "\${POCKET_ID_SECRET}"
scopes = ["openid", "profile", "email", "groups"]

[portals.home]
url = "https://auth.example.com"
providers = ["pocket-id"]

[portals.home.roles]
user  = { any = true }
admin = { groups = ["admins"] }
guest = { emails = ["aunt@example.org"], domains = ["friends.example"] }

[[routes]]
host = "kuma.example.com"
upstream = "http://uptime-kuma:3001"
portal = "home"
allow = ["user"]
headers = "x-token"

[[routes]]
host = "kuma.example.com"
path = "/api/push/"
upstream = "http://uptime-kuma:3001"
allow = "public"

[[routes]]
host = "grafana.example.com"
upstream = ["http://10.0.0.5:3000", "http://10.0.0.6:3000"]
portal = "home"
allow = ["admin"]
`

test.each(GOOD_ISSUERS)('of a portal with several providers, a rule may be about %s', (_, fragment) => {
  const result = check(fragment)
  expect(result.ok && result.warnings).toEqual([])
})

test('the example of the documentation is good, without a warning', () => {
  const result = check(EXAMPLE, { env: { POCKET_ID_SECRET: 's3cret' } })
  expect(result.ok && result.warnings).toEqual([])
  if (!result.ok) return
  const { config } = result
  expect(config.providers.get('pocket-id')?.clientSecret).toBe('s3cret')
  expect(config.sessions).toEqual({
    store: { kind: 'sqlite', path: '/etc/sallyport/sallyport.db' },
    storeTls: null,
    keys: null,
    lifetimeMs: 12 * 3_600_000,
    idleMs: 2 * 3_600_000,
    refreshMs: 15 * 60_000,
    refreshLimitMs: 60 * 60_000,
    cacheBytes: 50_000_000,
  })
  expect(config.routes.map(({ id, name, path }) => ({ id, name, path }))).toEqual([
    { id: 'kuma.example.com/', name: 'kuma.example.com', path: '/' },
    { id: 'kuma.example.com/api/push', name: 'kuma.example.com/api/push', path: '/api/push' },
    { id: 'grafana.example.com/', name: 'grafana.example.com', path: '/' },
  ])
  expect(config.routes[2]?.upstream?.addresses).toHaveLength(2)
})

test('a file without [server] and [sessions] has every default', () => {
  const { server, sessions, routes, portals, providers } = accepts('')
  expect(server).toEqual({
    listen: [{ kind: 'tcp', host: '0.0.0.0', port: 8080 }],
    trustedProxies: [],
    clientAddress: 'X-Forwarded-For',
    trustedFields: [],
    workers: 1,
    admin: null,
    adminHosts: [],
    verify: [],
    outgoing: null,
    accessLog: true,
    logLevel: 'info',
    drainMs: 10_000,
    maxOpen: 2000,
    stallTimeoutMs: 60_000,
    stallMemoryBytes: null,
    isEditable: false,
    resets: { requests: 6000, perMs: 60_000, burst: 1000, by: 'client' },
    maxConnections: null,
    maxMessageBytes: 16_777_216,
    signIns: { requests: 60, perMs: 60_000, burst: 300, by: 'client' },
    rate: null,
  })
  expect(sessions.lifetimeMs).toBe(43_200_000)
  expect(routes[0]).toMatchObject({ path: '/', headers: { kind: 'preset', preset: 'none' }, timeoutMs: 60_000 })
  expect(portals.get('home')).toMatchObject({ title: 'Sallyport', callbackPath: '/.sallyport/callback' })
  expect(providers.get('id')).toMatchObject({ label: 'id', clientSecret: null, scopes: null })
})

describe('every key', () => {
  for (const { title, keys } of SECTIONS) {
    for (const [name, key] of Object.entries(keys)) {
      test(`${title} ${name}: its example is good`, () => expectReads(key.type, key.example))
      if (key.fallback !== undefined)
        test(`${title} ${name}: its default is good`, () => expectReads(key.type, key.fallback))
      test(`${title} ${name}: it is documented in sentences`, () => expect(key.doc).toMatch(/^[A-Z].*\.$/s))
    }
  }
})

function expectReads(type: (typeof SECTIONS)[0]['keys'][string]['type'], value: unknown): void {
  // A reference is filled in before a key reads its text: any text may be behind it.
  if (JSON.stringify(value).includes('${')) return
  const report = createReport()
  const raw = parseRaw(value, ['key'])
  if (!raw.ok) throw new Error(raw.message)
  expect(type.read(raw.value, report)).not.toBeUndefined()
  expect(report.problems).toEqual([])
}

const route = (lines: string) =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = "public"\nportal = "home"\n${lines}`
const firstRoute = (lines: string) => accepts(route(lines)).routes[0]

describe('spellings that mean the same', () => {
  const hosts = {
    'APP.example.com': 'app.example.com',
    'bücher.example': 'xn--bcher-kva.example',
    '*.Example.com': '*.example.com',
    '[::1]': '[::1]',
    my_app: 'my_app',
  }
  for (const [written, host] of Object.entries(hosts)) {
    test(`host ${written} is ${host}`, () =>
      expect(accepts(route('').replace('app.example.com', written)).routes[0]?.host).toBe(host))
  }
  const durations = {
    '500ms': 500,
    '90s': 90_000,
    '30m': 1_800_000,
    '1h30m': 5_400_000,
    '24h': 86_400_000,
    '1m1s1ms': 61_001,
  }
  for (const [written, timeoutMs] of Object.entries(durations)) {
    test(`${written} is ${timeoutMs} ms`, () => expect(firstRoute(`timeout = "${written}"`)?.timeoutMs).toBe(timeoutMs))
  }
  const upstreams = {
    'http://app:80/': { kind: 'url', scheme: 'http', authority: 'app', basePath: '' },
    'https://App:8443/base/': { kind: 'url', scheme: 'https', authority: 'app:8443', basePath: '/base' },
    'http://[::1]:3000': { kind: 'url', scheme: 'http', authority: '[::1]:3000', basePath: '' },
    'unix:/run/app.sock': { kind: 'unix', path: '/run/app.sock' },
  } as const
  for (const [written, address] of Object.entries(upstreams)) {
    test(`upstream ${written}`, () =>
      expect(accepts(route('').replace('http://app', written)).routes[0]?.upstream?.addresses).toEqual([address]))
  }
  const listens = {
    '[::]:8080': { kind: 'tcp', host: '::', port: 8080 },
    'localhost:0': { kind: 'tcp', host: 'localhost', port: 0 },
    'unix:/run/gate.sock': { kind: 'unix', path: '/run/gate.sock' },
  } as const
  for (const [written, address] of Object.entries(listens)) {
    test(`listen ${written}`, () => expect(accepts(`[server]\nlisten = "${written}"`).server.listen).toEqual([address]))
  }
  const networks = { '10.0.0.7': '10.0.0.7/32', 'FD00::/8': 'fd00::/8', '::1': '::1/128' }
  for (const [written, network] of Object.entries(networks)) {
    test(`network ${written} is ${network}`, () =>
      expect(accepts(`[server]\ntrusted_proxies = "${written}"`).server.trustedProxies).toEqual([network]))
  }
  test('a method in small letters is the method', () => expect(firstRoute('methods = "get"')?.methods).toEqual(['GET']))
  test('a header value without braces is a placeholder', () =>
    expect(firstRoute('headers = { X-Mail = "email", X-Who = "{name} <{claims.work}>" }')?.headers).toEqual({
      kind: 'table',
      fields: [
        { name: 'X-Mail', template: '{email}' },
        { name: 'X-Who', template: '{name} <{claims.work}>' },
      ],
    }))
  test('"public" in a list by itself is public', () =>
    expect(accepts(route('').replace('"public"', '["public"]')).routes[0]?.allow).toEqual({ kind: 'public' }))
})

test('a route that a proxy in front asks about leads nowhere itself', () => {
  const { server, routes } = accepts(
    `[server]\ntrusted_proxies = ["10.0.0.2"]\nverify = ["127.0.0.1:9080", "unix:/run/verify.sock"]\n${route('verify = true\nheaders = "remote"\ncors_preflight = true').replace('upstream = "http://app"\n', '')}`,
  )
  expect(routes[0]).toMatchObject({ upstream: null, answer: { kind: 'verify' } })
  expect(server.verify).toEqual([
    { kind: 'tcp', host: '127.0.0.1', port: 9080 },
    { kind: 'unix', path: '/run/verify.sock' },
  ])
  expect(accepts('').server.verify).toEqual([])
})

test('a portal may know people by passwords alone, and rules may ask for that', () => {
  const text = `[portals.home]
htpasswd = "people"
[portals.home.roles]
user = { any = true }
script = { provider = "htpasswd", subjects = ["htpasswd:backup"] }
[[routes]]
host = "app.example.com"
upstream = "http://app"
portal = "home"
allow = [{ providers = ["htpasswd"], networks = ["10.0.0.0/8"] }]
passwords = true
[[routes]]
host = "id.example.com"
upstream = "http://id"
portal = "other"
allow = "authenticated"
[portals.other]
providers = ["id"]
`
  const hash = '$2y$05$943bW.8ypxR06UthhB49iujMsGOis0z02KZGxZDx7c7w2a6DxBfpG'
  const files = { '/etc/sallyport/people': `# people\r\nada:${hash}\r\n\r\nback up:${hash}  \n` }
  const { portals, routes } = accepts(text, { files })
  expect(portals.get('home')).toMatchObject({ providers: [] })
  expect([...(portals.get('home')?.passwords ?? [])]).toEqual([
    ['ada', plainUser(hash)],
    ['back up', plainUser(hash)],
  ])
  expect(portals.get('other')?.passwords).toBeNull()
  expect(routes.map(({ passwords }) => passwords)).toEqual([true, false])
})

test('a users.toml says of each user what it holds, and who has a second factor comes by no password alone', () => {
  const hash = '$2y$05$943bW.8ypxR06UthhB49iujMsGOis0z02KZGxZDx7c7w2a6DxBfpG'
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
  const files = {
    '/etc/sallyport/users.toml': `[[users]]
id = "id-of-ada"
name = "ada"
hash = "${hash}"
totp = "${secret}"
[[users]]
id = "id-of-bob"
name = "bob"
hash = "${hash}"
groups = ["admins"]
email = "bob@example.com"
display_name = "Bob"
created = 2026-11-29T02:40:00Z
password_changed = 2026-11-29
token_epoch = 3
`,
  }
  const text = `[providers.people]
users = "users.toml"
groups = ["family"]
[portals.home]
providers = ["people"]
htpasswd = "users.toml"
roles.user = { any = true }
[[routes]]
host = "app.example"
upstream = "http://app"
portal = "home"
allow = ["user"]
passwords = true
`
  const { portals, providers } = accepts(text, { files })
  const users = providers.get('people')?.users
  expect([...(users?.totp ?? [])]).toEqual([['ada', secret]])
  const { mark, ...bob } = users?.entries.get('bob') ?? plainUser('')
  expect(bob).toEqual({
    id: 'id-of-bob',
    hash,
    totp: null,
    groups: ['admins'],
    displayName: 'Bob',
    email: 'bob@example.com',
    tokenEpoch: 3,
  })
  expect(mark).not.toBe(users?.entries.get('ada')?.mark ?? '')
  expect([...(portals.get('home')?.passwords?.keys() ?? [])]).toEqual(['bob'])
})

const roles = (lines: string) =>
  accepts(`[portals.home]\nproviders = ["id"]\n[portals.home.roles]\nuser = { any = true }\n${lines}`).portals.get(
    'home',
  )?.roles

describe('roles', () => {
  const none = { any: false, clients: false, ...NOBODY_IN_PARTICULAR }
  test('one rule is a list of one', () =>
    expect(roles('a = { groups = "x" }')?.get('a')).toEqual([{ ...none, groups: ['x'] }]))
  test('a role may be called as other programs call theirs', () =>
    expect([...(roles('"authp/admin" = { any = true }\n"a.b:c@d+e" = { any = true }') ?? new Map()).keys()]).toEqual([
      'user',
      'authp/admin',
      'a.b:c@d+e',
    ]))
  test('a list of rules stays a list', () =>
    expect(roles('a = [{ provider = "id" }, { emails = "A@B.example" }]')?.get('a')).toEqual([
      { ...none, providers: ['id'] },
      { ...none, emails: ['a@b.example'] },
    ]))
  test('claims may be text, numbers, booleans and lists of them', () =>
    expect(roles('a = { claims = { team = "it", level = [1, 2.5], staff = true } }')?.get('a')?.[0]?.claims).toEqual(
      new Map<string, (string | number | boolean)[]>([
        ['team', ['it']],
        ['level', [1, 2.5]],
        ['staff', [true]],
      ]),
    ))
  test('patterns are spelt in one way', () =>
    expect(roles('a = { like = { team = ["it-**", "x"], email = "*@EU.Example" } }')?.get('a')?.[0]?.like).toEqual(
      new Map([
        ['team', ['it-*', 'x']],
        ['email', ['*@eu.example']],
      ]),
    ))
})

const LOOPBACK = `[portals.home]
url = "http://auth.localhost:8080"
providers = ["id"]
roles.user = { any = true }
[[routes]]
host = "app.localhost"
upstream = "http://127.0.0.1:1"
portal = "home"
allow = ["user"]
`

test('plain HTTP is good where everything is on this machine', () =>
  expect(accepts(LOOPBACK).portals.get('home')?.url).toEqual({
    scheme: 'http',
    host: 'auth.localhost',
    authority: 'auth.localhost:8080',
  }))

test('plain HTTP elsewhere is good once insecure_cookies says so', () =>
  expect(
    accepts(LOOPBACK.replaceAll('localhost', 'example.com').replace('roles', 'insecure_cookies = true\nroles')).routes,
  ).toHaveLength(1))

test('an http issuer is good on loopback', () => {
  for (const host of ['localhost:1', 'id.localhost', '127.8.9.1:1', '[::1]:1']) {
    const config = accepts(`[providers.id]\nissuer = "http://${host}"\nclient_id = "gate"`)
    expect(config.providers.get('id')?.issuer).toBe(`http://${host}`)
  }
})

test('a byte order mark and Windows line ends change nothing', () => {
  const result = check(`\uFEFF${EXAMPLE.replaceAll('\n', '\r\n')}`, { env: { POCKET_ID_SECRET: 's' } })
  expect(result.ok).toBe(true)
})

test('a checked configuration cannot be changed', () => {
  const config = accepts('')
  const roles = config.portals.get('home')?.roles
  expect(() => Object.assign(config.server, { workers: 9 })).toThrow(TypeError)
  expect(() => Object.assign(config.routes, [1])).toThrow(TypeError)
  expect(() => Reflect.apply(Reflect.get(config.portals, 'set'), config.portals, ['x', 1])).toThrow(TypeError)
  expect(Object.isFrozen(roles?.get('user')?.[0])).toBe(true)
})

test('ten thousand routes on as many hosts are one file like any other', () => {
  const routes = Array.from({ length: 10_000 }, (_, n) => route('').replace('app.example', `app${n}.example`))
  expect(accepts(routes.join('\n')).routes).toHaveLength(10_000)
})

test('a day that does not exist may stand in a text, in a comment and in a name', () => {
  const { portals, routes } = accepts(`
# Since 2026-02-30 and 2026-02-31.
[portals.home]
url = "https://auth.example.com"
providers = ["id"]
roles = { 2026-02-30 = { groups = ["2026-02-30"] }, 2026-02-31 = { any = true } }
[[routes]]
host = "app.example.com"
upstream = "http://app:3000"
portal = "home"
allow = [{ roles = ["2026-02-30"], until = 2028-02-29 }]
`)
  expect([...(portals.get('home')?.roles.keys() ?? [])]).toEqual(['2026-02-30', '2026-02-31'])
  const [route] = routes
  expect(route?.allow.kind === 'rules' && route.allow.rules[0]?.until?.text).toBe('2028-02-29 UTC')
})

test('a byte order mark is no part of the first name in files of users and second factors', () => {
  const hash = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
  const files = {
    '/etc/sallyport/people': `\uFEFFada:${hash}\r\n`,
    '/etc/sallyport/factors': `\uFEFFada:${secret}\r\n`,
  }
  const text =
    '[providers.people]\nusers = "people"\ntotp = "factors"\n[portals.home]\nproviders = ["people"]\nroles.user.any = true'
  const result = check(complete(text), { files })
  expect(result.ok && result.warnings).toEqual([])
  const users = result.ok ? result.config.providers.get('people')?.users : null
  expect([...(users?.entries.keys() ?? [])]).toEqual(['ada'])
  expect([...(users?.totp ?? [])]).toEqual([['ada', secret]])
})

test('placeholders of basic_auth stand beside what is filled in, which is taken as it is', () => {
  const upstream = (user: string, password: string) => {
    const own = `{ to = "http://app", basic_auth = { user = ${user}, password = ${password} } }`
    const text = `[[routes]]\nhost = "app.example.com"\nportal = "home"\nallow = ["user"]\nupstream = ${own}`
    return accepts(text, { env: { REALM: '{corp}', PEPPER: 'p{{}}{email}' } }).routes[0]?.upstream
  }
  const personal = upstream('"{preferred_username}@${REALM}"', '"{sub}-{{${PEPPER}}}"')
  expect(personal).toMatchObject({
    authorization: null,
    personal: {
      user: [
        { kind: 'identity', name: 'preferred_username' },
        { kind: 'text', text: '@{corp}' },
      ],
      password: [
        { kind: 'identity', name: 'sub' },
        { kind: 'text', text: '-{p{{}}{email}}' },
      ],
    },
  })
  const one = upstream('"${REALM}"', '"$${x${PEPPER}"')
  expect(one).toMatchObject({ authorization: `Basic ${btoa('{corp}:${xp{{}}{email}')}`, personal: null })
})

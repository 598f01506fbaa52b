/** Who is no member of a portal has no session there, and is nobody, however they come. */
import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { runExplain } from '../../../src/cli/explain.ts'
import { runRequests } from '../../../src/cli/requests.ts'
import { runTokens } from '../../../src/cli/tokens.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import type { Listed } from '../../kit/asking.ts'
import { collectBelongings, openStreams } from '../../kit/belongings.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { runOn } from '../../kit/commands.ts'
import { basic, bearer, OWN_FORM, PAGE } from '../../kit/fields.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { plant } from '../../kit/log/planted.ts'
import { McpClient } from '../../kit/mcp/client.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { type Fields, fetchFrom, sendForm, statusOf } from '../../kit/requests.ts'
import { groupOf, push, SCIM_KEY, userOf } from '../../kit/scim.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { providerTable, routeTo } from '../../kit/toml.ts'
import { askersOf, forwarded } from '../../kit/verify.ts'

const HOST = 'app.test'
const AUDIENCE = 'https://gate.example/api'
/** As the proxy in front says it, which this machine is. */
const IN_THE_LAN = { 'x-forwarded-for': '10.0.0.9' }
const RESOURCE = `http://${HOST}/mcp`
/** Groups of a file count beside a provider only where its file is named. */
const FAMILY = 'members = [{ groups = ["family"] }, { provider = "htpasswd", groups = ["family"] }]'
/** Nobody of these tests. */
const ELDERS = 'members = [{ groups = ["elders"] }]'

const keep = untilTheEnd()
const seen: string[] = []
const upstream = keep(
  startStreaming(({ url, headers }) => {
    seen.push(new URL(url).pathname)
    return `for ${headers.get('x-token-subject') ?? 'nobody'}`
  }),
)
const provider = keep(await startBadProvider())
/** What the provider says of an opaque token. */
const introspection = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const token = new URLSearchParams(await request.text()).get('token') ?? ''
      const groups = token === 'opaque-of-family' ? ['family'] : []
      return Response.json({
        active: true,
        sub: `sub-of-${token.slice(-6)}`,
        aud: AUDIENCE,
        client_id: 'app',
        exp: Date.now() / 1000 + 600,
        groups,
      })
    },
  }),
)
const introspects = { introspection_endpoint: `http://127.0.0.1:${introspection.port}/` }
provider.behave({ discovery: introspects })

const PASSWORD = 'a password of people'
plant(PASSWORD, 'a password of a form')
const hash = await Bun.password.hash(PASSWORD, { algorithm: 'bcrypt', cost: 4 })
const user = (name: string, groups: string) =>
  `[[users]]\nid = "id-of-${name}"\nname = "${name}"\nhash = "${hash}"\ngroups = [${groups}]\n`
const files = { 'people.toml': user('ada', '"family"') + user('eve', '') }

function file(members: string, more = ''): string {
  const route = (lines: string, host = HOST) =>
    routeTo(upstream, host, `portal = "home"\nheaders = "x-token"\n${lines}`)
  return [
    providerTable(provider, `access_tokens = { audience = "${AUDIENCE}", introspect = true }\nbearer_id_tokens = true`),
    `[portals.home]
providers = ["id"]
htpasswd = "people.toml"
insecure_cookies = true
personal_tokens = true
guest_links = { allow = ["user"] }
compat = "oauth2-proxy"
admin_role = "admin"
requests = true
roles.user = { any = true }
roles.admin = { groups = ["admins"] }
roles.friend = { groups = ["friends"] }
${members}
`,
    route('allow = ["user", { guest_link = true }]\ntokens = true\npasswords = true'),
    route('path = "/open"\nallow = "public"\ntokens = true\npasswords = true'),
    route('path = "/lan"\nallow = [{ networks = ["10.0.0.0/8"], anonymous = true }]\ntokens = true\npasswords = true'),
    route('path = "/friends"\nallow = ["friend"]'),
    route('path = "/mcp"\nallow = ["user"]\nmcp = true'),
    `[[routes]]\nhost = "${HOST}"\npath = "/asked"\nverify = true\nportal = "home"\nheaders = "x-token"\nallow = ["user"]\ntokens = true\npasswords = true\n`,
    `[[routes]]\nhost = "${HOST}"\npath = "/asked-open"\nverify = true\nportal = "home"\nheaders = "x-token"\nallow = "public"\n`,
    more,
  ].join('\n')
}

const start = (members: string, more: Parameters<typeof startGate>[1] = {}) =>
  startGate(file(members), {
    files,
    server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"',
    recheckMs: 20,
    ...more,
  })

function take(gate: Gate, members: string): void {
  gate.save(file(members))
  expect(gate.server.reload()).toBe('changed')
}

const jwt = (sub: string, groups: readonly string[]) => provider.accessToken(AUDIENCE, { claims: { sub, groups } })
const idToken = (sub: string, groups: readonly string[]) =>
  provider.accessToken(provider.clientId, {
    header: { typ: 'JWT' },
    claims: { sub, groups, client_id: undefined, nonce: 'n' },
  })

/** What comes with a request and is judged as it comes. */
const CREDENTIALS: readonly (readonly [name: string, of: (who: 'family' | 'strangers') => Promise<Fields>])[] = [
  ['an access token', async who => bearer(await jwt(`jwt-of-${who}`, who === 'family' ? ['family'] : ['others']))],
  ['an ID token', async who => bearer(await idToken(`id-of-${who}`, who === 'family' ? ['family'] : []))],
  ['an opaque token', async who => bearer(`opaque-of-${who}`)],
  ['a name and a password', async who => basic(`${who === 'family' ? 'ada' : 'eve'}:${PASSWORD}`)],
]

async function asked(gate: Gate, path: string, fields: Fields): Promise<readonly [status: number, body: string]> {
  const before = seen.length
  const answer = await fetchFrom(gate, path, { host: HOST, accept: '*/*', ...IN_THE_LAN, ...fields })
  const body = await answer.text()
  if (answer.status !== 200) expect(seen.slice(before)).toEqual([])
  return [answer.status, answer.status === 200 ? body : '']
}

describe.each(CREDENTIALS)('%s', (_name, of) => {
  test('of a member lets them in, and tells who they are on open paths too', async () => {
    await using gate = await start(FAMILY)
    const fields = await of('family')
    for (const path of ['/', '/open', '/lan']) {
      const [status, body] = await asked(gate, path, fields)
      expect([path, status, body.startsWith('for '), body]).toEqual([path, 200, true, body])
      expect(body).not.toBe('for nobody')
    }
  })

  test('of nobody who is one is 403, and nobody’s on open paths', async () => {
    await using gate = await start(FAMILY)
    const fields = await of('strangers')
    for (let turn = 0; turn < 2; turn++) {
      const answer = await fetchFrom(gate, '/', { host: HOST, accept: '*/*', ...fields })
      const problem = (await answer.json()) as { code: string; reasons?: { code: string }[] }
      expect([answer.status, problem.code, problem.reasons?.[0]?.code]).toEqual([403, 'access.denied', 'member.none'])
      for (const path of ['/open', '/lan']) expect(await asked(gate, path, fields)).toEqual([200, 'for nobody'])
    }
    expect(gate.told('"reason":"member.none"', 'a member of the portal: group family').length).toBe(2)
    expect((await asked(gate, '/', {}))[0]).toBe(401)
  })

  test('of who was one until the save is refused from then on, with its streams', async () => {
    await using gate = await start(FAMILY)
    const fields = { host: HOST, ...(await of('family')) }
    const open = await openStreams(gate, { stream: fields })
    expect((await asked(gate, '/', fields))[0]).toBe(200)
    take(gate, ELDERS)
    expect((await asked(gate, '/', fields))[0]).toBe(403)
    expect(await asked(gate, '/open', fields)).toEqual([200, 'for nobody'])
    await eventually(() => open().length === 0, 'the stream has ended')
    take(gate, FAMILY)
    expect((await asked(gate, '/', fields))[0]).toBe(200)
  })

  test('is judged the same where a proxy in front asks', async () => {
    await using gate = await start(FAMILY)
    const { relayed } = askersOf(() => gate)
    const lines = async (who: 'family' | 'strangers') => Object.entries(await of(who)).map(([k, v]) => `${k}: ${v}`)
    const ask = async (who: 'family' | 'strangers') =>
      (await relayed(forwarded('/asked', await lines(who), 'GET', HOST))).status
    expect([await ask('family'), await ask('strangers')]).toEqual([204, 403])
  })
})

const CLAIMS = { sub: 'ada', groups: ['family', 'admins', 'friends'] }

describe('what stands on a sign-in', () => {
  test('ends at the save that makes its person no member: sessions, tokens, programs and guests, with their streams', async () => {
    await using gate = await start(FAMILY)
    const { cookie, sessionId } = await gate.signIn(HOST, CLAIMS)
    const client = new McpClient(gate, HOST)
    await client.register()
    const { body } = await client.redeem(await client.code(RESOURCE, cookie), RESOURCE)
    const { session, token, guest } = await collectBelongings(gate, HOST, cookie)
    const comers = { session, token, guest }
    const mcp = { host: HOST, ...bearer(body.access_token ?? '') }
    const statuses = async () => [
      ...(await Promise.all(Object.values(comers).map(fields => statusOf(gate, '/', fields)))),
      await statusOf(gate, '/mcp', mcp),
    ]
    const pages = ['/.sallyport/me', '/oauth2/auth', '/oauth2/userinfo']
    const told = () =>
      Promise.all(pages.map(page => statusOf(gate, page, { ...session, ...IN_THE_LAN, accept: 'application/json' })))
    expect([await statuses(), await told()]).toEqual([
      [200, 200, 200, 200],
      [200, 202, 200],
    ])
    const open = await openStreams(gate, comers)
    take(gate, ELDERS)
    expect(await statuses()).toEqual([401, 401, 401, 401])
    expect(await asked(gate, '/open', session)).toEqual([200, 'for nobody'])
    expect((await client.refresh(body.refresh_token ?? '', { resource: RESOURCE })).status).toBe(400)
    await eventually(() => open().length === 0, `every stream has ended, not ${open()}`)
    expect(await told()).toEqual([401, 401, 401])
    // After more than a slip it is gone for good.
    using db = new Database(join(gate.folder, 'sallyport.db'), { readonly: true })
    const rows = () => db.query('SELECT id FROM sessions WHERE id = ?').all(sessionId).length
    await eventually(() => rows() === 0, 'the session is out of the store')
    take(gate, FAMILY)
    expect(await statuses()).toEqual([401, 401, 401, 401])
    expect(gate.told('sign_out.withdrawn').length).toBe(1)
  })

  test('goes on where that was a slip of two seconds, and where who they are makes them one still', async () => {
    await using gate = await start(FAMILY)
    const { cookie } = await gate.signIn(HOST, CLAIMS)
    const all = await collectBelongings(gate, HOST, cookie)
    const fields = [all.session, all.token, all.guest]
    take(gate, ELDERS)
    take(gate, FAMILY)
    for (const one of fields) expect(await statusOf(gate, '/', one)).toBe(200)
    take(gate, 'members = ["admin"]')
    await Bun.sleep(2_500)
    for (const one of fields) expect(await statusOf(gate, '/', one)).toBe(200)
  })

  test('is refused by another process and after a restart, too', async () => {
    await using gate = await start(FAMILY)
    const { cookie } = await gate.signIn(HOST, CLAIMS)
    const all = await collectBelongings(gate, HOST, cookie)
    await using later = await start(ELDERS, { store: `sqlite:${gate.folder}/sallyport.db` })
    for (const one of [all.session, all.token, all.guest]) expect(await statusOf(later, '/', one)).toBe(401)
    for (const one of [all.session, all.token, all.guest]) expect(await statusOf(gate, '/', one)).toBe(200)
  })
})

needs('valkey-server').test('a session is out of a store that others share, once that was no slip', async () => {
  await using valkey = await startValkey()
  const store = shared(valkey.url())
  await using gate = await start(FAMILY, store)
  await using other = await start(FAMILY, store)
  const { cookie } = await gate.signIn(HOST, CLAIMS)
  const { session, token, guest } = await collectBelongings(gate, HOST, cookie)
  const at = (one: Gate) => Promise.all([session, token, guest].map(fields => statusOf(one, '/', fields)))
  expect(await at(other)).toEqual([200, 200, 200])
  take(gate, ELDERS)
  expect([await at(gate), await at(other)]).toEqual([
    [401, 401, 401],
    [200, 200, 200],
  ])
  // What the other one takes by its own file, only both together end.
  await eventually(() => gate.told('run another file').length === 1, 'it waits')
  expect(await at(other)).toEqual([200, 200, 200])
  take(other, ELDERS)
  expect(await at(other)).toEqual([401, 401, 401])
  const isOut = async () => (await valkey.ask(0, 'KEYS', '*session:*')) === ''
  await eventually(isOut, 'it is out')
  for (const one of [gate, other]) take(one, FAMILY)
  expect([await at(gate), await at(other)]).toEqual([
    [401, 401, 401],
    [401, 401, 401],
  ])
})

test('a session ends on every host, and where a proxy in front asks', async () => {
  const AUTH = 'auth.test'
  const OTHER = 'other.test'
  const hosts = (members: string) =>
    file(members, routeTo(upstream, OTHER, 'portal = "home"\nheaders = "x-token"\nallow = ["user"]')).replace(
      '[portals.home]',
      `[portals.home]\nurl = "http://${AUTH}"`,
    )
  await using gate = await startGate(hosts(FAMILY), {
    files,
    server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"',
  })
  provider.behave({
    discovery: introspects,
    signsInAtOnce: true,
    claims: { groups: ['family'], email: 'ada@example.org' },
    userinfo: { groups: ['family'] },
  })
  const at = `127.0.0.1:${gate.port}`
  const browser = new BrowserLite({ hosts: { [HOST]: at, [AUTH]: at, [OTHER]: at } })
  for (const host of [HOST, OTHER]) expect((await browser.open(`http://${host}/`)).text).toBe('for user-1')
  const cookies = [HOST, OTHER].map(host => [host, browser.cookieHeader(new URL(`http://${host}/`))] as const)
  const { relayed } = askersOf(() => gate)
  const statuses = () =>
    Promise.all([
      ...cookies.map(([host, cookie]) => statusOf(gate, '/', { host, cookie })),
      relayed(forwarded('/asked', [`Cookie: ${cookies[0]?.[1]}`], 'GET', HOST)).then(({ status }) => status),
    ])
  expect(await statuses()).toEqual([200, 200, 204])
  gate.save(hosts(ELDERS))
  expect(gate.server.reload()).toBe('changed')
  expect(await statuses()).toEqual([401, 401, 401])
  // And whoever tries again is told.
  const page = await browser.open(`http://${OTHER}/`)
  expect([page.address.host, page.response.status, page.text.includes('ada@example.org')]).toEqual([AUTH, 403, true])
})

test('a guest passes without being a member, by the link of a member and of an operator', async () => {
  await using gate = await start(FAMILY)
  const { guest } = await collectBelongings(gate, HOST, (await gate.signIn(HOST, CLAIMS)).cookie)
  expect(await statusOf(gate, '/', guest)).toBe(200)
})

test('a token of a service goes on; one that names a person is good with a role of members alone', async () => {
  await using gate = await start('members = ["admin"]')
  const create = async (...whom: readonly string[]) =>
    (await runOn(gate, runTokens, ['create', '--name', 'n', '--portal', 'home', ...whom])).out.trim()
  const ask = (token: string) => statusOf(gate, '/', { host: HOST, ...bearer(token) })
  expect(await ask(await create('--service', 'backup', '--roles', 'user'))).toBe(200)
  expect(await ask(await create('--subject', 'ada', '--roles', 'user,admin'))).toBe(200)
  expect(await ask(await create('--subject', 'ada', '--roles', 'user'))).toBe(401)
})

describe('a sign-in', () => {
  const browserOf = (gate: Gate, headers: Fields = {}) =>
    new BrowserLite({ hosts: { [HOST]: `127.0.0.1:${gate.port}` }, headers })
  const comes = (groups: readonly string[], more: object = {}) =>
    provider.behave({
      discovery: introspects,
      signsInAtOnce: true,
      claims: { groups, email: 'ada@example.org' },
      userinfo: { groups },
      ...more,
    })
  const rows = (gate: Gate) => {
    using db = new Database(join(gate.folder, 'sallyport.db'), { readonly: true })
    return db.query('SELECT count(*) AS n FROM sessions').get() as { n: number }
  }

  test('of a stranger ends on a page that says which account it was, without a session or a cookie', async () => {
    await using gate = await start(FAMILY)
    comes(['others'])
    const browser = browserOf(gate)
    const page = await browser.open(`http://${HOST}/`)
    expect([page.response.status, page.text.includes('ada@example.org')]).toEqual([403, true])
    expect(page.html.address('switch=1')).toStartWith('/.sallyport/login?switch=1')
    expect(page.html.one('h1').text).toBe('This account may not sign in here')
    expect(browser.cookieHeader(new URL(`http://${HOST}/`))).not.toContain('sallyport=')
    expect(rows(gate)).toEqual({ n: 0 })
    const [line = ''] = gate.told('sign_in.failed')
    expect(line).toContain('sign_in.member')
    expect(line).toContain('has others; rules ask for family')
    for (const lang of ['de', 'es', 'fr']) {
      const other = await browserOf(gate, { 'accept-language': lang }).open(`http://${HOST}/`)
      expect([other.response.status, other.text.includes('ada@example.org')]).toEqual([403, true])
      expect(other.text).not.toContain('not let in')
    }
    // Whoever is one comes in after that by the same browser.
    comes(['family'])
    expect((await browser.open(`http://${HOST}/`)).text).toBe('for user-1')
    expect(rows(gate)).toEqual({ n: 1 })
  })

  test('again of somebody who was a member takes the session and the tokens of before with it', async () => {
    await using gate = await start(FAMILY)
    comes(['family'])
    const browser = browserOf(gate)
    expect((await browser.open(`http://${HOST}/`)).text).toBe('for user-1')
    const { session, token } = await collectBelongings(gate, HOST, browser.cookieHeader(new URL(`http://${HOST}/`)))
    expect([await statusOf(gate, '/', session), await statusOf(gate, '/', token)]).toEqual([200, 200])
    comes(['others'])
    const page = await browser.open(`http://${HOST}/.sallyport/login?switch=1&return=/`)
    expect(page.response.status).toBe(403)
    expect([await statusOf(gate, '/', session), await statusOf(gate, '/', token)]).toEqual([401, 401])
    expect(rows(gate)).toEqual({ n: 0 })
    // Somebody else in the same browser ends nobody's session but by coming in.
    comes(['family'])
    await browser.open(`http://${HOST}/`)
    comes(['others'], { claims: { sub: 'eve', groups: [] }, userinfo: { sub: 'eve', groups: [] } })
    expect((await browser.open(`http://${HOST}/.sallyport/login?switch=1&return=/`)).response.status).toBe(403)
    expect((await browser.open(`http://${HOST}/`)).text).toBe('for user-1')
  })

  test('by an address that nobody has verified is none of that member, and the log says so', async () => {
    await using gate = await start('members = [{ emails = ["ada@example.org"] }]')
    comes([])
    expect((await browserOf(gate).open(`http://${HOST}/`)).response.status).toBe(403)
    expect(gate.told('sign_in.failed', 'ada@example.org is not verified at id', 'verify it there').length).toBe(1)
    const told = await runOn(gate, runExplain, [`http://${HOST}/`, '--as', 'sub=a,email=ada@example.org'])
    expect([told.code, told.out.includes('is not verified at id, and nothing else is in the way')]).toEqual([4, true])
    comes([], { claims: { email: 'ada@example.org', email_verified: true } })
    expect((await browserOf(gate).open(`http://${HOST}/`)).text).toBe('for user-1')
  })

  test('by a form of ours is judged by the same rules', async () => {
    const people = (members: string) =>
      file(members)
        .replace('[portals.home]', '[providers.people]\nusers = "people.toml"\n[portals.home]')
        .replace('providers = ["id"]', 'providers = ["people"]')
        .replace('htpasswd = "people.toml"\n', '')
        .replaceAll('passwords = true', '')
    await using gate = await startGate(people('members = [{ groups = ["family"] }]'), {
      files,
      server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"',
    })
    for (const [name, status] of [
      ['ada', 200],
      ['eve', 403],
    ] as const) {
      const browser = browserOf(gate)
      const form = await browser.open(`http://${HOST}/`)
      const page = await browser.submit(form, { name, password: PASSWORD })
      expect([name, page.response.status]).toEqual([name, status])
    }
    expect(rows(gate)).toEqual({ n: 1 })
  })

  test('is over once a refresh says that its person is none any more, and its token at the provider is revoked', async () => {
    let now = Date.now()
    await using gate = await start(FAMILY, {
      sessions: 'refresh = "1m"\nrefresh_limit = "5m"',
      ports: { now: () => now },
    })
    const revocation = { revocation_endpoint: `${provider.issuer}/revoke`, ...introspects }
    comes(['family'], { givesRefreshToken: true, discovery: revocation })
    const browser = browserOf(gate)
    expect((await browser.open(`http://${HOST}/`)).text).toBe('for user-1')
    const cookie = browser.cookieHeader(new URL(`http://${HOST}/`))
    const revoked = provider.asked.revoke
    comes(['others'], { givesRefreshToken: true, discovery: revocation, refresh: { claims: { groups: ['others'] } } })
    now += 90_000
    await eventually(async () => (await statusOf(gate, '/', { host: HOST, cookie })) === 401, 'the session is over')
    await eventually(() => rows(gate).n === 0, 'and out of the store')
    await eventually(() => provider.asked.revoke > revoked, 'and the provider knows')
    expect(gate.told('sign_out.withdrawn', 'member.none', 'has others; rules ask for family').length).toBe(1)
  })
})

describe('a role that was granted', () => {
  test('makes somebody a member for as long as it lasts', async () => {
    const members = 'members = ["friend", { groups = ["family"] }]'
    await using gate = await start(members)
    const ada = await gate.signIn(HOST, { sub: 'ada', groups: ['family'] })
    const form = { role: 'friend', return: '/friends' }
    await sendForm(gate, 'ask', { ...OWN_FORM, host: HOST, cookie: ada.cookie }, form)
    const list = async (): Promise<Listed> => JSON.parse((await runOn(gate, runRequests, ['list', '--json'])).out)
    const [request] = (await list()).requests
    expect((await runOn(gate, runRequests, ['grant', request?.id ?? '', '--for', 'always'])).code).toBe(0)
    const here = { host: HOST, cookie: ada.cookie }
    await eventually(async () => (await statusOf(gate, '/friends', here)) === 200, 'the grant is heard of')
    // By her groups she is none any more; by what she was granted she is.
    take(gate, 'members = ["friend", "admin"]')
    const open = await openStreams(gate, { stream: here })
    expect(await statusOf(gate, '/', here)).toBe(200)
    const [grant] = (await list()).grants
    expect((await runOn(gate, runRequests, ['revoke', grant?.id ?? ''])).code).toBe(0)
    await eventually(async () => (await statusOf(gate, '/', here)) === 401, 'she is none any more')
    await eventually(() => open().length === 0, 'the stream has ended')
    // Whoever takes it out of the store says so next.
    await eventually(() => gate.told('sign_out.withdrawn', 'member.none').length > 0, 'the log says so')
    expect(gate.told('sign_out.withdrawn', 'member.none').length).toBe(1)
  })
})

test('who leaves the group that a provider pushes is out at once, and for good', async () => {
  await using gate = await startGate(
    file(FAMILY).replace(
      'bearer_id_tokens = true',
      `bearer_id_tokens = true\n${SCIM_KEY.replace(' }', ', groups = { family = "family" } }')}`,
    ),
    { files, server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"' },
  )
  const where = { host: HOST }
  const made = await push(gate, 'POST', '/Users', userOf('ada'), where)
  const group = await push(gate, 'POST', '/Groups', groupOf('family', [made.body.id]), where)
  expect([made.status, group.status]).toEqual([201, 201])
  const ada = { host: HOST, ...bearer(await jwt('ada', [])) }
  const eve = { host: HOST, ...bearer(await jwt('eve', [])) }
  expect([await statusOf(gate, '/', ada), await statusOf(gate, '/', eve)]).toEqual([200, 403])
  const open = await openStreams(gate, { stream: ada })
  await push(gate, 'DELETE', `/Groups/${group.body.id}`, undefined, where)
  expect([await statusOf(gate, '/', ada), await asked(gate, '/open', ada)]).toEqual([403, [200, 'for nobody']])
  await eventually(() => open().length === 0, 'the stream has ended')
})

describe('explain', () => {
  test.each([
    [['--as', 'sub=ada,groups=family'], 0, 'allow'],
    [['--as', 'sub=eve,groups=others'], 4, 'deny: members of the portal does not match this user'],
    [['--as', 'guest'], 0, 'allow'],
    [[], 3, 'sign-in'],
  ] as const)('%p: %i, %s', async (as, code, words) => {
    await using gate = await start(FAMILY)
    const told = await runOn(gate, runExplain, [`http://${HOST}/`, ...as])
    expect([told.code, told.out.includes(words), told.out]).toEqual([code, true, told.out])
    if (code === 4) {
      expect(told.out).toContain('needs    a member of the portal: group family')
      expect(told.out).toContain('groups   has others; rules ask for family')
    }
    const open = await runOn(gate, runExplain, [`http://${HOST}/open`, ...as])
    expect(open.code).toBe(0)
  })
})

test('a page load by a stranger’s token is 403 too, and never a way to a sign-in', async () => {
  await using gate = await start(FAMILY)
  const answer = await fetchFrom(gate, '/', { host: HOST, ...PAGE, ...bearer(await jwt('eve', [])) })
  expect([answer.status, answer.headers.get('location')]).toEqual([403, null])
})

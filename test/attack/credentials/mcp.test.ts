import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { createSealer } from '../../../src/session/seal.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { McpClient, REDIRECT, VERIFIER } from '../../kit/mcp/client.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { SESSION_KEY, shared } from '../../kit/sessions/shared.ts'
import { EVERYONE, portalTable, providerTable, routeTo, SILENT } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(startAnswering(({ headers }) => new Response(`for ${headers.get('x-token-subject')}`)))
const clock = fakeClock(Date.now())

const route = (host: string, path: string, allow = 'allow = ["user"]') =>
  routeTo(upstream, host, `path = "${path}"\nportal = "home"\nheaders = "x-token"\n${allow}\nmcp = true`)

const file = (portal = '') =>
  [
    providerTable(SILENT),
    portalTable(`${EVERYONE}\nroles.admin = { groups = ["admins"] }\nurl = "http://auth.test"\n${portal}`),
    route('app.test', '/mcp'),
    route('app.test', '/mcp/inner'),
    route('app.test', '/admin', 'allow = ["admin"]'),
    route('other.test', '/mcp'),
    route('whole.test', '/'),
    routeTo(upstream, 'app.test', 'path = "/plain"\nportal = "home"\nallow = ["user"]\ntokens = true'),
    routeTo(upstream, 'app.test', 'path = "/theirs"\nportal = "home"\nallow = ["user"]\nmcp = "provider"'),
  ].join('\n')

const RESOURCE = 'http://app.test/mcp'

/** Values of the refresh tokens that a server keeps, one a line. */
const KEPT = `
local all = ''
for _, key in ipairs(redis.call('KEYS', 'sallyport:1:once:refresh:*')) do all = all .. redis.call('HGET', key, 'value') .. '\\n' end
return all
`

const gate = keep(await startGate(file(), { ports: { now: clock.now } }))
const ada = await gate.signIn('auth.test', { sub: 'ada' })
const bob = await gate.signIn('auth.test', { sub: 'bob' })

async function client(at: Gate = gate): Promise<McpClient> {
  const made = new McpClient(at, 'auth.test')
  expect((await made.register()).status).toBe(201)
  return made
}

async function status(token: string | undefined, path = '/mcp', host = 'app.test', at: Gate = gate): Promise<number> {
  return (await fetchFrom(at, path, { host, authorization: `Bearer ${token}` }, { method: 'POST', body: '{}' })).status
}

/** A client that has its tokens. */
async function granted(cookie = ada.cookie) {
  const one = await client()
  const { body } = await one.redeem(await one.code(RESOURCE, cookie), RESOURCE)
  return { one, access: body.access_token ?? '', refresh: body.refresh_token ?? '' }
}

test('a person who agrees gives a token for that one route, in their own name', async () => {
  const { access } = await granted()
  const answer = await fetchFrom(gate, '/mcp/x', { host: 'app.test', authorization: `Bearer ${access}` })
  expect([answer.status, await answer.text()]).toEqual([200, 'for ada'])
  const elsewhere: readonly (readonly [string, string])[] = [
    ['/mcp', 'other.test'],
    ['/mcp/inner', 'app.test'],
    ['/mcp/%69nner', 'app.test'],
    ['/MCP/inner', 'app.test'],
    ['/admin', 'app.test'],
    ['/plain', 'app.test'],
    ['/theirs', 'app.test'],
  ]
  for (const [path, host] of elsewhere)
    expect([path, host, (await status(access, path, host)) === 200]).toEqual([path, host, false])
})

test.each(['http://whole.test', 'http://whole.test/'])('%s, a whole host, has tokens of its own', async resource => {
  const one = await client()
  const { status: given, body } = await one.redeem(await one.code(resource, ada.cookie), resource)
  expect(given).toBe(200)
  const next = await one.refresh(body.refresh_token ?? '', { resource })
  for (const token of [body.access_token, next.body.access_token])
    expect([await status(token, '/any', 'whole.test'), await status(token)]).toEqual([200, 403])
})

describe('what a client asks a person for', () => {
  test.each<[string, Readonly<Record<string, string | null>>]>([
    ['from nobody who is registered', { client_id: 'x' }],
    ['to an address that is not registered', { redirect_uri: 'https://evil.example/callback' }],
    ['to a registered host at another path', { redirect_uri: 'http://127.0.0.1:4000/other' }],
    ['to a registered address with more behind it', { redirect_uri: `${REDIRECT}?next=https://evil.example` }],
    ['to another name of this machine', { redirect_uri: 'http://localhost:4000/callback' }],
    ['to a name below it', { redirect_uri: 'http://127.0.0.1.evil.example:4000/callback' }],
    ['to one with somebody else in front', { redirect_uri: 'http://evil.example@127.0.0.1:4000/callback' }],
    ['with PKCE in plain', { code_challenge_method: 'plain' }],
    ['with PKCE of no method', { code_challenge_method: null }],
    ['without PKCE', { code_challenge: null }],
    ['for a token at once', { response_type: 'token' }],
    ['for no resource', { resource: null }],
    ['for a resource that is none', { resource: 'http://app.test/plain' }],
    ['for a resource whose tokens the provider gives', { resource: 'http://app.test/theirs' }],
    ['for a resource of another host', { resource: 'http://evil.example/mcp' }],
    ['for a resource by another scheme', { resource: 'https://app.test/mcp' }],
    ['for a resource at another port', { resource: 'http://app.test:81/mcp' }],
    ['for a resource in another spelling', { resource: 'http://app.test/x/../mcp' }],
    ['for a whole host in another spelling', { resource: 'http://whole.test/x/..' }],
    ['for a resource below one', { resource: 'http://app.test/mcp/x' }],
    ['for a resource with a query', { resource: `${RESOURCE}?x=1` }],
    ['for another scope', { scope: 'admin' }],
  ])('%s is a page of ours and leads nowhere, whether it is only looked at or agreed to', async (_title, over) => {
    const one = await client()
    const path = one.authorizePath(RESOURCE, over)
    const shown = await one.ask(path, { cookie: ada.cookie, accept: 'text/html' })
    const agreed = await one.say(path, ada.cookie)
    expect([shown.status, agreed.status]).toEqual([400, 400])
    expect([shown.headers.get('location'), agreed.headers.get('location')]).toEqual([null, null])
  })

  test('is asked twice in one parameter: 400', async () => {
    const one = await client()
    const path = `${one.authorizePath(RESOURCE)}&redirect_uri=https://evil.example`
    expect((await one.say(path, ada.cookie)).status).toBe(400)
  })

  test('RFC 8252 §7.3: may come back to any port of the same machine, and no other address may', async () => {
    const one = await client()
    const answer = await one.say(
      one.authorizePath(RESOURCE, { redirect_uri: 'http://127.0.0.1:61234/callback' }),
      ada.cookie,
    )
    expect(answer.headers.get('location')).toStartWith('http://127.0.0.1:61234/callback?code=')
    await one.register({ redirect_uris: ['https://client.example/callback'] })
    const other = one.authorizePath(RESOURCE, { redirect_uri: 'https://client.example:8443/callback' })
    expect((await one.say(other, ada.cookie)).status).toBe(400)
  })

  test('whoever may not use it themselves cannot give it, and is not sent on', async () => {
    const one = await client()
    const path = one.authorizePath('http://app.test/admin')
    for (const answer of [await one.ask(path, { cookie: ada.cookie }), await one.say(path, ada.cookie)])
      expect([answer.status, answer.headers.get('location')]).toEqual([403, null])
  })

  test('a form of another site, a frame or a stranger agrees to nothing', async () => {
    const one = await client()
    const path = one.authorizePath(RESOURCE)
    for (const fields of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }])
      expect((await one.say(path, ada.cookie, 'allow', fields)).status).toBe(403)
    expect((await one.say(path, ada.cookie, 'allow', { 'sec-fetch-site': '', origin: 'null' })).status).not.toBe(303)
    const stranger = await one.say(path, '')
    expect(stranger.headers.get('location') ?? '').not.toContain('code=')
    const page = await one.ask(path, { cookie: ada.cookie, accept: 'text/html' })
    expect(page.status).toBe(200)
    expect(page.headers.get('x-frame-options')).toBe('DENY')
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
  })

  test('a name with markup or signs that turn text round shows as text', async () => {
    const one = new McpClient(gate, 'auth.test')
    await one.register({ client_name: '<b>Bank\u202egnp</b>\u0000' })
    const page = await one.ask(one.authorizePath(RESOURCE), { cookie: ada.cookie, accept: 'text/html' })
    const { text } = htmlPage(await page.text())
    for (const said of ['<b>Bankgnp</b>', '127.0.0.1:4000', RESOURCE]) expect(text).toContain(said)
  })

  test('is answered as often as a person can, and nobody fills the audit trail by it, or by the other forms of theirs', async () => {
    const toml = `[audit]\nkeep = "90d"\n${file('personal_tokens = true\nguest_links = { allow = ["user"], max_uses = 1 }')}`
    await using at = await startGate(toml, { ports: { now: clock.now } })
    const one = await client(at)
    const people = await Promise.all(['a', 'b', 'c', 'd'].map(sub => at.signIn('auth.test', { sub })))
    const fields = { 'sec-fetch-site': 'same-origin', accept: 'application/json' }
    const post = (page: string, cookie: string, form: Readonly<Record<string, string>>) =>
      one.ask(`/.sallyport/${page}`, { ...fields, cookie }, { method: 'POST', body: new URLSearchParams(form) })
    const floods: readonly ((cookie: string) => Promise<Response>)[] = [
      cookie => one.say(one.authorizePath(RESOURCE), cookie, 'deny'),
      cookie => one.say(one.authorizePath(RESOURCE), cookie, 'allow'),
      cookie => post('tokens', cookie, { act: 'create', name: 'mine', days: '7' }),
      cookie => post('sessions', cookie, { act: 'end', id: 'nobody' }),
    ]
    for (const [index, send] of floods.entries()) {
      const { cookie = '' } = people[index] ?? {}
      const statuses: number[] = []
      for (let times = 0; times < 110; times++) statuses.push((await send(cookie)).status)
      expect([index, statuses.filter(answer => answer === 429).length]).toEqual([index, 10])
    }
    // Another site’s form uses nothing up, and nobody is kept from signing out.
    const eve = await at.signIn('auth.test', { sub: 'eve' })
    for (let times = 0; times < 110; times++)
      await one.say(one.authorizePath(RESOURCE), eve.cookie, 'deny', { 'sec-fetch-site': 'cross-site' })
    expect((await one.say(one.authorizePath(RESOURCE), eve.cookie, 'deny')).status).toBe(303)
    expect((await post('logout', people[0]?.cookie ?? '', {})).status).toBe(303)
    clock.advance(10_000)
    expect((await one.say(one.authorizePath(RESOURCE), people[1]?.cookie ?? '', 'deny')).status).toBe(303)
    expect(at.told('program.declined')).toHaveLength(102)
  })

  test('who says no gives nothing; RFC 9207: the answer says who gives it', async () => {
    const one = await client()
    const answer = await one.say(one.authorizePath(RESOURCE), ada.cookie, 'deny')
    const to = new URL(answer.headers.get('location') ?? '')
    expect(Object.fromEntries(to.searchParams)).toEqual({
      error: 'access_denied',
      state: 'st',
      iss: 'http://auth.test',
    })
    const silent = await one.say(one.authorizePath(RESOURCE), ada.cookie, '')
    expect(silent.headers.get('location')).toContain('access_denied')
  })
})

describe('a registration', () => {
  test.each<[string, object]>([
    ['without an address', { redirect_uris: [] }],
    ['with plain HTTP to anywhere', { redirect_uris: ['http://client.example/callback'] }],
    ['with a script', { redirect_uris: ['javascript:alert(1)'] }],
    ['with data', { redirect_uris: ['data:text/html,x'] }],
    ['with a fragment', { redirect_uris: ['https://client.example/#x'] }],
    ['with credentials', { redirect_uris: ['https://a:b@client.example/'] }],
    ['in a spelling that browsers change', { redirect_uris: ['https://client.example/a/../b'] }],
    ['with a host in other letters', { redirect_uris: ['https://CLIENT.example/'] }],
    ['with a number for this machine', { redirect_uris: ['http://2130706433/'] }],
    ['with too many', { redirect_uris: Array.from({ length: 6 }, (_, n) => `https://client.example/${n}`) }],
    ['with a very long one', { redirect_uris: [`https://client.example/${'x'.repeat(500)}`] }],
    ['with what is no text', { redirect_uris: [1] }],
  ])('%s is refused', async (_title, metadata) => {
    const one = new McpClient(gate, 'auth.test')
    const { status: given, body } = await one.register(metadata)
    expect([given, body.error]).toEqual([400, 'invalid_redirect_uri'])
  })

  test('is not on the hosts of applications, nor in another portal’s name', async () => {
    const answer = await fetchFrom(
      gate,
      '/.sallyport/register',
      { host: 'app.test', 'content-type': 'application/json' },
      { method: 'POST', body: JSON.stringify({ redirect_uris: [REDIRECT] }) },
    )
    expect(answer.status).toBe(404)
  })

  test('that is too long, no JSON, or a form of some page is refused', async () => {
    const one = new McpClient(gate, 'auth.test')
    const bodies: readonly (readonly [string, string])[] = [
      ['application/json', `{"redirect_uris":["${REDIRECT}"],"x":"${'x'.repeat(20_000)}"}`],
      ['application/json', '{'],
      ['text/plain', `{"redirect_uris":["${REDIRECT}"]}`],
    ]
    for (const [type, body] of bodies) {
      const answer = await one.ask('/.sallyport/register', { 'content-type': type }, { method: 'POST', body })
      expect([body.length, answer.status]).toEqual([body.length, 400])
    }
  })
})

describe('a code', () => {
  test.each<[string, Readonly<Record<string, string>>, string]>([
    ['with another verifier', { code_verifier: 'w'.repeat(43) }, 'invalid_grant'],
    ['with the challenge for a verifier', { code_verifier: '' }, 'invalid_grant'],
    ['with a verifier that is too short', { code_verifier: 'v' }, 'invalid_grant'],
    ['for another address', { redirect_uri: 'http://127.0.0.1:4001/callback' }, 'invalid_grant'],
    ['for another resource', { resource: 'http://other.test/mcp' }, 'invalid_target'],
    ['for a resource within', { resource: 'http://app.test/mcp/inner' }, 'invalid_target'],
    ['for no resource', { resource: '' }, 'invalid_target'],
    ['as another grant', { grant_type: 'password' }, 'unsupported_grant_type'],
  ])('%s is refused, and is used up by that', async (_title, over, error) => {
    const one = await client()
    const code = await one.code(RESOURCE, ada.cookie)
    const { status: given, body } = await one.redeem(code, RESOURCE, over)
    expect([given, body]).toEqual([400, { error }])
    if (over.grant_type === undefined) expect((await one.redeem(code, RESOURCE)).status).toBe(400)
  })

  test('of another client is refused', async () => {
    const [one, other] = [await client(), await client()]
    const code = await one.code(RESOURCE, ada.cookie)
    expect((await other.redeem(code, RESOURCE)).body).toEqual({ error: 'invalid_grant' })
    expect((await one.redeem(code, RESOURCE)).status).toBe(400)
  })

  test('RFC 6749 §4.1.2: that comes a second time takes away what came of it', async () => {
    const one = await client()
    const code = await one.code(RESOURCE, ada.cookie)
    const { body } = await one.redeem(code, RESOURCE)
    expect(await status(body.access_token)).toBe(200)
    expect((await one.redeem(code, RESOURCE)).body).toEqual({ error: 'invalid_grant' })
    expect(await status(body.access_token)).toBe(401)
    expect((await one.refresh(body.refresh_token ?? '')).status).toBe(400)
  })

  test('RFC 6749 §4.1.2: nor does anything come of one that is used twice at once, at several processes of one store', async () => {
    using folder = temporaryFolder()
    const shared = { store: `sqlite:${join(folder.path, 'sallyport.db')}`, ports: { now: clock.now } }
    await using here = await startGate(file(), shared)
    await using there = await startGate(file(), shared)
    const { cookie } = await here.signIn('auth.test', { sub: 'ada' })
    const [one, other] = [await client(here), new McpClient(there, 'auth.test')]
    other.clientId = one.clientId
    for (let times = 0; times < 6; times++) {
      const code = await one.code(RESOURCE, cookie)
      const uses = await Promise.all([one, other, one, other].map(user => user.redeem(code, RESOURCE)))
      expect(uses.filter(({ status }) => status === 200).length).toBeLessThan(2)
      for (const { body } of uses.filter(({ status }) => status === 200)) {
        for (const at of [here, there]) {
          const isOver = async () => (await status(body.access_token, '/mcp', 'app.test', at)) === 401
          await eventually(isOver, 'what came of it ends')
        }
        expect((await one.refresh(body.refresh_token ?? '')).body).toEqual({ error: 'invalid_grant' })
      }
      const listed = await one.ask('/.sallyport/tokens', { cookie, accept: 'application/json' })
      expect(((await listed.json()) as { tokens: unknown[] }).tokens).toEqual([])
    }
    // Once alone is as good as ever.
    const { body } = await other.redeem(await one.code(RESOURCE, cookie), RESOURCE)
    expect(await status(body.access_token, '/mcp', 'app.test', here)).toBe(200)
  })

  test('is good for a minute, and not once its person has signed out', async () => {
    const one = await client()
    const late = await one.code(RESOURCE, ada.cookie)
    clock.advance(61_000)
    expect((await one.redeem(late, RESOURCE)).status).toBe(400)
    const carol = await gate.signIn('auth.test', { sub: 'carol' })
    const code = await one.code(RESOURCE, carol.cookie)
    await gate.end(carol.sessionId)
    expect((await one.redeem(code, RESOURCE)).body).toEqual({ error: 'invalid_grant' })
  })
})

describe('a refresh token', () => {
  test('is good once, and one that comes again later ends all that came of it (RFC 9700 §4.14.2)', async () => {
    const { one, refresh } = await granted()
    const next = await one.refresh(refresh)
    expect(next.status).toBe(200)
    expect(await status(next.body.access_token)).toBe(200)
    clock.advance(10_000)
    expect((await one.refresh(refresh)).body).toEqual({ error: 'invalid_grant' })
    expect(await status(next.body.access_token)).toBe(401)
    expect((await one.refresh(next.body.refresh_token ?? '')).status).toBe(400)
    expect(gate.told('was used twice').length).toBeGreaterThan(0)
  })

  test('that comes again later is in the audit trail, though the store fails to end what came of it right then', async () => {
    const { one, refresh } = await granted()
    const next = await one.refresh(refresh)
    clock.advance(10_000)
    const before = gate.told('"event":"token.repeated"').length
    const database = new Database(join(gate.folder, 'sallyport.db'))
    database.run("CREATE TRIGGER fail BEFORE DELETE ON tokens BEGIN SELECT RAISE(ABORT, 'not now'); END")
    expect((await one.refresh(refresh)).status).toBe(503)
    database.run('DROP TRIGGER fail')
    database.close()
    expect(gate.told('"event":"token.repeated"')).toHaveLength(before + 1)
    await eventually(async () => (await status(next.body.access_token)) === 401, 'it has ended')
  })

  test('has the same answer again for ten seconds, however often, until what it was answered with is used', async () => {
    const { one, refresh } = await granted()
    const next = await one.refresh(refresh)
    clock.advance(9_999)
    // None of these counts as a refresh, of which a grant has ten at once.
    for (let times = 0; times < 15; times++) expect(await one.refresh(refresh)).toEqual(next)
    expect(await status(next.body.access_token)).toBe(200)
    const third = await one.refresh(next.body.refresh_token ?? '')
    expect(third.status).toBe(200)
    expect(await one.refresh(next.body.refresh_token ?? '')).toEqual(third)
    // One before the one that was used last is somebody else's.
    expect((await one.refresh(refresh)).body).toEqual({ error: 'invalid_grant' })
    expect(await status(third.body.access_token)).toBe(401)
    for (const token of [next, third])
      expect((await one.refresh(token.body.refresh_token ?? '')).body).toEqual({ error: 'invalid_grant' })
  })

  test('has it again for its own client and resource alone; others get nothing, and end nothing', async () => {
    const { one, refresh } = await granted()
    const other = await client()
    const next = await one.refresh(refresh, { resource: RESOURCE })
    expect((await other.refresh(refresh)).body).toEqual({ error: 'invalid_grant' })
    expect((await one.refresh(refresh, { resource: 'http://other.test/mcp' })).body).toEqual({
      error: 'invalid_target',
    })
    expect(await one.refresh(refresh, { resource: RESOURCE })).toEqual(next)
    expect(await status(next.body.access_token)).toBe(200)
  })

  needs('valkey-server').test(
    'has it again for ten seconds of the store, at a machine whose clock is not right',
    async () => {
      await using valkey = await startValkey()
      for (const aheadMs of [25_000, -25_000]) {
        const at = (ms: number) => ({ ports: { now: () => Date.now() + ms }, ...shared(valkey.url()) })
        await using here = await startGate(file(), at(0))
        await using there = await startGate(file(), at(aheadMs))
        const [one, other] = [await client(here), new McpClient(there, 'auth.test')]
        other.clientId = one.clientId
        const { cookie } = await here.signIn('auth.test', { sub: 'ada' })
        const { body } = await one.redeem(await one.code(RESOURCE, cookie), RESOURCE)
        const refreshed = await one.refresh(body.refresh_token ?? '')
        expect(refreshed.status).toBe(200)
        expect(await other.refresh(body.refresh_token ?? '')).toEqual(refreshed)
      }
    },
  )

  needs('valkey-server').test.each(['sqlite', 'redis'] as const)(
    'that several processes of one client use at once has one answer in %s, which no reader of the store can tell',
    async kind => {
      await using valkey = kind === 'redis' ? await startValkey() : null
      using folder = temporaryFolder()
      const options = {
        ports: { now: clock.now },
        ...shared(valkey === null ? join(folder.path, 's.db') : valkey.url()),
      }
      await using here = await startGate(file(), options)
      await using there = await startGate(file(), options)
      const [one, other] = [await client(here), new McpClient(there, 'auth.test')]
      other.clientId = one.clientId
      const { cookie } = await here.signIn('auth.test', { sub: 'ada' })
      const { body } = await one.redeem(await one.code(RESOURCE, cookie), RESOURCE)
      let refresh = body.refresh_token ?? ''
      const rows = async () =>
        valkey === null
          ? new Database(join(folder.path, 's.db'), { readonly: true })
              .query<{ value: string }, []>("SELECT value FROM once WHERE kind = 'refresh'")
              .all()
              .map(({ value }) => value)
          : [await valkey.ask(0, 'EVAL', KEPT, '0')].flatMap(text => text.split('\n').filter(line => line !== ''))
      const sealer = createSealer(Buffer.from(SESSION_KEY, 'base64'), quietPorts(clock))
      for (let times = 0; times < 5; times++) {
        const answers = await Promise.all([one, other, one, other].map(user => user.refresh(refresh)))
        const [first] = answers
        expect(new Set(answers.map(answer => JSON.stringify(answer))).size).toBe(1)
        expect(first?.status).toBe(200)
        const { access_token = '', refresh_token = '' } = first?.body ?? {}
        for (const at of [here, there]) expect(await status(access_token, '/mcp', 'app.test', at)).toBe(200)
        const kept = await rows()
        expect(kept).toHaveLength(1)
        const opened = await sealer.open(kept[0] ?? '', 'once refresh')
        const { again } = opened as { again: string }
        expect(await sealer.open(again, 'the answer to a refresh token')).toBeNull()
        for (const secret of [access_token, refresh_token, refresh])
          expect(JSON.stringify(opened)).not.toContain(secret)
        refresh = refresh_token
      }
      expect((await other.refresh(body.refresh_token ?? '')).body).toEqual({ error: 'invalid_grant' })
      expect((await one.refresh(refresh)).body).toEqual({ error: 'invalid_grant' })
    },
  )

  test('of another client, for another resource, changed, or an access token in its place is refused, and ends nothing', async () => {
    const { one, access, refresh } = await granted()
    const other = await client()
    expect((await other.refresh(refresh)).status).toBe(400)
    expect((await one.refresh(refresh, { resource: 'http://other.test/mcp' })).body).toEqual({
      error: 'invalid_target',
    })
    expect((await one.refresh(`${refresh.slice(0, -1)}_`)).status).toBe(400)
    expect((await one.refresh(access)).status).toBe(400)
    expect(await status(refresh)).toBe(401)
    expect((await one.refresh(refresh, { resource: RESOURCE })).status).toBe(200)
  })

  test('an access token ends after ten minutes, and follows its person: gone with the role, at rest once an admin ended a session', async () => {
    const { one, access, refresh } = await granted(bob.cookie)
    expect(await status(access)).toBe(200)
    clock.advance(10 * 60_000 - 1)
    expect(await status(access)).toBe(200)
    clock.advance(1)
    expect(await status(access)).toBe(401)
    const next = await one.refresh(refresh)
    expect(await status(next.body.access_token)).toBe(200)
    gate.save(file().replace('roles.user = { any = true }', 'roles.user = { groups = ["others"] }'))
    expect(gate.server.reload()).toBe('changed')
    expect(await status(next.body.access_token)).toBe(403)
    expect((await one.refresh(next.body.refresh_token ?? '')).body).toEqual({ error: 'invalid_grant' })
    gate.save(file())
    expect(gate.server.reload()).toBe('changed')
    expect((await one.refresh(next.body.refresh_token ?? '')).status).toBe(200)
  })

  needs('valkey-server').test.each(['sqlite', 'redis'])(
    'that is used again and again is told to wait, leaves nothing behind in %s, and goes on',
    async kind => {
      await using valkey = kind === 'redis' ? await startValkey() : null
      using folder = temporaryFolder()
      const store = valkey === null ? `sqlite:${join(folder.path, 's.db')}` : valkey.url()
      await using at = await startGate(file(), { ports: { now: clock.now }, store, sessions: shared(store).sessions })
      const one = await client(at)
      const eve = await at.signIn('auth.test', { sub: 'eve' })
      const { body } = await one.redeem(await one.code(RESOURCE, eve.cookie), RESOURCE)
      let refresh = body.refresh_token ?? ''
      let access = body.access_token ?? ''
      let renewed = 0
      for (; renewed < 100; renewed++) {
        const next = await one.refresh(refresh)
        if (next.status === 429) break
        expect(next.status).toBe(200)
        refresh = next.body.refresh_token ?? ''
        access = next.body.access_token ?? ''
      }
      expect(renewed).toBe(10)
      // Another of the same client is not held up, nor is what was given.
      expect(await status(access, '/mcp', 'app.test', at)).toBe(200)
      const other = await one.redeem(await one.code(RESOURCE, eve.cookie), RESOURCE)
      expect((await one.refresh(other.body.refresh_token ?? '')).status).toBe(200)
      const listed = await one.ask('/.sallyport/tokens', { cookie: eve.cookie, accept: 'application/json' })
      expect(((await listed.json()) as { tokens: unknown[] }).tokens).toHaveLength(2)
      const kept =
        valkey === null
          ? new Database(join(folder.path, 's.db'), { readonly: true }).query('SELECT id FROM tokens').all().length
          : Number(await valkey.ask(0, 'EVAL', "return #redis.call('KEYS', 'sallyport:1:token:*')", '0'))
      expect(kept).toBe(6)
      // What was refused is not used up. Servers count by their own clocks.
      clock.advance(60_000)
      if (valkey === null) expect((await one.refresh(refresh)).status).toBe(200)
      else expect((await one.refresh(refresh)).body).toMatchObject({ code: 'limit.rate' })
    },
  )

  test('is listed among its person’s tokens, and revoked there', async () => {
    const dora = await gate.signIn('auth.test', { sub: 'dora' })
    const { one, access, refresh } = await granted(dora.cookie)
    const list = async () => {
      const answer = await one.ask('/.sallyport/tokens', { cookie: dora.cookie, accept: 'application/json' })
      return ((await answer.json()) as { tokens: { id: string; name: string }[] }).tokens
    }
    const found = await list()
    expect(found.map(({ name }) => name)).toEqual(['Inspector'])
    const act = { act: 'revoke', id: found[0]?.id ?? '' }
    const fields = { cookie: dora.cookie, 'sec-fetch-site': 'same-origin' }
    await one.ask('/.sallyport/tokens', fields, { method: 'POST', body: new URLSearchParams(act) })
    expect(await list()).toEqual([])
    expect(await status(access)).toBe(401)
    expect((await one.refresh(refresh)).body).toEqual({ error: 'invalid_grant' })
    // People make none of their own where the portal does not say so.
    const make = new URLSearchParams({ act: 'create', name: 'mine', days: '7' })
    expect((await one.ask('/.sallyport/tokens', fields, { method: 'POST', body: make })).status).toBe(403)
  })
})

test('without a route whose tokens it gives, a portal has none of these addresses', async () => {
  await using other = await startGate(file().replaceAll('mcp = true', 'mcp = "provider"'))
  for (const path of ['authorize', 'token', 'register'])
    expect((await fetchFrom(other, `/.sallyport/${path}`, { host: 'auth.test' }, { method: 'POST' })).status).toBe(404)
  expect(VERIFIER.length).toBe(43)
})

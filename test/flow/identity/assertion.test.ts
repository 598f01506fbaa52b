import { Database } from 'bun:sqlite'
import { beforeEach, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { createRemoteJWKSet, type JWTVerifyResult, jwtVerify } from 'jose'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { openSessionState } from '../../../src/process/session-state.ts'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { aheadClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { type Gate, type GateOptions, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { forwarded, send } from '../../kit/verify.ts'
import { WEBSOCKET_KEY } from '../../kit/wire/websocket.ts'

const DAY = 24 * 3_600_000
const clock = aheadClock()

const keep = untilTheEnd()
const upstream = keep(startTellingFields())
beforeEach(() => {
  clock.setAhead(0)
})

function toml(): string {
  const route = (host: string, lines: string) => routeTo(upstream, host, lines)
  return `${PORTAL}
[portals.away]
url = "http://auth.example"
providers = ["id"]
insecure_cookies = true
roles.user = { any = true }

${route('app.example', 'portal = "home"\nallow = ["user"]\nassertion = { audience = "app" }')}
${route('other.example', 'portal = "home"\nallow = ["user"]\nassertion = { audience = "other", header = "X-Jwt" }')}
${route('bearer.example', 'portal = "home"\nallow = "public"\nassertion = { audience = "b", header = "Authorization", issuer = "urn:gate" }')}
${route('away.example', 'portal = "away"\nallow = ["user"]\nassertion = { audience = "away" }')}
${route('plain.example', 'portal = "home"\nallow = ["user"]')}
${route('open.example', 'allow = "public"')}
${route('api.example', 'portal = "home"\nallow = ["user"]\ntokens = true\nassertion = { audience = "api" }')}
`
}

const gateWith = (options: GateOptions = {}) => startGate(toml(), { ports: clock, ...options })

/** What the upstream got of a request to a host. */
async function told(gate: Gate, host: string, fields: Record<string, string> = {}): Promise<Record<string, string>> {
  const answer = await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host, ...fields }, redirect: 'manual' })
  if (answer.status !== 200) throw new Error(`${host} answered ${answer.status}: ${await answer.text()}`)
  return (await answer.json()) as Record<string, string>
}

/** Verifies as an application would, with the keys that it fetches from the gate. */
function verifierOf(gate: Gate, host = 'app.example') {
  const address = new URL(`http://127.0.0.1:${gate.port}/.sallyport/jwks.json`)
  const keys = createRemoteJWKSet(address, { headers: { host }, cooldownDuration: 0 })
  return (token: string | undefined, audience = 'app', issuer = 'http://app.example'): Promise<JWTVerifyResult> =>
    jwtVerify(token ?? '', keys, { audience, issuer, algorithms: ['ES256'], currentDate: new Date(clock.now()) })
}

const ASSERTION = 'x-sallyport-assertion'
const ADA = {
  name: 'Zoë',
  email: 'ada@example.com',
  email_verified: true,
  groups: ['admins', 'a,b'],
  preferred_username: 'ada',
}

async function kidOf(gate: Gate, cookie: string): Promise<string | undefined> {
  const { protectedHeader } = await verifierOf(gate)((await told(gate, 'app.example', { cookie }))[ASSERTION])
  return protectedHeader.kid
}

async function publishedBy(gate: Gate): Promise<readonly string[]> {
  const answer = await fetch(`http://127.0.0.1:${gate.port}/.sallyport/jwks.json`, { headers: { host: 'app.example' } })
  const { keys } = (await answer.json()) as { keys: { kid: string }[] }
  return keys.map(({ kid }) => kid)
}

describe('an assertion', () => {
  test('says who is there, to this application alone, for five minutes, and can be checked with the published keys', async () => {
    await using gate = await gateWith()
    const { cookie } = await gate.signIn('app.example', { sub: 'ada', ...ADA })
    const earliest = Math.floor(clock.now() / 1000)
    const assertion = (await told(gate, 'app.example', { cookie }))[ASSERTION]
    const latest = Math.floor(clock.now() / 1000)
    const { payload, protectedHeader } = await verifierOf(gate)(assertion)
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'JWT', kid: expect.any(String) })
    const { iat = 0, exp, ...claims } = payload
    expect(claims).toEqual({
      iss: 'http://app.example',
      aud: 'app',
      sub: 'ada',
      provider: 'id',
      ...ADA,
      roles: ['user', 'admin'],
    })
    expect(iat).toBeWithin(earliest, latest + 1)
    expect(exp).toBe(iat + 300)
  })

  test('is made anew in a verdict, too, though nothing else of it has changed', async () => {
    const asked = '[[routes]]\nhost = "asked.example"\nverify = true\nportal = "home"\nallow = ["user"]\n'
    await using gate = await startGate(`${PORTAL}\n${asked}assertion = { audience = "asked" }\n`, {
      ports: clock,
      server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"\n',
    })
    const { cookie } = await gate.signIn('asked.example', { sub: 'ada' })
    const verdict = async () => {
      const lines = forwarded('/', [`Cookie: ${cookie}`], 'GET', 'asked.example')
      return (await send(gate.verifyPort, '/.sallyport/verify', lines, 'asked.example')).field(ASSERTION) ?? ''
    }
    const verify = (token: string) => verifierOf(gate, 'asked.example')(token, 'asked', 'http://asked.example')
    const first = await verdict()
    expect([await verdict(), (await verify(first)).payload.sub]).toEqual([first, 'ada'])
    clock.setAhead(4.5 * 60_000)
    const second = await verdict()
    expect(second).not.toBe(first)
    await verify(second)
  })

  test('of one application is refused by another, and by one that expects another gate', async () => {
    await using gate = await gateWith()
    const { cookie } = await gate.signIn('other.example')
    const token = (await told(gate, 'other.example', { cookie }))['x-jwt']
    const verify = verifierOf(gate)
    await verify(token, 'other', 'http://other.example')
    await expect(verify(token, 'app', 'http://other.example')).rejects.toThrow('"aud"')
    await expect(verify(token, 'other', 'http://app.example')).rejects.toThrow('"iss"')
  })

  test('comes from the portal’s own address where it has one, whose keys are the same', async () => {
    await using gate = await gateWith()
    const { cookie } = await gate.signIn('away.example', { sub: 'ada' }, 'away')
    const { payload } = await verifierOf(gate, 'auth.example')(
      (await told(gate, 'away.example', { cookie }))[ASSERTION],
      'away',
      'http://auth.example',
    )
    expect(payload).toMatchObject({ sub: 'ada', groups: [], roles: ['user'] })
    expect(payload).not.toHaveProperty('email')
  })

  test('goes as Authorization where the file says so, in place of whatever a client sends there', async () => {
    await using gate = await gateWith()
    const { cookie } = await gate.signIn('bearer.example')
    const forged = { authorization: 'Bearer forged' }
    const { authorization = '' } = await told(gate, 'bearer.example', { cookie, ...forged })
    await verifierOf(gate)(authorization.replace('Bearer ', ''), 'b', 'urn:gate')
    expect(await told(gate, 'bearer.example', forged)).not.toHaveProperty('authorization')
    expect((await told(gate, 'open.example', forged)).authorization).toBe('Bearer forged')
  })

  test.each([ASSERTION, 'X_Sallyport_Assertion', 'x.sallyport.assertion', 'x-jwt', 'X_JWT'])(
    '%s is taken from no client, on any route',
    async name => {
      await using gate = await gateWith()
      for (const host of ['plain.example', 'app.example', 'other.example', 'open.example']) {
        const { cookie } = await gate.signIn(host)
        const values = Object.values(await told(gate, host, { cookie, [name]: 'forged' }))
        expect([host, values.filter(value => value.includes('forged'))]).toEqual([host, []])
      }
    },
  )

  test('is the same for all requests of a session on a route, and made anew while it is still good', async () => {
    await using gate = await gateWith()
    const { cookie } = await gate.signIn('app.example')
    const ask = async () => (await told(gate, 'app.example', { cookie }))[ASSERTION] ?? ''
    const first = await ask()
    clock.setAhead(3 * 60_000)
    expect(await ask()).toBe(first)
    clock.setAhead(4 * 60_000 + 1000)
    const second = await ask()
    expect(second).not.toBe(first)
    await verifierOf(gate)(second)
    for (const aheadMs of [10 * 60_000, 60 * 60_000]) {
      clock.setAhead(aheadMs)
      await verifierOf(gate)(await ask())
    }
    // A clock that is set back never leaves an assertion from the future.
    clock.setAhead(0)
    await verifierOf(gate)(await ask())
  })

  test('never outlives its session', async () => {
    await using gate = await gateWith({
      sessions: 'lifetime = "2m"\nidle = "2m"\nrefresh_limit = "2m"\nrefresh = "1m"',
    })
    const { cookie } = await gate.signIn('app.example')
    const { payload } = await verifierOf(gate)((await told(gate, 'app.example', { cookie }))[ASSERTION])
    expect((payload.exp ?? 0) * 1000).toBeLessThanOrEqual(clock.now() + 120_000)
  })

  test('has the roles that the file gives now', async () => {
    await using gate = await gateWith()
    const { cookie } = await gate.signIn('app.example', { groups: ['admins'] })
    const rolesNow = async () =>
      (await verifierOf(gate)((await told(gate, 'app.example', { cookie }))[ASSERTION])).payload.roles
    expect(await rolesNow()).toEqual(['user', 'admin'])
    gate.save(toml().replace('admin = { groups = ["admins"] }', 'boss = { groups = ["admins"] }'))
    expect(gate.server.reload()).toBe('changed')
    expect(await rolesNow()).toEqual(['user', 'boss'])
  })

  test('is made for the holder of a token too, with the roles of the token and no others', async () => {
    await using gate = await gateWith()
    const { sessions } = openSessionState(gate.server.config, quietPorts(clock))
    const identity = { ...makeIdentity('', '', 'token:backup', { name: 'backup' }), roles: ['user'] }
    const limits = { host: null, path: null, methods: null, networks: null }
    const { text } = await sessions.tokens.create({ portal: 'home', name: 'b', lifetimeMs: DAY, identity, limits })
    await sessions.close()
    const got = await told(gate, 'api.example', { authorization: `Bearer ${text}` })
    const { payload } = await verifierOf(gate)(got[ASSERTION], 'api', 'http://api.example')
    expect(payload).toMatchObject({ sub: 'token:backup', name: 'backup', roles: ['user'], groups: [] })
    expect(payload).not.toHaveProperty('provider')
  })

  test('travels with the handshake of a WebSocket', async () => {
    await using gate = await gateWith()
    const { cookie } = await gate.signIn('app.example')
    const fields = { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-version': '13' }
    const got = await told(gate, 'app.example', { cookie, ...fields, 'sec-websocket-key': WEBSOCKET_KEY })
    expect(got.upgrade).toBe('websocket')
    await verifierOf(gate)(got[ASSERTION])
  })

  test('is in no log', async () => {
    await using gate = await gateWith()
    const { cookie } = await gate.signIn('app.example')
    const token = (await told(gate, 'app.example', { cookie }))[ASSERTION] ?? 'missing'
    const signature = token.split('.')[2] ?? 'missing'
    expect([...gate.log, ...gate.access].join('\n')).not.toContain(signature)
  })
})

test('a proxy in front that asks for a verdict is told too: each field, or that it is empty', async () => {
  const front = `${PORTAL}
[[routes]]
host = "app.example"
verify = true
portal = "home"
allow = [{ roles = ["user"] }, { methods = "HEAD", anonymous = true }]
assertion = { audience = "app" }
pass_token = "id"
`
  await using gate = await startGate(front, {
    ports: clock,
    server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"',
  })
  const ask = (method: string, fields: Record<string, string>) =>
    fetch(`http://127.0.0.1:${gate.verifyPort}/.sallyport/verify`, {
      headers: {
        'x-forwarded-host': 'app.example',
        'x-forwarded-method': method,
        'x-forwarded-uri': '/',
        authorization: 'Bearer theirs',
        ...fields,
      },
    })
  const { cookie } = await gate.signIn('app.example', { sub: 'ada' })
  const somebody = await ask('GET', { cookie })
  expect([somebody.status, somebody.headers.get('authorization')]).toEqual([204, 'Bearer x'])
  await verifierOf(gate)(somebody.headers.get(ASSERTION) ?? '')
  const nobody = await ask('HEAD', { [ASSERTION]: 'forged' })
  expect([nobody.status, nobody.headers.get('authorization'), nobody.headers.get(ASSERTION)]).toEqual([204, '', ''])
})

describe('the key set', () => {
  test('is on every host of a portal, for everyone, may be kept for an hour, and shows no private half', async () => {
    await using gate = await gateWith()
    const ask = (host: string, init: RequestInit = {}) =>
      fetch(`http://127.0.0.1:${gate.port}/.sallyport/jwks.json`, { ...init, headers: { host } })
    const sets = []
    for (const host of ['app.example', 'plain.example', 'auth.example', 'away.example']) {
      const answer = await ask(host)
      expect([host, answer.status]).toEqual([host, 200])
      expect(answer.headers.get('content-type')).toBe('application/jwk-set+json')
      expect(answer.headers.get('cache-control')).toBe('public, max-age=3600')
      sets.push(await answer.text())
    }
    expect(new Set(sets).size).toBe(1)
    const { keys } = JSON.parse(sets[0] ?? '')
    expect(keys).toHaveLength(1)
    expect(Object.keys(keys[0]).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    expect((await ask('app.example', { method: 'HEAD' })).status).toBe(200)
    expect((await ask('app.example', { method: 'POST' })).headers.get('allow')).toBe('GET, HEAD')
    expect((await ask('open.example')).status).toBe(404)
  })

  test('outlives a restart, and is one for processes that share a database', async () => {
    using folder = temporaryFolder()
    const store = `sqlite:${folder.path}/shared.db`
    let first: string | undefined
    {
      await using one = await gateWith({ store })
      await using other = await gateWith({ store })
      const { cookie } = await one.signIn('app.example')
      const kids = await Promise.all([kidOf(one, cookie), kidOf(other, cookie)])
      first = kids[0]
      expect(kids[1]).toBe(first)
      const token = (await told(one, 'app.example', { cookie }))[ASSERTION]
      await verifierOf(other)(token)
    }
    await using again = await gateWith({ store })
    const { cookie } = await again.signIn('app.example')
    expect(await kidOf(again, cookie)).toBe(first)
  })

  test('rotates after thirty days; the next key is published a day before it signs, and the old one stays for two hours', async () => {
    await using gate = await gateWith()
    const kidNow = async () => kidOf(gate, (await gate.signIn('app.example')).cookie)
    const first = await kidNow()
    clock.setAhead(28 * DAY)
    expect([await kidNow(), await publishedBy(gate)]).toEqual([first, [first ?? '']])
    clock.setAhead(29 * DAY + 60_000)
    const both = await publishedBy(gate)
    expect(both).toHaveLength(2)
    expect(await kidNow()).toBe(first)
    const { cookie } = await gate.signIn('app.example')
    const last = (await told(gate, 'app.example', { cookie }))[ASSERTION]
    clock.advance(4 * 60_000)
    await verifierOf(gate)(last)
    clock.setAhead(30 * DAY + 60_000)
    expect([await kidNow(), await publishedBy(gate)]).toEqual([both[1], both])
    clock.setAhead(30 * DAY + 3 * 3_600_000)
    expect([await kidNow(), await publishedBy(gate)]).toEqual([both[1], both.slice(1)])
  })
})

test('a route that asks for nothing sends nothing, and makes no keys', async () => {
  await using gate = await gateWith()
  const { cookie } = await gate.signIn('plain.example')
  const names = Object.keys(await told(gate, 'plain.example', { cookie }))
  expect(names.filter(name => /assert|jwt|authori/.test(name))).toEqual([])
  const database = new Database(join(gate.folder, 'sallyport.db'), { readonly: true })
  const kept = database.query("SELECT name FROM shared WHERE name NOT LIKE 'audit-keep:%'").all()
  expect(kept).toEqual([{ name: 'key' }])
  database.close()
})

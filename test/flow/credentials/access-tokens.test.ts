import { describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { fakeClock } from '../../kit/clock.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Misbehaviour, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { EVERYONE, portalTable, providerTable, routeTo } from '../../kit/toml.ts'

/** What the upstream saw of each request: its fields. */
const seen: string[] = []
const clock = fakeClock(Date.now())

const keep = untilTheEnd()
const provider = keep(await startBadProvider(() => Math.floor(clock.now() / 1000)))
const upstream = keep(
  startAnswering(({ headers }) => {
    seen.push(JSON.stringify(headers.toJSON()))
    return new Response(`${headers.get('x-token-subject')} ${headers.get('x-token-user-roles')}`)
  }),
)

const AUDIENCE = 'https://gate.example/api'

function file(audience = AUDIENCE): string {
  const route = (path: string, more: string) =>
    routeTo(upstream, 'app.test', `path = "${path}"\nportal = "home"\nheaders = "x-token"\n${more}`)
  return [
    providerTable(provider, `access_tokens = { audience = "${audience}" }`),
    portalTable(`${EVERYONE}\nroles.admin = { groups = ["admins"] }`),
    route('/', 'allow = ["user"]\ntokens = true'),
    route('/admin', 'allow = ["admin"]\ntokens = true'),
    route('/people', 'allow = ["user"]'),
    route('/fresh', 'allow = [{ roles = ["user"], max_age = "15m" }]\ntokens = true'),
  ].join('\n')
}

/** An access token with the right claims (RFC 9068 §2.2), laid over by these. */
const accessToken = (over: Pick<Misbehaviour, 'claims' | 'header' | 'signing'> = {}) =>
  provider.accessToken(AUDIENCE, over)

async function ask(gate: Gate, authorization: string, path = '/', fields: Readonly<Record<string, string>> = {}) {
  const before = seen.length
  const answer = await fetchFrom(gate, path, { host: 'app.test', accept: 'text/html', authorization, ...fields })
  return { status: answer.status, body: await answer.text(), forwarded: seen.slice(before).join('\n'), answer }
}

function start(): Promise<Gate> {
  return startGate(file(), { ports: { now: clock.now } })
}

test('RFC 9068: a provider’s access token lets in whom it names, with the roles of its claims, and is not forwarded', async () => {
  await using gate = await start()
  for (const typ of ['at+jwt', 'application/at+jwt', 'JWT', undefined]) {
    const token = await accessToken({ header: { typ } })
    const { status, body, forwarded } = await ask(gate, `Bearer ${token}`)
    expect([typ, status, body]).toEqual([typ, 200, 'user-1 user'])
    expect(forwarded).not.toContain(token)
  }
  const plain = await accessToken()
  expect((await ask(gate, `Bearer ${plain}`, '/admin')).status).toBe(403)
  const admin = await accessToken({ claims: { groups: ['admins'], aud: ['other', AUDIENCE] } })
  expect((await ask(gate, `Bearer ${admin}`, '/admin')).body).toBe('user-1 user admin')
})

const THUMBPRINT = 'juTdIdPzUa4RhOaHd4AKs7S3z5O_m-MZSgOd5EcfTqI'

test.each<[string, Pick<Misbehaviour, 'claims' | 'header' | 'signing'>]>([
  ['unsigned', { signing: 'none' }],
  ['signed with the public key as a secret', { signing: 'hmac-public-key' }],
  ['signed by a stranger', { signing: 'stranger' }],
  ['expired', { claims: { exp: Math.floor(clock.now() / 1000) - 90 } }],
  ['without an end', { claims: { exp: undefined } }],
  ['not good yet', { claims: { nbf: Math.floor(clock.now() / 1000) + 90 } }],
  ['from the future', { claims: { iat: Math.floor(clock.now() / 1000) + 90 } }],
  ['without a subject', { claims: { sub: undefined } }],
  ['with an empty subject', { claims: { sub: '' } }],
  ['typed as a logout token', { header: { typ: 'logout+jwt' } }],
  ['typed as something else', { header: { typ: 'dpop+jwt' } }],
  // Keycloak 26.7.3 of a client with DPoP, and RFC 8705 §3.1.
  [
    'bound to a key of its client (DPoP)',
    {
      header: { typ: 'JWT' },
      claims: { typ: 'DPoP', azp: 'cli-dpop', cnf: { jkt: THUMBPRINT, 'kc-jkt-type': 'DPoP' } },
    },
  ],
  ['bound to a certificate of its client (mTLS)', { claims: { cnf: { 'x5t#S256': THUMBPRINT } } }],
  ['bound to what nobody knows', { claims: { cnf: null } }],
  ['that is an ID token, by its nonce', { header: { typ: 'JWT' }, claims: { nonce: 'n' } }],
  ['that is an ID token, by its at_hash', { header: { typ: 'JWT' }, claims: { at_hash: 'h' } }],
])('a token %s is refused with 401, never a redirect, and nothing is forwarded', async (_title, over) => {
  await using gate = await start()
  const { status, body, forwarded, answer } = await ask(gate, `Bearer ${await accessToken(over)}`)
  expect([status, forwarded]).toEqual([401, ''])
  expect(JSON.parse(body).code).toBe('access.token')
  expect(answer.headers.get('www-authenticate')).toStartWith('Bearer')
})

test('a token for another audience or of another issuer counts for nothing, and is the application’s own business', async () => {
  await using gate = await start()
  for (const claims of [{ aud: 'other' }, { aud: undefined }, { aud: [] }, { iss: 'https://other.example' }]) {
    const { status, forwarded } = await ask(gate, `Bearer ${await accessToken({ claims })}`, '/', { accept: '*/*' })
    expect([claims, status, forwarded]).toEqual([claims, 401, ''])
  }
})

test('a route without tokens = true takes none, and max_age does not hold for one that does not say auth_time', async () => {
  await using gate = await start()
  const token = await accessToken()
  const people = await ask(gate, `Bearer ${token}`, '/people', { accept: '*/*' })
  expect([people.status, people.forwarded]).toEqual([401, ''])
  const fresh = await ask(gate, `Bearer ${token}`, '/fresh')
  expect([fresh.status, fresh.forwarded]).toEqual([403, ''])
})

test('a token is checked once, and no longer let in once it has expired or the file names another audience', async () => {
  await using gate = await start()
  const token = await accessToken()
  expect((await ask(gate, `Bearer ${token}`)).status).toBe(200)
  const keysBefore = provider.asked.jwks
  provider.behave({ instead: { jwks: () => new Response('away', { status: 500 }) } })
  expect((await ask(gate, `Bearer ${token}`)).status).toBe(200)
  expect(provider.asked.jwks).toBe(keysBefore)
  provider.behave({})
  clock.advance(4 * 60_000)
  expect((await ask(gate, `Bearer ${token}`)).status).toBe(401)
  const fresh = await accessToken()
  expect((await ask(gate, `Bearer ${fresh}`)).status).toBe(200)
  gate.save(file('https://gate.example/other'))
  expect(gate.server.reload()).toBe('changed')
  expect((await ask(gate, `Bearer ${fresh}`, '/', { accept: '*/*' })).status).toBe(401)
})

describe('with bearer_id_tokens = true', () => {
  const withIdTokens = file().replace('access_tokens =', 'bearer_id_tokens = true\naccess_tokens =')
  const idToken = (over: Pick<Misbehaviour, 'claims' | 'header' | 'signing'> = {}) =>
    provider.accessToken(provider.clientId, {
      ...over,
      header: { typ: 'JWT', ...over.header },
      claims: { nonce: 'n', at_hash: 'h', ...over.claims },
    })
  const started = startGate(withIdTokens, { ports: { now: clock.now } })
  keep({ [Symbol.asyncDispose]: async () => (await started)[Symbol.asyncDispose]() })

  test('an ID token of the client lets in whom it names, on routes with tokens alone, and is not forwarded', async () => {
    const gate = await started
    for (const over of [{}, { claims: { aud: [provider.clientId, 'other'], azp: provider.clientId } }]) {
      const token = await idToken(over)
      const { status, body, forwarded } = await ask(gate, `Bearer ${token}`)
      expect([status, body]).toEqual([200, 'user-1 user'])
      expect(forwarded).not.toContain(token)
      expect((await ask(gate, `Bearer ${token}`, '/people', { accept: '*/*' })).status).toBe(401)
      expect((await ask(gate, `Bearer ${token}`, '/admin')).status).toBe(403)
    }
    expect(gate.told('each application that gets an ID token of this client').length).toBeGreaterThan(0)
  })

  test.each<[string, Pick<Misbehaviour, 'claims' | 'header' | 'signing'>]>([
    ['unsigned', { signing: 'none' }],
    ['signed with the public key as a secret', { signing: 'hmac-public-key' }],
    ['signed by a stranger', { signing: 'stranger' }],
    ['expired', { claims: { exp: Math.floor(clock.now() / 1000) - 90 } }],
    ['without an end', { claims: { exp: undefined } }],
    ['from the future', { claims: { iat: Math.floor(clock.now() / 1000) + 3600 } }],
    ['without a subject', { claims: { sub: undefined } }],
    ['with a subject of ours', { claims: { sub: 'htpasswd:ada' } }],
    ['made for another client', { claims: { azp: 'other' } }],
    ['for several, of whom none is said', { claims: { aud: [provider.clientId, 'other'] } }],
    ['bound to a key of its client', { claims: { cnf: { jkt: THUMBPRINT } } }],
    ['typed as a logout token', { header: { typ: 'logout+jwt' } }],
    ['that is a logout token', { claims: { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } } }],
  ])('one %s is refused with 401, and nothing is forwarded', async (_title, over) => {
    const { status, forwarded, body } = await ask(await started, `Bearer ${await idToken(over)}`)
    expect([status, forwarded, JSON.parse(body).code]).toEqual([401, '', 'access.token'])
  })

  test('one of another client or issuer counts for nothing', async () => {
    for (const claims of [{ aud: 'other' }, { iss: 'https://other.example' }]) {
      const { status, forwarded } = await ask(await started, `Bearer ${await idToken({ claims })}`, '/', {
        accept: '*/*',
      })
      expect([claims, status, forwarded]).toEqual([claims, 401, ''])
    }
  })

  test('and without the key none counts', async () => {
    await using gate = await start()
    const { status, forwarded } = await ask(gate, `Bearer ${await idToken()}`, '/', { accept: '*/*' })
    expect([status, forwarded]).toEqual([401, ''])
  })
})

test('a token that was checked at one portal is checked for another by itself', async () => {
  const route = (host: string, portal: string) =>
    routeTo(upstream, host, `portal = "${portal}"\nheaders = "x-token"\nallow = ["user"]\ntokens = true`)
  const toml = [
    providerTable(provider, `access_tokens = { audience = "${AUDIENCE}" }`),
    portalTable(EVERYONE),
    portalTable(EVERYONE, 'away'),
    route('app.test', 'home'),
    route('away.test', 'away'),
  ].join('\n')
  await using gate = await startGate(toml, { ports: { now: clock.now } })
  for (const hosts of [
    ['app.test', 'away.test', 'app.test', 'away.test'],
    ['away.test', 'app.test', 'away.test', 'app.test'],
  ]) {
    const authorization = `Bearer ${await accessToken({ claims: { jti: hosts.join() } })}`
    for (const host of hosts) {
      const answer = await fetchFrom(gate, '/', { host, accept: '*/*', authorization })
      expect([host, answer.status, await answer.text()]).toEqual([host, 200, 'user-1 user'])
    }
  }
})

describe('an audience of a route', () => {
  const OWN = 'https://reports.example'
  const withOwn = (more = '') =>
    [
      providerTable(provider, `access_tokens = { audience = "${AUDIENCE}"${more} }`),
      portalTable(EVERYONE),
      routeTo(upstream, 'app.test', 'portal = "home"\nheaders = "x-token"\nallow = ["user"]\ntokens = true'),
      routeTo(
        upstream,
        'app.test',
        `path = "/reports"\nportal = "home"\nheaders = "x-token"\nallow = ["user"]\ntokens = true\naudience = ["${OWN}", "other"]`,
      ),
    ].join('\n')

  test('is what a token has to hold there, and no other route takes it; nor does this one take theirs', async () => {
    await using gate = await startGate(withOwn(), { ports: { now: clock.now } })
    const own = await provider.accessToken(OWN)
    const common = await provider.accessToken(AUDIENCE)
    const both = await provider.accessToken('', { claims: { aud: [AUDIENCE, OWN] } })
    const statuses = async (token: string) => {
      const found: number[] = []
      // Twice, since a token that was checked once is remembered.
      for (const path of ['/reports/1', '/', '/reports/1', '/'])
        found.push((await ask(gate, `Bearer ${token}`, path, { accept: '*/*' })).status)
      return found
    }
    expect(await statuses(own)).toEqual([200, 401, 200, 401])
    expect(await statuses(common)).toEqual([401, 200, 401, 200])
    expect(await statuses(both)).toEqual([200, 200, 200, 200])
  })

  test('of the client itself counts where client_audience says so, never for a route with its own, and never as an ID token', async () => {
    await using gate = await startGate(withOwn(', client_audience = true'), { ports: { now: clock.now } })
    const forClient = (claims = {}) => provider.accessToken(provider.clientId, { claims })
    const status = async (token: string, path = '/') =>
      (await ask(gate, `Bearer ${token}`, path, { accept: '*/*' })).status
    // As Pocket ID has it: nothing but the audience says whose it is.
    expect(await status(await forClient({ client_id: undefined }))).toBe(200)
    expect(await status(await forClient(), '/reports')).toBe(401)
    expect(await status(await forClient({ nonce: 'n' }))).toBe(401)
    expect(await status(await forClient({ at_hash: 'h' }))).toBe(401)
    expect(await status(await forClient({ cnf: { jkt: THUMBPRINT } }))).toBe(401)
    expect(await status(await forClient({ azp: 'somebody-else' }))).toBe(401)
    expect(await status(await forClient({ client_id: undefined, sub: provider.clientId }))).toBe(403)
    expect(gate.told('each application that gets an access token of this client').length).toBeGreaterThan(0)
    await using strict = await startGate(withOwn(), { ports: { now: clock.now } })
    const refused = await ask(strict, `Bearer ${await forClient()}`, '/', { accept: '*/*' })
    expect([refused.status, refused.forwarded]).toEqual([401, ''])
  })
})

describe('RFC 9068 §2.2: a token that a program has in its own name', () => {
  const machines = [
    { sub: 'script' },
    { sub: 'script', client_id: undefined, azp: 'script' },
    { sub: 'client-script' },
    { sub: 'script@clients', gty: 'client-credentials' },
    { sub: '7a2c', idtyp: 'app' },
    { sub: '7a2c', preferred_username: 'service-account-script' },
    // Nobody can tell whose it is.
    { sub: '7a2c', client_id: undefined },
  ]
  const withRoles = (roles: string) =>
    [
      providerTable(provider, `access_tokens = { audience = "${AUDIENCE}" }`),
      portalTable(roles),
      ...[
        ['/', 'allow = ["user"]'],
        ['/all', 'allow = "authenticated"'],
        ['/ops', 'allow = ["ops"]'],
      ].map(([path, allow]) =>
        routeTo(
          upstream,
          'app.test',
          `path = "${path}"\nportal = "home"\nheaders = "x-token"\ntokens = true\n${allow}`,
        ),
      ),
    ].join('\n')

  test.each(machines)('%j is no member of a role for any, and none of those who are signed in', async claims => {
    for (const roles of ['roles.user = { any = true }', 'roles.user = { provider = "id" }']) {
      await using gate = await startGate(withRoles(`${roles}\nroles.ops = { groups = ["ops"] }`), {
        ports: { now: clock.now },
      })
      const token = await accessToken({ claims: { ...claims, groups: ['ops'] } })
      const found = await Promise.all(
        ['/', '/all', '/ops'].map(async path => (await ask(gate, `Bearer ${token}`, path)).status),
      )
      // What its claims say of it counts as for anybody.
      expect([roles, ...found]).toEqual([roles, 403, 403, 200])
    }
  })

  test('is one where the role says clients', async () => {
    const roles = 'roles.user = { any = true, clients = true }\nroles.ops = { groups = ["ops"] }'
    await using gate = await startGate(withRoles(roles), { ports: { now: clock.now } })
    for (const claims of machines) {
      const token = await accessToken({ claims })
      expect((await ask(gate, `Bearer ${token}`)).status).toBe(200)
    }
  })
})

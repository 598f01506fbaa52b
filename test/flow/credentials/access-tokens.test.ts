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
    expect(gate.told('whoever is given an ID token of this client').length).toBeGreaterThan(0)
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

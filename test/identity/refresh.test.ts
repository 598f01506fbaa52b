import { beforeEach, describe, expect, test } from 'bun:test'
import { GateError } from '../../src/base/errors.ts'
import type { Ports } from '../../src/base/ports.ts'
import type { ProviderConfig } from '../../src/config/resolve/providers.ts'
import { ask } from '../../src/console/network.ts'
import { readText } from '../../src/console/read-file.ts'
import { createProviderPool } from '../../src/identity/pool.ts'
import type { HeldTokens, LoginRequest, ProviderClient, RefreshResult } from '../../src/identity/provider.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { BAD_PROVIDER_CLIENT, type Misbehaviour, startBadProvider } from '../kit/provider/bad-provider.ts'
import { providerConfig } from '../kit/provider/config.ts'
import recorded from '../recorded/token-refusals.json'

const NOW_S = 1_900_000_000
let nowMs = NOW_S * 1000
const logged: string[] = []

const ports: Pick<Ports, 'now' | 'ask' | 'resolve' | 'log' | 'readText'> = {
  now: () => nowMs,
  ask,
  resolve: async () => [],
  readText,
  log: { debug() {}, info() {}, warn: text => void logged.push(text), error: text => void logged.push(text) },
}

const keep = untilTheEnd()
const bad = keep(await startBadProvider(() => Math.floor(nowMs / 1000)))
beforeEach(() => {
  nowMs = NOW_S * 1000
  bad.behave({})
})

function clientOf(over: Partial<ProviderConfig> = {}): ProviderClient {
  return createProviderPool(ports).client(providerConfig(bad, over))
}

const LOGIN: LoginRequest = {
  redirectUri: 'http://127.0.0.1/.sallyport/callback',
  state: 'state-1',
  nonce: 'nonce-1',
  codeVerifier: 'v'.repeat(43),
}

/** Signs in at the provider as it behaves now; answers what a session would hold. */
async function signIn(client = clientOf(), how: Misbehaviour = {}): Promise<HeldTokens> {
  bad.behave({ ...how, token: { refresh_token: bad.issueRefreshToken() } })
  const answer = new URLSearchParams({ code: bad.issueCode(LOGIN.nonce), state: LOGIN.state, iss: bad.issuer })
  const { identity, idToken, refreshToken } = await client.finish(answer, LOGIN)
  bad.behave({})
  if (refreshToken === null) throw new Error('no refresh token was kept')
  return { identity, idToken, refreshToken }
}

function isUnclear(result: unknown): result is Extract<RefreshResult, { kind: 'unclear' }> {
  return typeof result === 'object' && result !== null && 'kind' in result && result.kind === 'unclear'
}

function isLost(result: unknown): result is Extract<RefreshResult, { kind: 'lost' }> {
  return typeof result === 'object' && result !== null && 'kind' in result && result.kind === 'lost'
}

/** What failed, before there were tokens or after. */
async function refusal(attempt: Promise<unknown>): Promise<{ code: string; check: unknown }> {
  const thrown = await attempt.then(
    result => (isUnclear(result) || isLost(result) ? result.failure : result),
    (error: unknown) => error,
  )
  if (!(thrown instanceof GateError)) throw new Error(`not refused with a GateError: ${JSON.stringify(thrown)}`)
  return { code: thrown.code, check: thrown.facts.check }
}

/** Signs in, then refreshes while the provider misbehaves like this. */
async function refresh(refreshed: Misbehaviour['refresh'], how: Misbehaviour = {}, first: Misbehaviour = {}) {
  const client = clientOf()
  const held = await signIn(client, first)
  nowMs += 600_000
  bad.behave({ ...how, ...(refreshed === undefined ? {} : { refresh: refreshed }) })
  return client.refresh(held)
}

describe('oidcc-client-test-refresh-token', () => {
  test('brings new claims, a new ID token and the rotated refresh token', async () => {
    const client = clientOf()
    const held = await signIn(client)
    nowMs += 600_000
    bad.behave({ refresh: { claims: { email: 'new@example.com' } }, userinfo: { groups: ['other'], name: 'New Name' } })
    const result = await client.refresh(held)
    if (result.kind !== 'renewed') throw new Error(result.kind)
    expect(result.identity).toMatchObject({
      subject: 'user-1',
      issuer: bad.issuer,
      email: 'new@example.com',
      groups: ['other'],
    })
    expect(result.refreshToken).not.toBe(held.refreshToken)
    expect(result.idToken).not.toBe(held.idToken)
    expect(bad.lastToken().form.get('grant_type')).toBe('refresh_token')
    expect(bad.lastToken().form.get('refresh_token')).toBe(held.refreshToken)
    expect(bad.lastToken().authorization).toStartWith('Basic ')
    expect(bad.lastUserinfo().authorization).toBe('Bearer access-token-2')
    const again = await client.refresh({ ...held, ...result })
    expect(again.kind).toBe('renewed')
    expect((await client.refresh(held)).kind).toBe('ended')
  })

  test('goes without a new ID token: userinfo then speaks, and what the sign-in was stays', async () => {
    const result = await refresh(
      { idToken: null },
      { userinfo: { groups: ['other'] } },
      { claims: { sid: 'their-1', auth_time: NOW_S, acr: 'high' } },
    )
    if (result.kind !== 'renewed') throw new Error(result.kind)
    expect(result.identity.groups).toEqual(['other'])
    expect(result.identity.claims).toMatchObject({ sid: 'their-1', auth_time: NOW_S, acr: 'high' })
  })

  test('brings Keycloak’s roles anew, of the new access token, where nothing else comes', async () => {
    const client = clientOf({ hasRoleGroups: true, claimsFrom: 'id_token' })
    const tokenWith = (...roles: readonly string[]) =>
      bad.accessToken('account', { claims: { realm_access: { roles } } })
    bad.behave({ token: { refresh_token: bad.issueRefreshToken(), access_token: await tokenWith('admin') } })
    const answer = new URLSearchParams({ code: bad.issueCode(LOGIN.nonce), state: LOGIN.state, iss: bad.issuer })
    const { identity, idToken, refreshToken } = await client.finish(answer, LOGIN)
    expect(identity.groups).toEqual(['role:admin'])
    bad.behave({ refresh: { idToken: null, token: { access_token: await tokenWith('guest') } } })
    const result = await client.refresh({ identity, idToken, refreshToken: refreshToken ?? '' })
    expect(result).toMatchObject({ kind: 'renewed', identity: { groups: ['role:guest'] } })
    bad.behave({ refresh: { idToken: null } })
    const next = result.kind === 'renewed' ? result.refreshToken : ''
    expect(await client.refresh({ identity, idToken, refreshToken: next ?? '' })).toMatchObject({ kind: 'unclear' })
  })

  test('keeps what a new ID token need not repeat of the sign-in, and the refresh token where none is new', async () => {
    const result = await refresh(
      { token: { refresh_token: undefined } },
      {},
      { claims: { sid: 'their-1', acr: 'high' } },
    )
    if (result.kind !== 'renewed') throw new Error(result.kind)
    expect(result.identity.claims).toMatchObject({ sid: 'their-1', acr: 'high' })
    expect(result.refreshToken).toStartWith('refresh-')
  })

  test('invalid_grant is the end of the sign-in', async () => {
    const client = clientOf()
    const held = await signIn(client)
    bad.revokeAll()
    expect(await client.refresh(held)).toEqual({ kind: 'ended', reason: 'refused', says: 'invalid_grant' })
  })
})

/** What the token endpoint answers to a refresh. */
const answering = (status: number, body: unknown, headers: Record<string, string> = {}): Misbehaviour => ({
  instead: {
    token: () => new Response(typeof body === 'string' ? body : JSON.stringify(body), { status, headers }),
  },
})

const JSON_TYPE = { 'content-type': 'application/json' }

describe('a refresh that the provider refuses is the end of the sign-in', () => {
  const measured = recorded.rows.filter(({ isAbout }) => isAbout === 'person')
  test('there are words that were measured', () => expect(measured).toHaveLength(6))
  test.each(measured.map(row => [`${row.program}, ${row.when}`, row] as const))(
    'in its own words (%s)',
    async (_, row) => {
      const result = await refresh({}, answering(row.status, row.body, JSON_TYPE))
      expect(result).toEqual({ kind: 'ended', reason: 'refused', says: row.body.error })
    },
  )

  const challenge = { ...JSON_TYPE, 'www-authenticate': 'Bearer error="invalid_token"' }
  const CASES: readonly [string, number, unknown, string, Record<string, string>?][] = [
    ['access_denied with 400', 400, { error: 'access_denied' }, 'access_denied'],
    ['invalid_request with 400, as Dex has it', 400, { error: 'invalid_request' }, 'invalid_request'],
    ['access_denied with 403', 403, { error: 'access_denied' }, 'access_denied'],
    ['interaction_required', 400, { error: 'interaction_required' }, 'interaction_required'],
    ['invalid_scope', 400, { error: 'invalid_scope' }, 'invalid_scope'],
    ['with a challenge beside it', 403, { error: 'access_denied' }, 'access_denied', challenge],
    ['as text that is JSON', 400, { error: 'access_denied' }, 'access_denied', { 'content-type': 'text/plain' }],
    ['with an error that is no text', 403, { error: { code: 7 } }, '{"code":7}'],
    ['invalid_grant with 401', 401, { error: 'invalid_grant' }, 'invalid_grant'],
    ['in capitals', 400, { error: 'Invalid_Grant' }, 'Invalid_Grant'],
  ]
  test.each(CASES)('%s', async (_what, status, body, says, headers = JSON_TYPE) => {
    expect(await refresh({}, answering(status, body, headers))).toEqual({ kind: 'ended', reason: 'refused', says })
  })

  test('its word is told without the token that it repeats, and not at any length', async () => {
    const client = clientOf()
    const held = await signIn(client)
    const word = () => `what is ${held.refreshToken}? ${'x'.repeat(100)}`
    bad.behave({ instead: { token: () => Response.json({ error: word() }, { status: 400 }) } })
    const says = `what is …? ${'x'.repeat(100)}`.slice(0, 64)
    expect(await client.refresh(held)).toEqual({ kind: 'ended', reason: 'refused', says })
  })
})

const ID = BAD_PROVIDER_CLIENT.clientId
const LATER = { auth_time: NOW_S - 1 }

describe('an ID token from a refresh (OpenID Connect Core §12.2)', () => {
  test('refresh-token-invalid-sub: another person’s is the end', async () => {
    expect(await refresh({ claims: { sub: 'user-2' } }, { userinfo: { sub: 'user-2' } })).toEqual({
      kind: 'ended',
      reason: 'other_subject',
      refreshToken: expect.any(String),
    })
  })

  test.each<[string, NonNullable<Misbehaviour['refresh']>]>([
    ['states it again', {}],
    ['says nothing', { idToken: null }],
  ])('a sub that is called like another provider’s now is the end, where this one %s', async (_what, refreshed) => {
    const held = await signIn(clientOf())
    bad.behave({ refresh: refreshed })
    const bounded = clientOf({ claimsFrom: 'id_token', othersPrefixes: ['USER-'] })
    expect(await bounded.refresh(held)).toEqual({
      kind: 'ended',
      reason: 'other_subject',
      refreshToken: expect.any(String),
    })
  })

  const CASES: readonly [string, NonNullable<Misbehaviour['refresh']>, string][] = [
    ['refresh-token-invalid-issuer', { claims: { iss: 'https://evil.example' } }, 'iss'],
    ['with another aud', { claims: { aud: 'somebody-else' } }, 'aud'],
    ['with an azp that the first had not', { claims: { azp: BAD_PROVIDER_CLIENT.clientId } }, 'azp'],
    ['with another nonce', { claims: { nonce: 'nonce-2' } }, 'nonce'],
    ['with an earlier auth_time', { claims: { auth_time: NOW_S - 101 } }, 'auth_time'],
    ['with an auth_time that has not come', { claims: { auth_time: NOW_S + 700 } }, 'auth_time'],
    ['with a later auth_time that is no number', { claims: { auth_time: String(NOW_S) } }, 'format'],
    ['with a later auth_time and one more aud', { claims: { ...LATER, aud: [ID, 'x'], azp: ID } }, 'azp'],
    ['with a later auth_time and an azp', { claims: { ...LATER, azp: ID } }, 'azp'],
    ['older than the first', { claims: { iat: NOW_S - 120 } }, 'iat'],
    ['that is expired', { claims: { exp: NOW_S } }, 'exp'],
    ['with a wrong at_hash', { claims: { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' } }, 'at_hash'],
    ['signed by a stranger', { signing: 'stranger' }, 'signature'],
    ['without a signature', { signing: 'none' }, 'alg'],
    ['without sub', { claims: { sub: undefined } }, 'sub'],
  ]
  test.each(CASES)('%s is refused', async (_what, refreshed, check) => {
    const found = await refusal(refresh(refreshed, {}, { claims: { auth_time: NOW_S - 100 } }))
    expect([found.code, found.check]).toEqual(['provider.id_token', check])
  })

  test.each<[string, string, Record<string, unknown>]>([
    ['another audience more', 'aud', { aud: [ID, 'x'], azp: ID }],
    ['no azp any more', 'azp', { azp: undefined }],
  ])('with a later auth_time and %s is refused', async (_what, check, over) => {
    const claims = { auth_time: NOW_S - 100, azp: ID }
    const found = await refusal(refresh({ claims: { ...claims, ...LATER, ...over } }, {}, { claims }))
    expect([found.code, found.check]).toEqual(['provider.id_token', check])
  })

  // Keycloak 26.7.3, once the person has signed in anew in the same session there, by another application.
  test('may say a later auth_time: what it says of the person counts, and the sign-in stays the one that this session saw', async () => {
    const claims = { auth_time: NOW_S - 100, acr: 'silver', amr: ['pwd'], azp: ID, sid: 'their-1' }
    const client = clientOf()
    const held = await signIn(client, { claims })
    const stronger = { ...claims, ...LATER, acr: 'gold', amr: ['hwk'] }
    bad.behave({ refresh: { claims: stronger }, userinfo: { groups: ['other'] } })
    const result = await client.refresh(held)
    if (result.kind !== 'renewed') throw new Error(result.kind)
    expect(result.identity.groups).toEqual(['other'])
    expect(result.identity.claims).toMatchObject({ auth_time: NOW_S - 100, acr: 'silver', amr: ['pwd'] })
    bad.behave({ refresh: { idToken: null } })
    const second = await client.refresh({ ...held, ...result })
    if (second.kind !== 'renewed') throw new Error(second.kind)
    expect(second.identity.claims).toMatchObject({ auth_time: NOW_S - 100, acr: 'silver', amr: ['pwd'] })
    bad.behave({ refresh: { claims } })
    expect(await refusal(client.refresh({ ...held, ...second }))).toMatchObject({ check: 'auth_time' })
  })

  test('says nothing of a sign-in of which the first one said nothing', async () => {
    const result = await refresh({ claims: { ...LATER, acr: 'gold', amr: ['hwk'] } })
    if (result.kind !== 'renewed') throw new Error(result.kind)
    for (const name of ['auth_time', 'acr', 'amr']) expect(result.identity.claims).not.toHaveProperty(name)
  })

  test('may repeat nonce, auth_time and azp', async () => {
    const claims = { nonce: 'nonce-1', auth_time: NOW_S, azp: BAD_PROVIDER_CLIENT.clientId }
    expect((await refresh({ claims }, {}, { claims })).kind).toBe('renewed')
  })
})

describe('a refresh says nothing of the person', () => {
  const DOWN: readonly [string, Misbehaviour, string][] = [
    [
      'a token endpoint that fails',
      { instead: { token: () => new Response('oops', { status: 500 }) } },
      'provider.down',
    ],
    ['a token endpoint that is busy', { instead: { token: () => new Response('', { status: 429 }) } }, 'provider.down'],
    ['an answer that is HTML', { instead: { token: () => new Response('<p>hello') } }, 'provider.token'],
    [
      'a client that is not known',
      { instead: { token: () => Response.json({ error: 'invalid_client' }, { status: 401 }) } },
      'provider.token',
    ],
    ['userinfo that fails', { instead: { userinfo: () => new Response('', { status: 500 }) } }, 'provider.down'],
    ['userinfo about another', { userinfo: { sub: 'user-2' } }, 'provider.userinfo'],
  ]
  test.each(DOWN)('with %s', async (_what, how, code) => {
    expect((await refusal(refresh({}, how))).code).toBe(code)
  })

  const ABOUT_US = ['invalid_client', 'unauthorized_client', 'unsupported_grant_type']
  const ABOUT_THE_MOMENT = ['temporarily_unavailable', 'server_error', 'slow_down']
  test.each(
    [...ABOUT_US, ...ABOUT_THE_MOMENT]
      .flatMap((error): [string, number][] => [
        [error, 400],
        [error, 403],
      ])
      .concat([
        ['invalid_request', 401],
        ['invalid_request', 403],
      ]),
  )('with the word %s and %d', async (error, status) => {
    expect((await refusal(refresh({}, answering(status, { error }, JSON_TYPE)))).code).toBe('provider.token')
  })

  const measured = recorded.rows.filter(({ isAbout }) => isAbout !== 'person')
  test('there are words that were measured', () => expect(measured).toHaveLength(7))
  test.each(measured.map(row => [`${row.program}, ${row.when}`, row] as const))(
    'in its own words (%s)',
    async (_, row) => {
      const found = await refusal(refresh({}, answering(row.status, row.body, JSON_TYPE)))
      expect(found.code).toBe('provider.token')
    },
  )

  const HTML = { 'content-type': 'text/html' }
  const STANDS_IN: readonly [string, number, unknown, Record<string, string>, string][] = [
    ['a proxy’s page, 403', 403, '<h1>Forbidden</h1>', HTML, 'provider.token'],
    ['a proxy’s page, 400', 400, '<h1>Bad Request</h1>', HTML, 'provider.token'],
    ['a proxy’s page, 404', 404, '<h1>Not Found</h1>', HTML, 'provider.token'],
    ['a proxy’s page, 502', 502, '<h1>Bad Gateway</h1>', HTML, 'provider.down'],
    ['an empty 403', 403, '', {}, 'provider.token'],
    ['a page that says it is JSON', 403, '<h1>Forbidden</h1>', JSON_TYPE, 'provider.token'],
    ['JSON without an error', 403, { message: 'no' }, JSON_TYPE, 'provider.token'],
    ['JSON with an empty error', 400, { error: '' }, JSON_TYPE, 'provider.token'],
    ['JSON that is a list', 400, ['error'], JSON_TYPE, 'provider.token'],
    ['JSON that is a text', 400, '"error"', JSON_TYPE, 'provider.token'],
    ['an error with 404', 404, { error: 'not found' }, JSON_TYPE, 'provider.token'],
    ['an error with 401', 401, { error: 'who are you?' }, JSON_TYPE, 'provider.token'],
    ['an error with 429', 429, { error: 'access_denied' }, JSON_TYPE, 'provider.down'],
    ['an error with 500', 500, { error: 'access_denied' }, JSON_TYPE, 'provider.down'],
  ]
  test.each(STANDS_IN)('with %s', async (_what, status, body, headers, code) => {
    expect((await refusal(refresh({}, answering(status, body, headers)))).code).toBe(code)
  })

  const DROPPED = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: { data: socket => void socket.terminate() },
  })
  keep({ [Symbol.dispose]: () => DROPPED.stop(true) })
  const at = (port: number) => ({ discovery: { token_endpoint: `http://127.0.0.1:${port}/token` } })
  const FATES: readonly (readonly [string, Misbehaviour, 'lost' | 'kept'])[] = [
    ['a token endpoint that fails', answering(500, {}, JSON_TYPE), 'lost'],
    ['a proxy’s 502', answering(502, '', {}), 'lost'],
    ['a page with 200', answering(200, '<p>hello', { 'content-type': 'text/html' }), 'lost'],
    ['an ID token that is none', { refresh: { idToken: 'none' } }, 'lost'],
    ['a connection that breaks off', at(DROPPED.port), 'lost'],
    ['no connection', at(9), 'kept'],
    ['a client that is not known', answering(401, { error: 'invalid_client' }, JSON_TYPE), 'kept'],
    [
      'a client that is not known, with 200',
      answering(200, { error: 'incorrect_client_credentials' }, JSON_TYPE),
      'kept',
    ],
    ['too many questions', answering(429, {}, JSON_TYPE), 'kept'],
    ['a page with 404', answering(404, '', {}), 'kept'],
    ['no discovery', { instead: { discovery: () => new Response('', { status: 500 }) } }, 'kept'],
  ]
  test.each(FATES)('with %s, and whether its refresh token may be used up', async (_what, how, fate) => {
    const held = await signIn()
    bad.behave(how)
    const said = await clientOf()
      .refresh(held)
      .catch((thrown: unknown) => (thrown instanceof GateError ? { kind: 'kept' } : { kind: String(thrown) }))
    expect(said.kind).toBe(fate)
  })

  const LATE: readonly [string, NonNullable<Misbehaviour['refresh']>, Misbehaviour][] = [
    ['userinfo fails', {}, { instead: { userinfo: () => new Response('', { status: 500 }) } }],
    ['the ID token is signed by a stranger', { signing: 'stranger' }, {}],
    ['the ID token has another auth_time', { claims: { auth_time: 1 } }, {}],
  ]
  test.each(LATE)(
    'where %s once there are tokens, and the newest of these is the one to ask with',
    async (_what, how, more) => {
      const client = clientOf()
      const held = await signIn(client, { claims: { auth_time: NOW_S } })
      bad.behave({ ...more, refresh: how })
      const result = await client.refresh(held)
      if (!isUnclear(result)) throw new Error(`it was ${result.kind}`)
      expect(result.refreshToken).not.toBe(held.refreshToken)
      bad.behave({ refresh: { claims: { auth_time: NOW_S } } })
      expect((await client.refresh({ ...held, refreshToken: result.refreshToken })).kind).toBe('renewed')
    },
  )

  test('where the provider in the file has another issuer by now', async () => {
    const client = clientOf()
    const held = await signIn(client)
    const identity = { ...held.identity, issuer: 'https://old.example' }
    expect((await refusal(client.refresh({ ...held, identity }))).code).toBe('provider.issuer')
    expect(bad.lastToken().form.get('grant_type')).toBe('authorization_code')
  })
})

test('groups that a provider no longer tells in a refresh are unknown, and the log says so once', async () => {
  const client = clientOf({ claimsFrom: 'id_token' })
  const before = await signIn(client, { claims: { groups: ['staff'] } })
  expect(before.identity.groups).toEqual(['staff'])
  logged.length = 0
  bad.behave({ refresh: { claims: { _claim_names: { groups: 'src1' } } } })
  const result = await client.refresh(before)
  if (result.kind !== 'renewed') throw new Error(result.kind)
  expect(result.identity.claims.groups).toBeNull()
  expect((await client.refresh({ ...before, ...result })).kind).toBe('renewed')
  expect(logged.filter(text => text.includes('does not state the groups'))).toHaveLength(1)
})

test('no refresh token reaches an error, though the provider repeats it', async () => {
  const client = clientOf()
  const held = await signIn(client)
  const says = () =>
    Response.json({ error: 'invalid_client', error_description: `what is ${held.refreshToken}?` }, { status: 400 })
  bad.behave({ instead: { token: says } })
  const error = await client.refresh(held).catch((thrown: unknown) => thrown)
  if (!(error instanceof GateError)) throw new Error('not refused')
  expect(JSON.stringify([error.facts, error.message, String(error.cause)])).not.toContain(held.refreshToken)
  expect(error.facts.provider_says).toBe('what is …?')
})

test('offline_access is asked for by the terms of a sign-in without a refresh token, where the provider lists it and the file lists no scopes', async () => {
  const scopesOf = async (over: Partial<ProviderConfig>, lackedRefresh: string | null) =>
    new URL(await clientOf(over).begin(LOGIN, { lackedRefresh })).searchParams.get('scope')
  const termsOf = async (over: Partial<ProviderConfig>) => {
    const code = bad.issueCode(LOGIN.nonce)
    const answer = new URLSearchParams({ code, state: LOGIN.state, iss: bad.issuer })
    return (await clientOf(over).finish(answer, LOGIN)).offlineTerms
  }
  expect(await termsOf({})).toBeNull()
  bad.behave({ discovery: { scopes_supported: ['openid', 'offline_access'] } })
  const terms = await termsOf({})
  expect(terms).toMatch(/^[\w-]{43}$/)
  expect(await termsOf({ scopes: ['openid'] })).toBeNull()
  expect(await scopesOf({}, terms)).toBe('openid profile email offline_access')
  expect(await scopesOf({}, null)).toBe('openid profile email')
  expect(await scopesOf({ scopes: ['openid'] }, terms)).toBe('openid')
  bad.behave({ discovery: { scopes_supported: ['offline_access', 'openid'] } })
  expect(await termsOf({})).toBe(terms)
  bad.behave({ discovery: { scopes_supported: ['openid', 'offline_access', 'phone'] } })
  expect(await scopesOf({}, terms)).toBe('openid profile email')
})

describe('the sign-out address (OpenID Connect RP-Initiated Logout 1.0 §2)', () => {
  const request = { idToken: 'the-id-token', returnTo: 'https://auth.example/.sallyport/signed-out', state: 's1' }

  test('names the session, the client, where to return, and the state; what the endpoint had in it stays', async () => {
    bad.behave({ discovery: { end_session_endpoint: `${bad.issuer}/end?tenant=1` } })
    const address = new URL((await clientOf().endSession(request)) ?? '')
    expect(address.origin + address.pathname).toBe(`${bad.issuer}/end`)
    expect(Object.fromEntries(address.searchParams)).toEqual({
      tenant: '1',
      id_token_hint: 'the-id-token',
      client_id: BAD_PROVIDER_CLIENT.clientId,
      post_logout_redirect_uri: request.returnTo,
      state: 's1',
    })
  })

  test.each([undefined, 1, 'end', 'javascript:alert(1)'])('is null where discovery says %p', async endpoint => {
    bad.behave({ discovery: { end_session_endpoint: endpoint } })
    expect(await clientOf().endSession(request)).toBeNull()
  })
})

describe('logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.6)', () => {
  test('a right one says whose session, its own name, and until when that has to be remembered', async () => {
    const token = await clientOf().readLogoutToken(await bad.logoutToken({ claims: { jti: 'j1' } }))
    expect(token).toEqual({
      subject: 'user-1',
      sid: 'their-session-1',
      saidAtS: NOW_S,
      id: 'j1',
      expiresAtMs: (NOW_S + 180) * 1000,
    })
  })

  const GOOD: readonly [string, Misbehaviour][] = [
    ['without sid', { claims: { sid: undefined } }],
    ['without sub', { claims: { sub: undefined } }],
    ['without typ', { header: { typ: undefined } }],
    ['of the plain type', { header: { typ: 'JWT' } }],
    ['for several audiences', { claims: { aud: ['other', BAD_PROVIDER_CLIENT.clientId] } }],
    ['with further events', { claims: { events: { x: 1, 'http://schemas.openid.net/event/backchannel-logout': {} } } }],
  ]
  test.each(GOOD)('one %s is good', async (_what, over) => {
    expect((await clientOf().readLogoutToken(await bad.logoutToken(over))).id).not.toBe('')
  })

  test('the name of a token that never expires has to be remembered for minutes only', async () => {
    const token = await bad.logoutToken({ claims: { exp: NOW_S + 1e9 } })
    expect((await clientOf().readLogoutToken(token)).expiresAtMs).toBe((NOW_S + 660) * 1000)
  })

  const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
  const BAD: readonly [string, Misbehaviour, string][] = [
    ['wrong-iss', { claims: { iss: 'https://evil.example' } }, 'iss'],
    ['wrong-aud', { claims: { aud: 'somebody-else' } }, 'aud'],
    ['wrong-alg: an algorithm that the provider does not announce', { header: { alg: 'PS256' } }, 'alg'],
    ['alg-none', { signing: 'none' }, 'alg'],
    ['signed as HMAC with the public key', { signing: 'hmac-public-key' }, 'alg'],
    ['signed by a stranger', { signing: 'stranger' }, 'signature'],
    ['no-event', { claims: { events: undefined } }, 'events'],
    ['wrong-event', { claims: { events: { 'http://schemas.openid.net/event/other': {} } } }, 'events'],
    ['events as a list', { claims: { events: [EVENT] } }, 'events'],
    ['an event that is no object', { claims: { events: { [EVENT]: true } } }, 'events'],
    ['with-nonce', { claims: { nonce: 'n' } }, 'nonce'],
    ['neither sub nor sid', { claims: { sub: undefined, sid: undefined } }, 'sub'],
    ['empty sid', { claims: { sid: '' } }, 'sid'],
    ['sub as a number', { claims: { sub: 1 } }, 'sub'],
    ['no iat', { claims: { iat: undefined } }, 'iat'],
    ['no exp', { claims: { exp: undefined } }, 'exp'],
    ['no jti', { claims: { jti: undefined } }, 'jti'],
    ['empty jti', { claims: { jti: '' } }, 'jti'],
    ['expired 90 s ago', { claims: { iat: NOW_S - 200, exp: NOW_S - 90 } }, 'exp'],
    ['issued 90 s ahead', { claims: { iat: NOW_S + 90 } }, 'iat'],
    ['issued an hour ago, whatever its exp', { claims: { iat: NOW_S - 3600, exp: NOW_S + 3600 } }, 'iat'],
    ['an access token', { header: { typ: 'at+jwt' } }, 'typ'],
    ['an ID token’s type', { header: { typ: 'id+jwt' } }, 'typ'],
  ]
  test.each(BAD)('%s is refused', async (_what, over, check) => {
    const token =
      over.header?.alg === 'PS256' ? (await bad.logoutToken()).replace(/^[^.]+/, psHeader) : await bad.logoutToken(over)
    const found = await refusal(clientOf().readLogoutToken(token))
    expect([found.code, found.check]).toEqual(['provider.logout_token', check])
  })

  test('an ID token is no logout token', async () => {
    const held = await signIn()
    expect((await refusal(clientOf().readLogoutToken(held.idToken))).code).toBe('provider.logout_token')
  })

  test('a logout token is no ID token', async () => {
    const claims = { sub: 'user-1', nonce: LOGIN.nonce }
    bad.behave({ idToken: await bad.logoutToken({ claims }) })
    const answer = new URLSearchParams({ code: bad.issueCode(LOGIN.nonce), state: LOGIN.state, iss: bad.issuer })
    expect(await refusal(clientOf().finish(answer, LOGIN))).toEqual({ code: 'provider.id_token', check: 'typ' })
  })
})

/** The header of a token that claims another algorithm than the one it was signed with. */
const psHeader = Buffer.from(JSON.stringify({ alg: 'PS256', typ: 'logout+jwt' })).toString('base64url')

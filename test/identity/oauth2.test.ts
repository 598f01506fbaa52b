import { afterAll, beforeEach, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { ask } from '../../src/console/network.ts'
import { createProviderPool } from '../../src/identity/pool.ts'
import type { LoginRequest } from '../../src/identity/provider.ts'
import { quietPorts } from '../kit/clock.ts'
import { providerConfig } from '../kit/provider/config.ts'
import { startOAuth2 } from '../kit/provider/oauth2.ts'
import { refusal } from '../kit/thrown.ts'

const github = startOAuth2('github', { user: { id: 1, login: 'ada' }, orgs: ['acme'] })
afterAll(() => github[Symbol.asyncDispose]())
beforeEach(() => {
  github.person = { user: { id: 1, login: 'ada' }, orgs: ['acme'] }
  github.instead.clear()
  github.givesRefreshTokens = true
})

const { origin } = github
const config = providerConfig(
  { issuer: `${origin}/api/user`, clientId: github.clientId, clientSecret: github.clientSecret },
  {
    oauth2: {
      dialect: 'github',
      authorizationEndpoint: `${origin}/authorize`,
      tokenEndpoint: `${origin}/token`,
      userEndpoint: `${origin}/api/user`,
      subject: 'id',
    },
    scopes: ['read:org'],
  },
)
const client = createProviderPool({ ...quietPorts({ now: Date.now }), ask, readText: () => '' }).client(config)
const LOGIN: LoginRequest = {
  redirectUri: 'http://127.0.0.1/.sallyport/callback/test',
  state: 'state-1',
  nonce: 'nonce-1',
  codeVerifier: 'v'.repeat(43),
}

function signIn(more: Readonly<Record<string, string>> = {}) {
  const challenge = createHash('sha256').update(LOGIN.codeVerifier).digest('base64url')
  const code = github.issueCode(challenge, 'read:org')
  return client.finish(new URLSearchParams({ code, state: LOGIN.state, ...more }), LOGIN)
}

async function held() {
  const { identity, idToken, refreshToken } = await signIn()
  if (refreshToken === null) throw new Error('it gives refresh tokens')
  return { identity, idToken, refreshToken }
}

test('a refresh asks the user endpoint anew: who left an organization is out of it', async () => {
  const before = await held()
  expect(before.identity.groups).toEqual(['acme'])
  github.person = { user: { id: 1, login: 'ada' }, orgs: [] }
  const result = await client.refresh(before)
  expect(result).toMatchObject({ kind: 'renewed', identity: { subject: '1', groups: [] } })
  expect(result.kind === 'renewed' && result.refreshToken).not.toBe(before.refreshToken)
})

test('a refresh token that is used up ends the sign-in, though GitHub says so with 200', async () => {
  const before = await held()
  await client.refresh(before)
  expect(await client.refresh(before)).toEqual({ kind: 'ended', reason: 'refused', says: 'bad_refresh_token' })
})

test('a wrong secret says nothing of the person', async () => {
  const before = await held()
  github.instead.set('/token', () => Response.json({ error: 'incorrect_client_credentials' }))
  expect((await refusal(client.refresh(before))).facts).toMatchObject({ is_about: 'client', wrong: 'client' })
})

test('somebody else’s account under the same token ends it, and a user endpoint that fails does not', async () => {
  const before = await held()
  github.instead.set('/api/user', () => new Response('', { status: 503 }))
  const unclear = await client.refresh(before)
  expect(unclear).toMatchObject({ kind: 'unclear' })
  github.instead.clear()
  github.person = { user: { id: 2, login: 'bob' }, orgs: [] }
  const next = { ...before, refreshToken: unclear.kind === 'unclear' ? unclear.refreshToken : '' }
  expect(await client.refresh(next)).toEqual({
    kind: 'ended',
    reason: 'other_subject',
    refreshToken: expect.any(String),
  })
})

test('who is asked about too often keeps their groups, and a token that may not ask for them has none', async () => {
  const limited: readonly Record<string, string>[] = [{ 'x-ratelimit-remaining': '0' }, { 'retry-after': '60' }]
  for (const headers of limited) {
    const before = await held()
    github.instead.set('/api/user/orgs', () => new Response('{}', { status: 403, headers }))
    expect(await client.refresh(before)).toMatchObject({ kind: 'unclear', failure: { code: 'provider.down' } })
    github.instead.clear()
  }
  const before = await held()
  const headers = { 'x-ratelimit-remaining': '4999' }
  github.instead.set('/api/user/orgs', () => new Response('{}', { status: 403, headers }))
  expect(await client.refresh(before)).toMatchObject({ kind: 'renewed', identity: { groups: [] } })
})

test('a sub that is called like another provider’s now ends it', async () => {
  const before = await held()
  const bounded = createProviderPool({ ...quietPorts({ now: Date.now }), ask, readText: () => '' }).client({
    ...config,
    othersPrefixes: ['1'],
  })
  expect(await bounded.refresh(before)).toEqual({
    kind: 'ended',
    reason: 'other_subject',
    refreshToken: expect.any(String),
  })
})

test('without a refresh token there is none to ask with, and an iss or ID token that comes all the same is not looked at', async () => {
  github.givesRefreshTokens = false
  expect(await signIn({ iss: 'https://github.com/login/oauth' })).toMatchObject({ refreshToken: null, idToken: '' })
  github.instead.set('/token', () => Response.json({ access_token: 'x', token_type: 'bearer', id_token: 'a.b.c' }))
  github.instead.set('/api/user', () => Response.json({ id: 1 }))
  for (const path of ['/api/user/orgs', '/api/user/teams']) github.instead.set(path, () => Response.json([]))
  expect((await signIn()).idToken).toBe('')
})

test('there is nowhere to sign out, and no token of its own that programs or logouts could bring', async () => {
  expect(await client.endSession({ idToken: '', returnTo: 'http://127.0.0.1/', state: 'x' })).toBeNull()
  expect((await refusal(client.readLogoutToken('a.b.c'))).code).toBe('provider.logout_token')
  expect((await refusal(client.readAccessToken('a.b.c', 'x'))).code).toBe('access.token')
  expect((await refusal(client.readBearerIdToken('a.b.c', 'sallyport'))).code).toBe('access.token')
})

test('whether it answers is known by what it was asked last', async () => {
  await signIn()
  expect(client.state().kind).toBe('answers')
  github.instead.set('/api/user', () => new Response('', { status: 503 }))
  expect((await refusal(signIn())).code).toBe('provider.down')
  expect(client.state().kind).toBe('fails')
})

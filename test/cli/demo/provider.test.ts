import { beforeEach, describe, expect, test } from 'bun:test'
import type { Hono } from 'hono'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { makeDemoProvider } from '../../../src/cli/demo/provider.ts'
import { htmlPage } from '../../kit/html.ts'

const ISSUER = 'http://localhost:8181'
const CALLBACK = 'http://auth.localhost:8080/.sallyport/callback'
const VERIFIER = 'a-verifier-that-is-long-enough-for-rfc-7636-0123'
const CHALLENGE = new Bun.CryptoHasher('sha256').update(VERIFIER).digest('base64url')
const CLIENT = {
  clientId: 'demo',
  clientSecret: 'sec/ret+1',
  name: 'Sallyport',
  redirectUris: [CALLBACK],
  postLogoutRedirectUris: ['http://auth.localhost:8080/'],
}
const OTHER = { ...CLIENT, clientId: 'other', redirectUris: ['http://other.localhost/cb'] }

let nowMs: number
let provider: Hono
beforeEach(async () => {
  nowMs = 1_700_000_000_000
  provider = await makeDemoProvider({ issuer: ISSUER, clients: [CLIENT, OTHER], now: () => nowMs })
})

const GOOD = {
  response_type: 'code',
  client_id: 'demo',
  redirect_uri: CALLBACK,
  scope: 'openid profile email groups',
  state: 'st',
  nonce: 'no',
  code_challenge: CHALLENGE,
  code_challenge_method: 'S256',
}

/** An authorization request; a null removes a parameter. */
async function authorize(changes: Record<string, string | null> = {}, more = ''): Promise<Response> {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...GOOD, ...changes })) if (value !== null) query.set(name, value)
  return await provider.request(`/authorize?${query}${more}`)
}

async function post(path: string, form: Record<string, string>, headers: Record<string, string> = {}) {
  return await provider.request(path, { method: 'POST', body: new URLSearchParams(form), headers })
}

async function choose(person: string, changes: Record<string, string | null> = {}): Promise<URL> {
  const request = await pendingOf(await authorize(changes))
  const reply = await post('/authorize/choice', { request, person })
  expect(reply.status).toBe(303)
  return new URL(reply.headers.get('location') ?? '')
}

async function pendingOf(page: Response): Promise<string> {
  return htmlPage(await page.text()).form().hidden.request ?? ''
}

async function codeFor(person = 'demo-ada', changes: Record<string, string | null> = {}): Promise<string> {
  return (await choose(person, changes)).searchParams.get('code') ?? ''
}

async function exchange(code: string, changes: Record<string, string> = {}): Promise<Response> {
  return await post('/token', {
    grant_type: 'authorization_code',
    code,
    redirect_uri: CALLBACK,
    code_verifier: VERIFIER,
    client_id: 'demo',
    client_secret: CLIENT.clientSecret,
    ...changes,
  })
}

async function fieldsOf(reply: Response): Promise<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(Object(await reply.json())))
}

/** Where a refused authorization request sends the browser: the error code, or null for a page that goes nowhere. */
async function refusal(changes: Record<string, string | null>, more = ''): Promise<string | null> {
  const reply = await authorize(changes, more)
  const location = reply.headers.get('location')
  if (location === null) {
    expect(reply.status).toBe(400)
    return null
  }
  const answer = new URL(location)
  expect(answer.origin + answer.pathname).toBe(CALLBACK)
  expect(answer.searchParams.get('state')).toBe('st')
  expect(answer.searchParams.get('iss')).toBe(ISSUER)
  return answer.searchParams.get('error')
}

describe('the authorization endpoint', () => {
  test('offers the demo people, and says that it is a stand-in', async () => {
    const page = await authorize()
    const text = await page.text()
    expect(page.status).toBe(200)
    for (const part of ['Ada', 'Grace', 'Guest', 'for this demonstration only']) expect(text).toContain(part)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  })

  test('RFC 9207 §2: answers with the code, the state and the issuer', async () => {
    const answer = await choose('demo-ada')
    expect(answer.origin + answer.pathname).toBe(CALLBACK)
    expect([...answer.searchParams.keys()].sort()).toEqual(['code', 'iss', 'state'])
    expect(answer.searchParams.get('iss')).toBe(ISSUER)
  })

  test.each([
    ['an unknown client', { client_id: 'nobody' }, ''],
    ['no client', { client_id: null }, ''],
    ['a return address that is not registered', { redirect_uri: 'https://evil.example/cb' }, ''],
    ['a return address with something added', { redirect_uri: `${CALLBACK}/x` }, ''],
    ['the return address of another client', { redirect_uri: OTHER.redirectUris[0] ?? '' }, ''],
    ['a second return address', {}, '&redirect_uri=https%3A%2F%2Fevil.example'],
  ])('RFC 6749 §4.1.2.1: %s gets a page and is never redirected to', async (_, changes, more) => {
    expect(await refusal(changes, more)).toBeNull()
  })

  test.each([
    ['without a challenge', { code_challenge: null }, 'invalid_request'],
    ['with a plain challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['without a challenge method', { code_challenge_method: null }, 'invalid_request'],
    ['with a challenge of the wrong length', { code_challenge: 'short' }, 'invalid_request'],
    ['for a token', { response_type: 'token' }, 'unsupported_response_type'],
    ['without the openid scope', { scope: 'profile' }, 'invalid_scope'],
    ['with a request object', { request: 'x.y.z' }, 'request_not_supported'],
    ['in silence', { prompt: 'none' }, 'login_required'],
  ])('a request %s goes back with its error', async (_, changes, error) => {
    expect(await refusal(changes)).toBe(error)
  })

  test('whoever picks nobody goes back with access_denied', async () => {
    expect((await choose('')).searchParams.get('error')).toBe('access_denied')
  })

  test('a choice counts once, and not after ten minutes', async () => {
    const request = await pendingOf(await authorize())
    expect((await post('/authorize/choice', { request, person: 'demo-ada' })).status).toBe(303)
    expect((await post('/authorize/choice', { request, person: 'demo-ada' })).status).toBe(400)
    const late = await pendingOf(await authorize())
    nowMs += 10 * 60_000
    expect((await post('/authorize/choice', { request: late, person: 'demo-ada' })).status).toBe(400)
  })

  test('requests that nobody answers are bounded: the oldest makes room', async () => {
    const first = await pendingOf(await authorize())
    for (let count = 0; count < 1000; count++) await authorize()
    expect((await post('/authorize/choice', { request: first, person: 'demo-ada' })).status).toBe(400)
  })
})

describe('the token endpoint', () => {
  test('answers an ID token that its keys verify, bound to client, nonce and access token', async () => {
    const reply = await exchange(await codeFor())
    expect(reply.headers.get('cache-control')).toBe('no-store')
    const tokens = await fieldsOf(reply)
    const keys: JSONWebKeySet = JSON.parse(await (await provider.request('/jwks.json')).text())
    const { payload, protectedHeader } = await jwtVerify(String(tokens.id_token), createLocalJWKSet(keys), {
      issuer: ISSUER,
      audience: 'demo',
      currentDate: new Date(nowMs),
    })
    expect(protectedHeader.alg).toBe('ES256')
    expect(payload).toMatchObject({ sub: 'demo-ada', nonce: 'no' })
    const digest = new Bun.CryptoHasher('sha256').update(String(tokens.access_token)).digest()
    expect(payload.at_hash).toBe(Buffer.from(digest).subarray(0, 16).toString('base64url'))
  })

  test('the published keys hold no private part', async () => {
    expect(await (await provider.request('/jwks.json')).text()).not.toContain('"d"')
  })

  test('RFC 6749 §2.3.1: takes the secret in Basic authentication, form-encoded', async () => {
    const basic = (secret: string) => ({
      authorization: `Basic ${Buffer.from(`demo:${encodeURIComponent(secret)}`).toString('base64')}`,
    })
    const form = { grant_type: 'authorization_code', redirect_uri: CALLBACK, code_verifier: VERIFIER }
    const good = await post('/token', { ...form, code: await codeFor() }, basic(CLIENT.clientSecret))
    expect(good.status).toBe(200)
    const bad = await post('/token', { ...form, code: await codeFor() }, basic('wrong'))
    expect(bad.status).toBe(401)
    expect(bad.headers.get('www-authenticate')).toStartWith('Basic')
  })

  test.each([
    ['a wrong secret', { client_secret: 'wrong' }, 'invalid_client'],
    ['an unknown client', { client_id: 'nobody' }, 'invalid_client'],
    ['another client', { client_id: 'other' }, 'invalid_grant'],
    ['a wrong verifier', { code_verifier: `${VERIFIER}x` }, 'invalid_grant'],
    ['an empty verifier', { code_verifier: '' }, 'invalid_grant'],
    ['another return address', { redirect_uri: 'http://auth.localhost:8080/' }, 'invalid_grant'],
    ['another grant', { grant_type: 'password' }, 'unsupported_grant_type'],
    ['an unknown code', { code: 'made-up' }, 'invalid_grant'],
  ])('refuses %s', async (_, changes, error) => {
    const reply = await exchange(await codeFor(), changes)
    expect(reply.ok).toBe(false)
    expect((await fieldsOf(reply)).error).toBe(error)
  })

  test('RFC 6749 §4.1.2: a code counts once', async () => {
    const code = await codeFor()
    expect((await exchange(code)).status).toBe(200)
    expect((await exchange(code)).status).toBe(400)
  })

  test('a code that met a wrong verifier is spent', async () => {
    const code = await codeFor()
    expect((await exchange(code, { code_verifier: 'wrong' })).status).toBe(400)
    expect((await exchange(code)).status).toBe(400)
  })

  test('a code is good for a minute', async () => {
    const code = await codeFor()
    nowMs += 60_000
    expect((await exchange(code)).status).toBe(400)
  })
})

describe('userinfo', () => {
  const ask = async (authorization: string) => await provider.request('/userinfo', { headers: { authorization } })
  const claims = async (person: string, scope: string) => {
    const tokens = await fieldsOf(await exchange(await codeFor(person, { scope })))
    return await fieldsOf(await ask(`Bearer ${tokens.access_token}`))
  }

  test('says who signed in and which groups they are in', async () => {
    expect(await claims('demo-ada', 'openid profile email groups')).toEqual({
      sub: 'demo-ada',
      name: 'Ada',
      preferred_username: 'ada',
      email: 'ada@example.com',
      email_verified: true,
      groups: ['admins', 'users'],
    })
  })

  test('OpenID Connect Core §5.4: says no more than the scopes allow', async () => {
    expect(await claims('demo-guest', 'openid')).toEqual({ sub: 'demo-guest' })
    expect(await claims('demo-guest', 'openid groups')).toEqual({ sub: 'demo-guest', groups: [] })
  })

  test('refuses a made-up token and an expired one', async () => {
    const tokens = await fieldsOf(await exchange(await codeFor()))
    expect((await ask('Bearer made-up')).status).toBe(401)
    nowMs += 10 * 60_000
    expect((await ask(`Bearer ${tokens.access_token}`)).status).toBe(401)
  })
})

describe('the end-session endpoint', () => {
  const end = async (goal: string) => {
    const query = new URLSearchParams({ client_id: 'demo', post_logout_redirect_uri: goal, state: 's' })
    return (await provider.request(`/end-session?${query}`)).headers.get('location')
  }

  test('returns to a registered address and to no other', async () => {
    expect(await end('http://auth.localhost:8080/')).toBe('http://auth.localhost:8080/?state=s')
    expect(await end('https://evil.example/')).toBeNull()
  })
})

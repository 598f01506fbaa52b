import { Hono } from 'hono'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Markup } from './look.ts'
import { makeShortLived } from './once.ts'
import { DEMO_PEOPLE, type DemoPerson } from './people.ts'
import { choosePage, homePage, refusedPage, signedOutPage } from './provider-pages.ts'
import {
  authenticate,
  DEMO_SCOPES,
  type DemoClient,
  formOf,
  hasDuplicates,
  isSame,
  requestError,
  sha256,
} from './provider-requests.ts'

export interface DemoProviderOptions {
  /** Origin without a trailing slash. */
  readonly issuer: string
  readonly clients: readonly DemoClient[]
  /** Milliseconds since the epoch. */
  now(): number
}

/** An authorization request that waits for a person, or a code that waits for the token request. */
interface Asked {
  readonly client: DemoClient
  readonly redirectUri: string
  readonly state: string | null
  readonly nonce: string | null
  readonly scopes: readonly string[]
  readonly challenge: string
}
interface Granted extends Asked {
  readonly person: DemoPerson
  readonly signedInAtMs: number
}

const CHOICE_LIFETIME_MS = 10 * 60_000
const CODE_LIFETIME_MS = 60_000
const TOKEN_LIFETIME_MS = 10 * 60_000
const MAX_WAITING = 1000
const PAGE_HEADERS = {
  'cache-control': 'no-store',
  // No form-action: Chromium applies it to the redirect that answers the form, and that leads to the client.
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/**
 * A small OpenID provider for demonstration: it asks who one wants to be, and is otherwise strict.
 *
 * Code flow with S256 only; codes and pending requests are single-use, short-lived and bounded; the key is made at start.
 * Absent on purpose: passwords, refresh tokens, and a sign-in of its own (it asks every time, so switching people is easy).
 * Source: OpenID Connect Core 1.0 §3.1, RFC 6749 §4.1, RFC 7636, RFC 9207.
 */
export async function makeDemoProvider(options: DemoProviderOptions): Promise<Hono> {
  const { issuer, clients, now } = options
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const publicJwk = { ...(await exportJWK(publicKey)), kid: randomKey().slice(0, 8), alg: 'ES256', use: 'sig' }
  const waiting = makeShortLived<Asked>(now, CHOICE_LIFETIME_MS, MAX_WAITING)
  const codes = makeShortLived<Granted>(now, CODE_LIFETIME_MS, MAX_WAITING)
  const tokens = makeShortLived<Granted>(now, TOKEN_LIFETIME_MS, MAX_WAITING)

  const app = new Hono()
  app.get('/.well-known/openid-configuration', c => c.json(discovery(issuer)))
  app.get('/jwks.json', c => c.json({ keys: [publicJwk] }))

  app.on(['GET', 'POST'], '/authorize', async c => {
    const params = c.req.method === 'GET' ? new URL(c.req.url).searchParams : await formOf(c.req.raw)
    const client = clients.find(known => known.clientId === params.get('client_id'))
    const redirectUri = client?.redirectUris.find(known => known === params.get('redirect_uri'))
    if (hasDuplicates(params)) return page(refusedPage('A parameter is given twice.'), 400)
    if (client === undefined) return page(refusedPage('No client of this name is known here.'), 400)
    if (redirectUri === undefined) return page(refusedPage('The return address is not one that is registered.'), 400)

    const scopes = (params.get('scope') ?? '').split(' ').filter(scope => DEMO_SCOPES.includes(scope))
    const challenge = params.get('code_challenge') ?? ''
    const asked = { client, redirectUri, state: params.get('state'), nonce: params.get('nonce'), scopes, challenge }
    const error = requestError(params, scopes)
    if (error !== null) return answer(issuer, asked, { error })
    const request = randomKey()
    waiting.put(request, asked)
    return page(choosePage(request, client.name))
  })

  app.get('/', () => page(homePage()))

  app.post('/authorize/choice', async c => {
    const form = await formOf(c.req.raw)
    const asked = waiting.take(form.get('request') ?? '')
    if (asked === null)
      return page(refusedPage('This sign-in has expired. Go back to the application and try again.'), 400)
    const person = DEMO_PEOPLE.find(known => known.subject === form.get('person'))
    if (person === undefined) return answer(issuer, asked, { error: 'access_denied' })
    const code = randomKey()
    codes.put(code, { ...asked, person, signedInAtMs: now() })
    return answer(issuer, asked, { code })
  })

  app.post('/token', async c => {
    const form = await formOf(c.req.raw)
    const client = authenticate(clients, c.req.header('authorization') ?? null, form)
    if (hasDuplicates(form)) return tokenError('invalid_request', 400)
    if (client === null) return tokenError('invalid_client', 401)
    if (form.get('grant_type') !== 'authorization_code') return tokenError('unsupported_grant_type', 400)
    const granted = codes.take(form.get('code') ?? '')
    if (granted === null || granted.client !== client || granted.redirectUri !== form.get('redirect_uri')) {
      return tokenError('invalid_grant', 400)
    }
    if (!isSame(sha256(form.get('code_verifier') ?? '').toString('base64url'), granted.challenge)) {
      return tokenError('invalid_grant', 400)
    }
    const accessToken = randomKey()
    tokens.put(accessToken, granted)
    const idToken = await new SignJWT({
      auth_time: Math.floor(granted.signedInAtMs / 1000),
      at_hash: sha256(accessToken).subarray(0, 16).toString('base64url'),
      ...(granted.nonce === null ? {} : { nonce: granted.nonce }),
    })
      .setProtectedHeader({ alg: 'ES256', kid: publicJwk.kid, typ: 'JWT' })
      .setIssuer(issuer)
      .setSubject(granted.person.subject)
      .setAudience(client.clientId)
      .setIssuedAt(Math.floor(now() / 1000))
      .setExpirationTime(Math.floor((now() + TOKEN_LIFETIME_MS) / 1000))
      .sign(privateKey)
    const body = {
      access_token: accessToken,
      token_type: 'Bearer',
      expires_in: TOKEN_LIFETIME_MS / 1000,
      id_token: idToken,
      scope: granted.scopes.join(' '),
    }
    return Response.json(body, { headers: { 'cache-control': 'no-store' } })
  })

  app.on(['GET', 'POST'], '/userinfo', c => {
    const bearer = /^Bearer ([\w-]+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    const granted = bearer === undefined ? null : tokens.get(bearer)
    if (granted === null) return c.body(null, 401, { 'www-authenticate': 'Bearer error="invalid_token"' })
    return Response.json(claimsOf(granted), { headers: { 'cache-control': 'no-store' } })
  })

  app.on(['GET', 'POST'], '/end-session', async c => {
    const params = c.req.method === 'GET' ? new URL(c.req.url).searchParams : await formOf(c.req.raw)
    const client = clients.find(known => known.clientId === params.get('client_id'))
    const goal = client?.postLogoutRedirectUris.find(known => known === params.get('post_logout_redirect_uri'))
    if (goal === undefined) return page(signedOutPage())
    const state = params.get('state')
    return redirectTo(goal, state === null ? {} : { state })
  })

  app.notFound(() => page(refusedPage('Nothing is here. Sign-in begins at an application.'), 404))
  return app
}

function discovery(issuer: string) {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/userinfo`,
    jwks_uri: `${issuer}/jwks.json`,
    end_session_endpoint: `${issuer}/end-session`,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    code_challenge_methods_supported: ['S256'],
    scopes_supported: DEMO_SCOPES,
    claims_supported: ['sub', 'name', 'preferred_username', 'email', 'email_verified', 'groups'],
    authorization_response_iss_parameter_supported: true,
  }
}

/** What userinfo says, by the scopes granted (OpenID Connect Core 1.0 §5.4). */
function claimsOf({ person, scopes }: Granted): Record<string, unknown> {
  return {
    sub: person.subject,
    ...(scopes.includes('profile') ? { name: person.name, preferred_username: person.username } : {}),
    ...(scopes.includes('email') ? { email: person.email, email_verified: true } : {}),
    ...(scopes.includes('groups') ? { groups: person.groups } : {}),
  }
}

/** The way back to the client, 303 so that a form's POST becomes a GET; `iss` always (RFC 9207 §2). */
function answer(issuer: string, asked: Asked, result: Record<string, string>): Response {
  return redirectTo(asked.redirectUri, {
    ...result,
    ...(asked.state === null ? {} : { state: asked.state }),
    iss: issuer,
  })
}

function redirectTo(address: string, params: Record<string, string>): Response {
  const goal = new URL(address)
  for (const [name, value] of Object.entries(params)) goal.searchParams.set(name, value)
  return new Response(null, { status: 303, headers: { location: goal.href, 'cache-control': 'no-store' } })
}

function tokenError(error: string, status: number): Response {
  const challenge: Record<string, string> = status === 401 ? { 'www-authenticate': 'Basic realm="demo provider"' } : {}
  return Response.json({ error }, { status, headers: { 'cache-control': 'no-store', ...challenge } })
}

async function page(markup: Markup, status = 200): Promise<Response> {
  const headers = { ...PAGE_HEADERS, 'content-type': 'text/html; charset=utf-8' }
  return new Response(String(await markup), { status, headers })
}

function randomKey(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')
}

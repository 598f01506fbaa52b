/** The provider of `sallyport demo`: OpenID Connect with a list of people in place of passwords; and who they are. */

import { timingSafeEqual } from 'node:crypto'
import { Hono } from 'hono'
import { html } from 'hono/html'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { fontAt } from '../../portal/layout/font.ts'
import { ownPath } from '../../portal/paths.ts'
import { demoPage, type Markup } from './look.ts'

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
    "default-src 'none'; style-src 'unsafe-inline'; font-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/**
 * A small OpenID provider for demonstration: it asks which user to be, and is otherwise strict.
 *
 * Code flow with S256 only; codes and pending requests are single-use, short-lived and bounded; the key is made at
 * start. Absent on purpose: passwords, refresh tokens, and a session (it asks every time, so switching users is easy).
 *
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
  app.get(`${ownPath('fonts')}/*`, c => fontAt(c.req.path) ?? c.notFound())

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

/** Values that live briefly, at most so many at a time; the oldest makes room. */
interface ShortLived<T> {
  put(key: string, value: T): void
  /** The value while it lives, or null. */
  get(key: string): T | null
  /** The value, exactly once; null when unknown, expired or taken before. */
  take(key: string): T | null
}

/** An empty ShortLived over a clock in milliseconds. */
function makeShortLived<T>(now: () => number, lifetimeMs: number, maxEntries: number): ShortLived<T> {
  const entries = new Map<string, { readonly value: T; readonly expiresAtMs: number }>()
  const get = (key: string): T | null => {
    const entry = entries.get(key)
    if (entry === undefined) return null
    if (entry.expiresAtMs > now()) return entry.value
    entries.delete(key)
    return null
  }
  return {
    put(key, value) {
      // One lifetime for all, so insertion order is expiry order and the first entry is always the one to go.
      const oldest = entries.keys().next()
      if (entries.size >= maxEntries && !oldest.done) entries.delete(oldest.value)
      entries.set(key, { value, expiresAtMs: now() + lifetimeMs })
    },
    get,
    take(key) {
      const value = get(key)
      entries.delete(key)
      return value
    },
  }
}

const STYLE = `
body { min-height: 100vh; display: grid; place-items: center; padding: 1rem }
main { width: min(27rem, 100%) }
.tag { display: inline-block; font-size: .8rem; letter-spacing: .04em; background: var(--mark); border-radius: .4rem; padding: .15rem .5rem; margin-bottom: .9rem }
.person { display: flex; width: 100%; gap: .9rem; align-items: center; text-align: left; margin: 0 0 .6rem; padding: .7rem .8rem;
  background: transparent; color: var(--ink); border: 1px solid var(--line) }
ul { margin: 0 0 .8rem; padding-left: 1.2rem } .person:hover { border-color: var(--accent) }
.person i { flex: none; display: grid; place-items: center; width: 2.6rem; height: 2.6rem; border-radius: 50%;
  background: var(--accent); color: var(--on-accent); font-style: normal; font-weight: 600 }
.person b, .person small { display: block } .person small { color: var(--soft); font-size: .85rem; font-weight: 400 }
footer { font-size: .85rem; margin-top: 1rem; color: var(--soft) } footer p { margin: 0 }
`

function providerPage(title: string, body: Markup): Markup {
  const framed = html`<main class="card">
<span class="tag">demo provider</span>
<h1>${title}</h1>
${body}
<footer><p>A stand-in for a real OpenID provider, for this demonstration only: it asks for no password.</p></footer>
</main>`
  return demoPage({ title: `${title} · demo provider`, body: framed, style: STYLE })
}

/** Where one picks who to be. `request` names the pending authorization request. */
function choosePage(request: string, clientName: string): Markup {
  return providerPage(
    'Who are you?',
    html`<p class="soft">Pick someone to sign in to ${clientName}.</p>
<form method="post" action="/authorize/choice">
<input type="hidden" name="request" value="${request}">
${DEMO_PEOPLE.map(
  person => html`<button class="person" name="person" value="${person.subject}">
<i aria-hidden="true">${person.name.slice(0, 1)}</i>
<span><b>${person.name}</b><small>${person.about}</small><small>${
    person.groups.length === 0 ? 'in no group' : `groups: ${person.groups.join(', ')}`
  }</small></span>
</button>
`,
)}<button class="person" name="person" value="">
<i aria-hidden="true">×</i>
<span><b>Nobody</b><small>go back without signing in</small></span>
</button>
</form>`,
  )
}

/** An authorization request that may not be answered at its redirect address (RFC 6749 §4.1.2.1). */
function refusedPage(reason: string): Markup {
  return providerPage('This cannot work', html`<p>${reason}</p>`)
}

/** The page for a visitor who opens the provider directly. */
function homePage(): Markup {
  return providerPage(
    'This is where people sign in',
    html`<p>It stands in the place of Pocket ID, or of any other OpenID provider. Nobody begins here: an application sends people over, and they
come back to it. Open one of the addresses that the terminal names.</p>
<p class="soft">These can sign in, without a password:</p>
<ul>${DEMO_PEOPLE.map(({ name, about }) => html`<li><b>${name}</b>, who ${about}</li>`)}</ul>
<p><a href="/.well-known/openid-configuration">Its discovery document, which Sallyport reads first</a></p>`,
  )
}

/** The end of a sign-out that named nowhere to return to. */
function signedOutPage(): Markup {
  return providerPage('Signed out', html`<p>The demo provider keeps no sign-in of its own: it asks every time.</p>`)
}

/** A relying party that the demo provider knows. */
interface DemoClient {
  readonly clientId: string
  readonly clientSecret: string
  /** What the sign-in page calls it. */
  readonly name: string
  /** Compared byte for byte (RFC 9700 §2.1). */
  readonly redirectUris: readonly string[]
  readonly postLogoutRedirectUris: readonly string[]
}

/** The scopes that the demo provider grants. */
const DEMO_SCOPES: readonly string[] = ['openid', 'profile', 'email', 'groups']

/** The error code with which an authorization request goes back to its client, or null when it is in order. */
function requestError(params: URLSearchParams, scopes: readonly string[]): string | null {
  if (params.has('request')) return 'request_not_supported'
  if (params.has('request_uri')) return 'request_uri_not_supported'
  if (params.get('response_type') !== 'code') return 'unsupported_response_type'
  if ((params.get('response_mode') ?? 'query') !== 'query') return 'invalid_request'
  if (!scopes.includes('openid')) return 'invalid_scope'
  if (params.get('code_challenge_method') !== 'S256') return 'invalid_request'
  if (!/^[\w-]{43}$/.test(params.get('code_challenge') ?? '')) return 'invalid_request'
  return params.get('prompt') === 'none' ? 'login_required' : null
}

/** The client that proves its secret by exactly one of the two ways (RFC 6749 §2.3.1), or null. */
function authenticate(
  clients: readonly DemoClient[],
  authorization: string | null,
  form: URLSearchParams,
): DemoClient | null {
  let clientId = form.get('client_id')
  let secret = form.get('client_secret')
  if (authorization !== null) {
    const encoded = /^Basic ([\w+/=-]+)$/i.exec(authorization)?.[1]
    if (encoded === undefined || secret !== null) return null
    const [user = '', password = ''] = Buffer.from(encoded, 'base64').toString().split(':')
    const credentials = new URLSearchParams(`id=${user}&secret=${password}`)
    if (clientId !== null && clientId !== credentials.get('id')) return null
    clientId = credentials.get('id')
    secret = credentials.get('secret')
  }
  const client = clients.find(known => known.clientId === clientId)
  return client !== undefined && secret !== null && isSame(secret, client.clientSecret) ? client : null
}

/** A form's fields; any other body is no form and has none. */
async function formOf(request: Request): Promise<URLSearchParams> {
  const type = request.headers.get('content-type') ?? ''
  return new URLSearchParams(type.startsWith('application/x-www-form-urlencoded') ? await request.text() : '')
}

/** RFC 6749 §3.1: request parameters must not be included more than once. */
function hasDuplicates(params: URLSearchParams): boolean {
  return new Set(params.keys()).size !== [...params.keys()].length
}

/** SHA-256 of a text. */
function sha256(text: string): Buffer {
  return Buffer.from(new Bun.CryptoHasher('sha256').update(text).digest())
}

/** Whether two texts are equal, in time that does not tell where they differ. */
function isSame(left: string, right: string): boolean {
  return timingSafeEqual(sha256(left), sha256(right))
}

/** Someone who can sign in at the demo provider. */
interface DemoPerson {
  /** `sub`: what the sign-in page's buttons carry. */
  readonly subject: string
  readonly name: string
  readonly username: string
  readonly email: string
  readonly groups: readonly string[]
  /** One line for the sign-in page. */
  readonly about: string
}

/** The people of the demo: one for every outcome that a rule can have. */
export const DEMO_PEOPLE: readonly DemoPerson[] = Object.freeze([
  {
    subject: 'demo-ada',
    name: 'Ada',
    username: 'ada',
    email: 'ada@example.com',
    groups: ['admins', 'users'],
    about: 'runs the place',
  },
  {
    subject: 'demo-grace',
    name: 'Grace',
    username: 'grace',
    email: 'grace@example.com',
    groups: ['users'],
    about: 'uses the services',
  },
  {
    subject: 'demo-guest',
    name: 'Guest',
    username: 'guest',
    email: 'guest@example.org',
    groups: [],
    about: 'knows the address, belongs to nothing',
  },
])

import { type JWK, SignJWT } from 'jose'
import { plant } from '../log/planted.ts'
import type { KnownClient } from '../toml.ts'
import { openKeys } from './keys.ts'

/** What this provider does wrong. Everything that is absent it does right. */
export interface Misbehaviour {
  /** Laid over the ID token's right claims; undefined removes one. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** Laid over the ID token's header. */
  readonly header?: Readonly<Record<string, unknown>>
  /** How the ID token is signed: with the published key, with none, as HMAC with the public key, or by a stranger. */
  readonly signing?: 'right' | 'none' | 'hmac-public-key' | 'stranger'
  /** The ID token itself, whatever else is said. */
  readonly idToken?: string | null
  readonly jwks?: (right: { keys: JWK[] }) => unknown
  readonly discovery?: Readonly<Record<string, unknown>>
  /** Laid over the right userinfo. */
  readonly userinfo?: Readonly<Record<string, unknown>>
  readonly token?: Readonly<Record<string, unknown>>
  /** The same three for the answer to a refresh token; `claims`, `idToken` and `token` do not reach it. */
  readonly refresh?: Pick<Misbehaviour, 'claims' | 'idToken' | 'token' | 'header' | 'signing'>
  /** What its sign-out page brings back as state: the right one, none, or another. */
  readonly logoutState?: 'right' | 'none' | 'other'
  /** Whether its authorization endpoint signs in whoever comes; without it, there is no page. */
  readonly signsInAtOnce?: boolean
  /** Laid over the parameters with which it sends the browser back; undefined removes one. */
  readonly answer?: Readonly<Record<string, string | undefined>>
  /** Whether codes are redeemed for a refresh token too; `offline`: where `offline_access` was asked for. */
  readonly givesRefreshToken?: boolean | 'offline'
  /** Whether a client may not ask for `offline_access`, as Keycloak says it (26.7.3), though discovery lists it. */
  readonly forbidsOffline?: boolean
  /** Called at the token endpoint, once what was asked with is used up; it answers after that. */
  readonly beforeToken?: () => Promise<unknown>
  /** Answers instead of the right ones, by endpoint. */
  readonly instead?: Partial<Record<Endpoint, () => Response | Promise<Response>>>
}

type Endpoint = 'discovery' | 'jwks' | 'authorize' | 'token' | 'userinfo' | 'revoke'

export interface BadProvider extends KnownClient, AsyncDisposable {
  /** What it does wrong from now on. */
  behave(misbehaviour: Misbehaviour): void
  /** The next code, for a nonce that the authorization request held. */
  issueCode(nonce: string): string
  /** A refresh token that is good once: its answer holds the next, and no ID token has a nonce. */
  issueRefreshToken(): string
  /** The refresh tokens that are still good, its offline sessions among them. */
  readonly goodRefreshTokens: () => number
  /** Forgets all refresh tokens: the person was disabled. */
  revokeAll(): void
  /** A logout token with the right claims, laid over by these; undefined removes one. */
  logoutToken(over?: Pick<Misbehaviour, 'claims' | 'header' | 'signing'>): Promise<string>
  /** An access token for this audience with the right claims (RFC 9068 §2.2), laid over by these. */
  accessToken(audience: string, over?: Pick<Misbehaviour, 'claims' | 'header' | 'signing'>): Promise<string>
  /** Replaces the signing key, by one of another kind where that is named; the old one is no longer published. */
  rotate(alg?: 'RS256' | 'ES256'): Promise<void>
  /** How often each endpoint was asked. */
  readonly asked: Readonly<Record<Endpoint, number>>
  /** The last request at the token endpoint: its form and its Authorization. */
  readonly lastToken: () => { readonly form: URLSearchParams; readonly authorization: string | null }
  /** What its authorization endpoint was asked last. */
  readonly lastAuthorize: () => URLSearchParams
  /** The last request at `/revoke`, which discovery names only where a test says so: its form and its Authorization. */
  readonly lastRevoke: () => { readonly form: URLSearchParams; readonly authorization: string | null }
  readonly lastUserinfo: () => { readonly address: URL; readonly authorization: string | null }
  /** What its sign-out page (`/end`, which discovery names only where a test says so) was asked last. */
  readonly lastEnd: () => URLSearchParams | null
  stop(): Promise<void>
}

export const BAD_PROVIDER_CLIENT = { clientId: 'client-1_a', clientSecret: 'se:cr+et%/-1' } as const

/** An answer whose body has no end. It gives way after each piece: whoever reads it may be in this very process. */
export function endless(): Response {
  const piece = new Uint8Array(64 * 1024).fill(0x20)
  const body = new ReadableStream({
    async pull(controller) {
      await Bun.sleep(1)
      controller.enqueue(piece)
    },
  })
  return new Response(body, { headers: { 'content-type': 'application/json' } })
}

/** A small provider on loopback that misbehaves on demand. `nowS` is the time it puts into tokens, `alg` how it signs. Ends with its scope, or by `stop`. */
export async function startBadProvider(
  nowS: () => number = () => Math.floor(Date.now() / 1000),
  alg: 'RS256' | 'ES256' = 'RS256',
): Promise<BadProvider> {
  plant(BAD_PROVIDER_CLIENT.clientSecret, 'secret of a client')
  let wrong: Misbehaviour = {}
  let generation = 0
  const keys = openKeys()
  let pair = await makeKey(alg)
  const stranger = await makeKey(alg)
  const nonces = new Map<string, string>()
  const offlineCodes = new Set<string>()
  const refreshTokens = new Set<string>()
  const asked: Record<Endpoint, number> = { discovery: 0, jwks: 0, authorize: 0, token: 0, userinfo: 0, revoke: 0 }
  let lastRevoke = { form: new URLSearchParams(), authorization: null as string | null }
  let lastToken = { form: new URLSearchParams(), authorization: null as string | null }
  let lastAuthorize = new URLSearchParams()
  let lastEnd: URLSearchParams | null = null
  let lastUserinfo = { address: new URL('http://x.example'), authorization: null as string | null }

  async function makeKey(alg: 'RS256' | 'ES256') {
    const { privateKey, publicJwk } = await keys.take(alg)
    const kid = `key-${++generation}`
    return { alg, privateKey, jwk: { ...publicJwk, kid, alg, use: 'sig' } }
  }

  function idToken(nonce: string | undefined, how: Misbehaviour): Promise<string> {
    return sign({ sub: 'user-1', exp: nowS() + 300, nonce }, how)
  }

  async function sign(right: Record<string, unknown>, how: Misbehaviour): Promise<string> {
    const claims = { iss: issuer, aud: BAD_PROVIDER_CLIENT.clientId, iat: nowS(), ...right, ...how.claims }
    const header = { alg: pair.alg, kid: pair.jwk.kid, ...how.header }
    for (const bag of [claims, header]) {
      for (const [name, value] of Object.entries(bag)) if (value === undefined) Reflect.deleteProperty(bag, name)
    }
    const unsigned = (claimed: string) =>
      [{ ...header, alg: claimed }, claims]
        .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
        .join('.')
    switch (how.signing) {
      case 'none':
        return `${unsigned('none')}.`
      case 'hmac-public-key': {
        const mac = new Bun.CryptoHasher('sha256', JSON.stringify(pair.jwk))
          .update(unsigned('HS256'))
          .digest('base64url')
        return `${unsigned('HS256')}.${mac}`
      }
      case 'stranger':
        return new SignJWT(claims).setProtectedHeader(header).sign(stranger.privateKey)
      default:
        return new SignJWT(claims).setProtectedHeader(header).sign(pair.privateKey)
    }
  }

  async function answer(endpoint: Endpoint, request: Request): Promise<Response> {
    asked[endpoint]++
    const instead = wrong.instead?.[endpoint]
    const authorization = request.headers.get('authorization')
    if (endpoint === 'token') lastToken = { form: new URLSearchParams(await request.text()), authorization }
    if (endpoint === 'revoke') lastRevoke = { form: new URLSearchParams(await request.text()), authorization }
    if (endpoint === 'userinfo') lastUserinfo = { address: new URL(request.url), authorization }
    if (endpoint === 'authorize') lastAuthorize = new URL(request.url).searchParams
    if (instead !== undefined) return instead()
    switch (endpoint) {
      case 'discovery':
        return Response.json({
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          userinfo_endpoint: `${issuer}/userinfo`,
          jwks_uri: `${issuer}/jwks`,
          id_token_signing_alg_values_supported: [pair.alg],
          scopes_supported: ['openid', 'profile', 'email', 'groups'],
          authorization_response_iss_parameter_supported: true,
          ...wrong.discovery,
        })
      case 'jwks': {
        const right = { keys: [pair.jwk] }
        return Response.json(wrong.jwks === undefined ? right : wrong.jwks(right))
      }
      case 'authorize':
        return wrong.signsInAtOnce === true ? authorize(lastAuthorize) : new Response('not here', { status: 404 })
      case 'token': {
        const { form } = lastToken
        const isGood = refreshTokens.delete(form.get('refresh_token') ?? '')
        await wrong.beforeToken?.()
        if (form.get('grant_type') === 'refresh_token') return refresh(isGood, wrong.refresh ?? {})
        const code = form.get('code') ?? ''
        const nonce = nonces.get(code)
        if (nonce === undefined) return Response.json({ error: 'invalid_grant' }, { status: 400 })
        nonces.delete(code)
        return Response.json({
          access_token: 'access-token-1',
          token_type: 'Bearer',
          expires_in: 300,
          id_token: wrong.idToken === undefined ? await idToken(nonce, wrong) : (wrong.idToken ?? undefined),
          ...(givesRefreshTokenFor(code) ? { refresh_token: issueRefreshToken() } : {}),
          ...wrong.token,
        })
      }
      case 'userinfo':
        return Response.json({ sub: 'user-1', name: 'User One', groups: ['staff'], ...wrong.userinfo })
      case 'revoke':
        refreshTokens.delete(lastRevoke.form.get('token') ?? '')
        return new Response(null)
    }
  }

  function givesRefreshTokenFor(code: string): boolean {
    return wrong.givesRefreshToken === 'offline' ? offlineCodes.delete(code) : wrong.givesRefreshToken === true
  }

  async function refresh(isGood: boolean, how: Misbehaviour): Promise<Response> {
    if (!isGood) return Response.json({ error: 'invalid_grant' }, { status: 400 })
    return Response.json({
      access_token: 'access-token-2',
      token_type: 'Bearer',
      expires_in: 300,
      refresh_token: issueRefreshToken(),
      id_token: how.idToken === undefined ? await idToken(undefined, how) : (how.idToken ?? undefined),
      ...how.token,
    })
  }

  /** Signs in whoever comes, without a word. */
  function authorize(asked: URLSearchParams): Response {
    const answer = new URL(asked.get('redirect_uri') ?? '')
    const isOffline = asked.get('scope')?.split(' ').includes('offline_access') === true
    if (isOffline && wrong.forbidsOffline === true) {
      answer.searchParams.set('error', 'invalid_scope')
      answer.searchParams.set('error_description', 'Invalid scopes')
    } else {
      const code = issueCode(asked.get('nonce') ?? '')
      if (isOffline) offlineCodes.add(code)
      answer.searchParams.set('code', code)
    }
    answer.searchParams.set('state', asked.get('state') ?? '')
    answer.searchParams.set('iss', issuer)
    for (const [name, value] of Object.entries(wrong.answer ?? {})) {
      if (value === undefined) answer.searchParams.delete(name)
      else answer.searchParams.set(name, value)
    }
    return Response.redirect(answer.href, 302)
  }

  function endSession(asked: URLSearchParams): Response {
    lastEnd = asked
    const back = new URL(asked.get('post_logout_redirect_uri') ?? '')
    const { logoutState = 'right' } = wrong
    if (logoutState !== 'none') {
      back.searchParams.set('state', logoutState === 'right' ? (asked.get('state') ?? '') : 'A'.repeat(43))
    }
    return Response.redirect(back.href, 302)
  }

  function issueCode(nonce: string): string {
    const code = `code-${crypto.randomUUID()}`
    plant(code, 'code of a provider')
    nonces.set(code, nonce)
    return code
  }

  function issueRefreshToken(): string {
    const token = `refresh-${crypto.randomUUID()}`
    plant(token, 'refresh token of a provider')
    refreshTokens.add(token)
    return token
  }

  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 30,
    fetch(request) {
      const path = new URL(request.url).pathname
      if (path.endsWith('/.well-known/openid-configuration')) return answer('discovery', request)
      if (path === '/jwks') return answer('jwks', request)
      if (path === '/token') return answer('token', request)
      if (path === '/userinfo') return answer('userinfo', request)
      if (path === '/revoke') return answer('revoke', request)
      if (path === '/authorize') return answer('authorize', request)
      if (path === '/end') return endSession(new URL(request.url).searchParams)
      return new Response('not here', { status: 404 })
    },
  })
  const issuer = `http://127.0.0.1:${server.port}`
  const stop = async () => {
    await server.stop(true)
    keys.giveBack()
  }

  return {
    issuer,
    ...BAD_PROVIDER_CLIENT,
    behave(misbehaviour) {
      wrong = misbehaviour
    },
    issueCode,
    issueRefreshToken,
    goodRefreshTokens: () => refreshTokens.size,
    revokeAll: () => refreshTokens.clear(),
    logoutToken: (over = {}) =>
      sign(
        {
          sub: 'user-1',
          sid: 'their-session-1',
          exp: nowS() + 120,
          jti: crypto.randomUUID(),
          events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
        },
        { ...over, header: { typ: 'logout+jwt', ...over.header } },
      ),
    accessToken(audience, over = {}) {
      const right = { sub: 'user-1', aud: audience, client_id: 'script', exp: nowS() + 120, jti: crypto.randomUUID() }
      return sign(right, { ...over, header: { typ: 'at+jwt', ...over.header } })
    },
    async rotate(next = pair.alg) {
      pair = await makeKey(next)
    },
    asked,
    lastToken: () => lastToken,
    lastAuthorize: () => lastAuthorize,
    lastRevoke: () => lastRevoke,
    lastUserinfo: () => lastUserinfo,
    lastEnd: () => lastEnd,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

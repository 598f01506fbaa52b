import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { SignJWT } from 'jose'
import Provider from 'oidc-provider'
import { plant } from '../log/planted.ts'
import type { KnownClient } from '../toml.ts'
import { openKeys, type ProviderKey } from './keys.ts'

/** Someone who can sign in: any claims, found by sub, preferred_username or email. Any password will do. */
export interface TestAccount {
  readonly sub: string
  readonly [claim: string]: unknown
}

export interface TestClient {
  readonly client_id: string
  /** Absent: a public client. */
  readonly client_secret?: string
  readonly redirect_uris?: readonly string[]
  readonly token_endpoint_auth_method?: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'
  /** The public keys by which it proves itself, read at each question. */
  readonly jwks?: { readonly keys: readonly object[] }
  readonly post_logout_redirect_uris?: readonly string[]
  /** Where it tells that someone has signed out (OpenID Connect Back-Channel Logout 1.0 §2.2). */
  readonly backchannel_logout_uri?: string
  readonly backchannel_logout_session_required?: boolean
  readonly require_pushed_authorization_requests?: boolean
  readonly id_token_signed_response_alg?: string
  readonly id_token_encrypted_response_alg?: string
  readonly userinfo_signed_response_alg?: string
}

/** Its first client is the gate, as far as a test does not say otherwise. */
export interface TestProvider extends KnownClient, AsyncDisposable {
  readonly port: number
  /** Registers one more address to come back to, from signing in or out, for every client, once the proxy's port is known. */
  allowRedirect(uri: string): void
  /** An ID token of its own, as a program would hold it, for this audience. */
  idToken(audience: string, claims: Readonly<Record<string, unknown>>): Promise<string>
  stop(): Promise<void>
}

export interface TestProviderOptions {
  readonly clients: readonly TestClient[]
  /** Read at every sign-in: a test may change what an account says. */
  readonly accounts: readonly TestAccount[]
  /** 0, unless a test brings a stopped provider back. */
  readonly port?: number
  /** Whether it gives refresh tokens, as it does unless a test says otherwise. */
  readonly givesRefreshTokens?: boolean
  /** Whether every claim comes with the scope openid, in the ID token too, as some providers do it. */
  readonly tellsAll?: boolean
  /** Whether it takes no authorization request but those that are pushed (RFC 9126). */
  readonly requiresPushed?: boolean
  /** The name in the issuer; `127.0.0.1` by default. */
  readonly host?: '127.0.0.1' | 'localhost'
}

/** A certified OpenID provider on loopback, with a plain HTML sign-in form and no consent page. Ends with its scope, or by `stop`. */
export async function startProvider(options: TestProviderOptions): Promise<TestProvider> {
  for (const { client_id, client_secret = '' } of options.clients) plant(client_secret, `secret of ${client_id}`)
  const server = createServer()
  // By itself it ends a connection after five idle seconds: a form that comes just then is lost.
  server.keepAliveTimeout = 240_000
  await new Promise<void>(resolve => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  const issuer = `http://${options.host ?? '127.0.0.1'}:${port}`
  const redirects = new Set(
    options.clients.flatMap(client => [...(client.redirect_uris ?? []), ...(client.post_logout_redirect_uris ?? [])]),
  )

  const keys = openKeys()
  const quiet = console.warn
  console.warn = () => {}
  const signing = await Promise.all(['RS256', 'ES256'].map(alg => keys.take(alg)))
  const provider = new Provider(issuer, configuration(options, signing))
  console.warn = quiet
  for (const kind of ['access_token', 'refresh_token', 'authorization_code']) {
    provider.on(`${kind}.saved`, ({ jti }) => plant(jti, `${kind} of a provider`))
  }
  provider.Client.prototype.redirectUriAllowed = uri => redirects.has(uri)
  provider.Client.prototype.postLogoutRedirectUriAllowed = uri => redirects.has(uri)

  const answer = provider.callback()
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith('/interaction/') !== true) return answer(request, response)
    interact(provider, options.accounts, request, response).catch((error: unknown) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error))
    })
  })

  const [{ client_id = '', client_secret = '' } = {}] = options.clients
  const stop = (): Promise<void> =>
    new Promise(resolve => {
      server.close(() => {
        keys.giveBack()
        resolve()
      })
      server.closeAllConnections()
    })
  return {
    issuer,
    port,
    clientId: client_id,
    clientSecret: client_secret,
    allowRedirect: uri => void redirects.add(uri),
    idToken(audience, claims) {
      const [key] = signing
      if (key === undefined) throw new Error('it has a key')
      return new SignJWT({ ...claims })
        .setProtectedHeader({ alg: key.alg, kid: `test-${key.alg}` })
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(key.privateKey)
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** A provider whose one client is a gate, which comes back to these addresses. */
export function startProviderFor(accounts: readonly TestAccount[], ...redirectUris: string[]): Promise<TestProvider> {
  const client = { client_id: 'gate', client_secret: 'gate-secret' }
  const clients = [redirectUris.length === 0 ? client : { ...client, redirect_uris: redirectUris }]
  return startProvider({ clients, accounts })
}

function configuration(options: TestProviderOptions, signing: readonly ProviderKey[]): object {
  const keys = signing.map(({ privateJwk, alg }) => ({ ...privateJwk, alg, use: 'sig', kid: `test-${alg}` }))
  return {
    clients: options.clients.map(client => ({
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      ...(client.client_secret === undefined && client.jwks === undefined
        ? { token_endpoint_auth_method: 'none' }
        : {}),
      ...client,
      redirect_uris: client.redirect_uris ?? ['http://127.0.0.1/unused'],
    })),
    jwks: { keys },
    // A test may put the clock of its gate forward, which then signs by it.
    clockTolerance: 60,
    enabledJWA: { idTokenSigningAlgValues: ['HS256', 'RS256', 'ES256'] },
    cookies: { keys: ['a key for the cookies of a test'] },
    conformIdTokenClaims: options.tellsAll !== true,
    claims: {
      openid: ['sub', ...(options.tellsAll === true ? namesOfClaims(options.accounts) : [])],
      email: ['email', 'email_verified'],
      profile: ['name', 'preferred_username', 'locale', 'department'],
      groups: ['groups'],
    },
    features: {
      devInteractions: { enabled: false },
      // The page that it has of itself asks another machine for its letters.
      rpInitiatedLogout: {
        enabled: true,
        logoutSource(context: { body: string }, form: string) {
          const button = '<button form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button>'
          context.body = `<!doctype html><title>Sign out</title>${form}${button}`
        },
      },
      backchannelLogout: { enabled: true },
      encryption: { enabled: true },
      jwtUserinfo: { enabled: true },
      pushedAuthorizationRequests: {
        enabled: true,
        requirePushedAuthorizationRequests: options.requiresPushed === true,
      },
    },
    issueRefreshToken: () => options.givesRefreshTokens !== false,
    interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    findAccount: (_context: unknown, id: string) => {
      const account = options.accounts.find(({ sub }) => sub === id)
      return account === undefined ? undefined : { accountId: id, claims: () => account }
    },
    async loadExistingGrant({ oidc }: { oidc: Consent }) {
      const accountId = oidc.session.accountId
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId })
      grant.addOIDCScope('openid profile email groups')
      await grant.save()
      return grant
    },
    ttl: { AccessToken: 300, AuthorizationCode: 60, IdToken: 300, Interaction: 600, Session: 3600, Grant: 3600 },
  }
}

function namesOfClaims(accounts: readonly TestAccount[]): readonly string[] {
  return [...new Set(accounts.flatMap(account => Object.keys(account)))]
}

interface Consent {
  readonly provider: Provider
  readonly client: { readonly clientId: string }
  readonly session: { readonly accountId: string }
}

/** GET shows the form; POST signs in with `login`, or cancels with `action=cancel`. */
async function interact(
  provider: Provider,
  accounts: readonly TestAccount[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const details = await provider.interactionDetails(request, response)
  if (request.method !== 'POST') return showForm(response, details.uid, 200, '')
  const form = new URLSearchParams(await readBody(request))
  if (form.get('action') === 'cancel') {
    return provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'cancelled' })
  }
  const login = form.get('login')
  const account = accounts.find(one => [one.sub, one.preferred_username, one.email].includes(login ?? ''))
  if (account === undefined) return showForm(response, details.uid, 400, 'Nobody has that name.')
  await provider.interactionFinished(
    request,
    response,
    { login: { accountId: account.sub } },
    { mergeWithLastSubmission: false },
  )
}

function showForm(response: ServerResponse, uid: string, status: number, problem: string): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(`<!doctype html>
<html lang="en"><head><title>Test provider</title></head><body><h1>Test provider</h1><p>${problem}</p>
<form method="post" action="/interaction/${uid}">
<label>Login <input name="login" autofocus></label>
<label>Password <input name="password" type="password"></label>
<button name="action" value="sign-in">Sign in</button> <button name="action" value="cancel">Cancel</button>
</form></body></html>`)
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return body
}

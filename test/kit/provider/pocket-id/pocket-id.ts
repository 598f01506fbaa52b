import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import { plant } from '../../log/planted.ts'
import type { KnownClient } from '../../toml.ts'
import { administer, POCKET_ID_KEY } from './admin.ts'
import { discoveryOf } from './discovery.ts'
import {
  type PocketIdClient,
  type PocketIdGroup,
  type PocketIdState,
  type PocketIdUser,
  type PocketIdVersion,
  pocketIdClient,
  pocketIdUser,
} from './people.ts'
import { createSignInPages, faultOfCallback } from './sign-in.ts'
import { createTokens, type KeyAlgorithm, subjectOf } from './tokens.ts'
import { type Fault, refuse } from './words.ts'

export interface PocketIdOptions {
  readonly version: PocketIdVersion
  /** `ada`, who has a passkey, unless a test says otherwise. */
  readonly users?: readonly PocketIdUser[]
  /** The first one is the gate: `gate` with a secret and no callback yet, unless a test says otherwise. */
  readonly clients?: readonly PocketIdClient[]
  /** Names of groups; those of the users are there anyway. */
  readonly groups?: readonly PocketIdGroup[]
  /** Whether programs reach it at an address of their own, by plain HTTP, as INTERNAL_APP_URL says. */
  readonly hasInner?: boolean
  /** What APP_URL says, where browsers come by a proxy; its own address when absent. */
  readonly appUrl?: string
  /** Its public address speaks HTTPS, as `https://localhost`. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Whether its API gives out secrets, as it does unless a test says otherwise. */
  readonly givesSecrets?: boolean
  readonly nowS?: () => number
  /** How it fetches the keys of those whose assertions count for a client. */
  readonly fetchKeys?: (address: string) => Promise<Response>
}

/** One request that it was asked. */
interface AskedOfPocketId {
  readonly method: string
  readonly path: string
  /** Whether it came to the address for programs. */
  readonly isInner: boolean
  readonly key: string | null
  readonly authorization: string | null
  /** By which it says who asks once TRUST_PROXY is set. */
  readonly forwarded: { readonly host: string | null; readonly for: string | null; readonly proto: string | null }
  readonly body: string
}

/** Its state may be changed while it runs: `users`, `clients` and `groups` are read at every request. */
export interface PocketId extends KnownClient, PocketIdState, AsyncDisposable {
  readonly port: number
  /** Where programs reach it: the issuer, unless it has an address for them. */
  readonly inner: string
  /** A key for its API. */
  readonly apiKey: string
  readonly asked: readonly AskedOfPocketId[]
  /** Registers one more address to come back to from signing in, and its place to come back to from signing out. */
  allowRedirect(uri: string): void
  /** A code for the gate, as of a sign-in of `ada` with this scope, without PKCE. */
  issueCode(scope: string): string
  /** Changes an account from now on. */
  change(username: string, changed: Partial<PocketIdUser>): void
  /** What its command `key-rotate` does. */
  rotateKey(algorithm: KeyAlgorithm): Promise<void>
  stop(): Promise<void>
}

/**
 * Pocket ID on loopback, as 2.9 and 2.14 answer, errors and all: 2.9 by what was recorded of it (`test/recorded`), 2.14 by what its
 * source says. Ends with its scope, or by `stop`.
 */
export async function pocketId(options: PocketIdOptions): Promise<PocketId> {
  const { version, nowS = () => Math.floor(Date.now() / 1000), fetchKeys = address => fetch(address) } = options
  const given = options.clients ?? [pocketIdClient('gate', { secrets: ['secret-of-the-gate'] })]
  for (const { secrets } of given) for (const secret of secrets) plant(secret, 'secret of a client')
  const users = new Map((options.users ?? [pocketIdUser('ada')]).map(user => [user.username, user]))
  const named = [...users.values()].flatMap(user => user.groups)
  const made = named.map(name => ({ id: `id-of-${name}`, name, friendlyName: name }))
  const groups = new Map([...made, ...(options.groups ?? [])].map(group => [group.id, group]))
  const clients = new Map(given.map(client => [client.id, client]))
  const state: PocketIdState = { version, users, groups, clients, givesSecrets: options.givesSecrets !== false }
  const asked: AskedOfPocketId[] = []

  let answer = (_request: Request, _isInner: boolean): Promise<Response> => Promise.reject(new Error('not ready'))
  const hostname = '127.0.0.1'
  const server = Bun.serve({
    port: 0,
    hostname,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    fetch: request => answer(request, false),
  })
  const innerServer =
    options.hasInner === true ? Bun.serve({ port: 0, hostname, fetch: request => answer(request, true) }) : null
  const own = options.tls === undefined ? `http://${hostname}:${server.port}` : `https://localhost:${server.port}`
  const issuer = options.appUrl ?? own
  const inner = innerServer === null ? issuer : `http://${hostname}:${innerServer.port}`
  const tokens = await createTokens(state, issuer, nowS)
  const pages = createSignInPages(state, issuer, tokens, nowS)

  answer = async (request, isInner) => {
    const url = new URL(request.url)
    const body = await request.clone().text()
    asked.push({
      method: request.method,
      path: url.pathname,
      isInner,
      key: request.headers.get('x-api-key'),
      authorization: request.headers.get('authorization'),
      forwarded: {
        host: request.headers.get('host'),
        for: request.headers.get('x-forwarded-for'),
        proto: request.headers.get('x-forwarded-proto'),
      },
      body,
    })
    return (
      (await pages.answer(request, url)) ??
      (await answerProgram(request, url, body)) ??
      (await administer(state, request, url.pathname, url.searchParams)) ??
      Response.json({ error: 'API endpoint not found' }, { status: 404 })
    )
  }

  async function answerProgram(request: Request, url: URL, body: string): Promise<Response | null> {
    const form = new URLSearchParams(body)
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        return Response.json(discoveryOf(version, issuer, inner, tokens.algorithm()))
      case '/.well-known/oauth-authorization-server':
        return version === '2.9' ? null : Response.json(discoveryOf(version, issuer, inner, tokens.algorithm()))
      case '/.well-known/jwks.json':
        return Response.json(tokens.keys())
      case '/api/oidc/token': {
        const client = await authenticate(state, form, request.headers.get('authorization'), fetchKeys)
        return typeof client === 'string' ? refuse(version, client) : tokens.redeem(form, client)
      }
      case '/api/oidc/par':
        return push(form, request.headers.get('authorization'))
      case '/api/oidc/userinfo':
        return tokens.userinfo(request.headers.get('authorization'))
      case '/api/oidc/introspect':
        return tokens.introspect(form.get('token') ?? '')
      case '/api/oidc/authorize/callback-url':
        return version === '2.9' ? resolveCallback(body) : null
      case '/api/oidc/end-session':
        return endSession(request, request.method === 'POST' ? form : url.searchParams)
      default:
        return null
    }
  }

  async function push(form: URLSearchParams, authorization: string | null): Promise<Response> {
    // Up to 2.9 this one endpoint reads no Basic credentials.
    const client = await authenticate(state, form, version === '2.9' ? null : authorization, fetchKeys)
    if (typeof client === 'string') return refuse(version, client)
    if (version === '2.9' && client.isPublic) return refuse(version, 'public client')
    const address = form.get('redirect_uri') ?? ''
    const fault = faultOfCallback(client, address)
    // A client without any takes the first one that comes for its own.
    const isFirst = version === '2.9' && client.callbackURLs.length === 0 && address !== ''
    if (isFirst) state.clients.set(client.id, { ...client, callbackURLs: [address] })
    else if (fault !== null) return refuse(version, fault)
    return Response.json({ request_uri: pages.push(form), expires_in: 90 }, { status: 201 })
  }

  function resolveCallback(body: string): Response {
    const { clientID, callbackURL }: { clientID?: string; callbackURL?: string } = JSON.parse(body)
    const client = state.clients.get(clientID ?? '')
    if (client === undefined) return Response.json({ error: 'Record not found' }, { status: 404 })
    if (client.requiresPushedAuthorizationRequests) return refuse(version, 'par required')
    const fault = faultOfCallback(client, callbackURL ?? '')
    return fault === null ? Response.json({ callbackURL }) : refuse(version, fault)
  }

  /** Without a hint that fits who is signed in, it asks on a page of its own. */
  function endSession(request: Request, query: URLSearchParams): Response {
    const hint = subjectOf(query.get('id_token_hint') ?? '', issuer)
    const registered = state.clients.get(hint?.client ?? '')?.logoutCallbackURLs ?? []
    const wanted = query.get('post_logout_redirect_uri') ?? registered[0]
    if (hint === null || wanted === undefined || !registered.includes(wanted) || !pages.end(request, hint.sub)) {
      return new Response(null, { status: 302, headers: { location: `${issuer}/logout` } })
    }
    const back = new URL(wanted)
    const given = query.get('state')
    if (given !== null) back.searchParams.set('state', given)
    return new Response(null, { status: 302, headers: { location: back.href } })
  }

  const stop = async () => {
    await Promise.all([server.stop(true), innerServer?.stop(true)])
    tokens.giveBackKeys()
  }
  const [gate] = given
  return {
    ...state,
    issuer,
    inner,
    port: server.port ?? 0,
    clientId: gate?.id ?? '',
    clientSecret: gate?.secrets[0] ?? '',
    apiKey: POCKET_ID_KEY,
    asked,
    allowRedirect(uri) {
      for (const client of state.clients.values()) {
        state.clients.set(client.id, {
          ...client,
          callbackURLs: [...client.callbackURLs, uri],
          logoutCallbackURLs: [...client.logoutCallbackURLs, new URL('/.sallyport/signed-out', uri).href],
        })
      }
    },
    issueCode(scope) {
      const asked = {
        client: gate?.id ?? '',
        redirectUri: gate?.callbackURLs[0] ?? '',
        scope,
        nonce: 'n',
        challenge: null,
      }
      return tokens.issueCode(asked, users.get('ada')?.sub ?? '', nowS())
    },
    change(username, changed) {
      const user = state.users.get(username)
      if (user === undefined) throw new Error(`no user ${username}`)
      state.users.set(username, { ...user, ...changed })
    },
    rotateKey: tokens.rotateKey,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

type FetchKeys = (address: string) => Promise<Response>

/** Who asks, by an assertion, or its secret in Basic or in the form, or what is wrong with that. A public client has no secret. */
async function authenticate(
  state: PocketIdState,
  form: URLSearchParams,
  authorization: string | null,
  fetchKeys: FetchKeys,
): Promise<PocketIdClient | Fault> {
  const assertion = form.get('client_assertion')
  if (assertion !== null) return byAssertion(state, form.get('client_id') ?? '', assertion, fetchKeys)
  const basic = /^Basic (.+)$/i.exec(authorization ?? '')?.[1]
  const [name, ...rest] = basic === undefined ? [] : Buffer.from(basic, 'base64').toString().split(':')
  const decode = (text: string) => new URLSearchParams(`x=${text}`).get('x') ?? ''
  const id = name === undefined ? (form.get('client_id') ?? '') : decode(name)
  const secret = name === undefined ? (form.get('client_secret') ?? '') : decode(rest.join(':'))
  if (id === '') return 'no client'
  const client = state.clients.get(id)
  if (client === undefined) return 'unknown client'
  if (client.isPublic) return client
  if (secret === '') return 'no client'
  return client.secrets.includes(secret) ? client : 'wrong secret'
}

/** A client by an assertion of somebody whom it names, whose keys are fetched from their address. It knows no other place for a client's key. */
async function byAssertion(
  state: PocketIdState,
  id: string,
  assertion: string,
  fetchKeys: FetchKeys,
): Promise<PocketIdClient | Fault> {
  const client = state.clients.get(id)
  if (client === undefined) return 'unknown client'
  try {
    const { iss } = decodeJwt(assertion)
    const trusted = client.credentials.federatedIdentities?.find(({ issuer }) => issuer === iss)
    if (trusted === undefined) return 'wrong assertion'
    const { issuer, subject, audience, jwks } = trusted
    const keys: JSONWebKeySet = (await (await fetchKeys(jwks)).json()) as JSONWebKeySet
    await jwtVerify(assertion, createLocalJWKSet(keys), { issuer, subject, audience })
    return client
  } catch {
    return 'wrong assertion'
  }
}

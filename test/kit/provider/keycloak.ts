import { plant } from '../log/planted.ts'
import type { KnownClient } from '../toml.ts'

/** How somebody set up the client in the realm; what is absent is as Keycloak makes it. */
export interface KeycloakClient {
  readonly redirectUris: readonly string[]
  /** Where it comes back to after a sign-out. */
  readonly postLogoutUris?: readonly string[]
  readonly requiresPushed?: boolean
  readonly hasStandardFlow?: boolean
  /** A scope that was taken from the client, though the realm lists it. */
  readonly lacksScope?: string
  /** The only code challenge method that it takes; any where there is none. */
  readonly pkce?: 'S256' | 'plain'
}

export interface Keycloak extends KnownClient, AsyncDisposable {
  /** The paths that were asked, in order. */
  readonly asked: readonly string[]
}

/** The scopes of a realm that nobody changed: `groups` is none of them. */
const SCOPES =
  'openid address email roles microprofile-jwt phone profile web-origins organization acr service_account offline_access basic'.split(
    ' ',
  )
const ALGORITHMS = 'PS384 RS384 EdDSA ES384 HS256 HS512 ES256 RS256 HS384 ES512 PS256 PS512 RS512'.split(' ')
const ENCRYPTIONS = ['ECDH-ES', 'RSA-OAEP', 'RSA-OAEP-256']

const SECRET = 'keycloak-client-secret'

/**
 * Keycloak 26.7.3 as far as `doctor` asks it, word for word as it was recorded. Nobody can sign in.
 *
 * Its words for a wrong code challenge method are by its source.
 */
export function startKeycloak(client: KeycloakClient): Keycloak {
  plant(SECRET, 'secret of a client')
  const asked: string[] = []
  const pushed = new Map<string, URLSearchParams>()
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer })
  const issuer = `http://127.0.0.1:${server.port}/realms/home`
  const base = `${issuer}/protocol/openid-connect`

  async function answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    const path = pathname.replace(/^\/realms\/home(?:\/protocol\/openid-connect)?/, '')
    asked.push(path)
    const form = request.method === 'POST' ? new URLSearchParams(await request.text()) : new URLSearchParams()
    switch (path) {
      case '/.well-known/openid-configuration':
        return Response.json(discoveryOf(issuer, base))
      case '/certs':
        return Response.json({ keys: [{ kid: 'k', kty: 'OKP', alg: 'EdDSA', use: 'sig', crv: 'Ed25519', x: KEY }] })
      case '/token':
        return token(request, form)
      case '/ext/par/request':
        return push(request, form)
      case '/auth':
        return authorize(searchParams)
      case '/logout':
        return endSession(searchParams)
      default:
        return Response.json({ error: 'Realm does not exist' }, { status: 404 })
    }
  }

  function token(request: Request, form: URLSearchParams): Response {
    const fault = faultOf(request, form)
    const says = 'Invalid client or Invalid client credentials'
    if (fault === 'id') return refuse(401, 'invalid_client', says)
    if (fault === 'secret') return refuse(401, 'unauthorized_client', says)
    return refuse(400, 'invalid_grant', 'Code not valid')
  }

  function push(request: Request, form: URLSearchParams): Response {
    if (faultOf(request, form) !== null) return refuse(401, 'invalid_request', 'Authentication failed.')
    if (!client.redirectUris.includes(form.get('redirect_uri') ?? '')) {
      return refuse(400, 'invalid_request', 'Invalid parameter: redirect_uri')
    }
    const scope = form.get('scope') ?? ''
    if (!areKnown(scope, client)) return refuse(400, 'invalid_request', `Invalid scopes: ${scope}`)
    const uri = `urn:ietf:params:oauth:request_uri:${pushed.size}`
    pushed.set(uri, form)
    return Response.json({ request_uri: uri, expires_in: 60 }, { status: 201 })
  }

  function authorize(query: URLSearchParams): Response {
    const held = pushed.get(query.get('request_uri') ?? '')
    const wanted = held ?? query
    if (wanted.get('client_id') !== 'gate') return page(400, 'Client not found.')
    const back = wanted.get('redirect_uri') ?? ''
    if (!client.redirectUris.includes(back)) return page(400, 'Invalid parameter: redirect_uri')
    const error = (word: string, says: string | null) => comeBack(back, wanted, word, says)
    if (client.hasStandardFlow === false) {
      return error(
        'unauthorized_client',
        'Client is not allowed to initiate browser login with given response_type. Standard flow is disabled for the client.',
      )
    }
    if (client.requiresPushed === true && held === undefined) {
      return error('invalid_request', 'Pushed Authorization Request is only allowed.')
    }
    const scope = wanted.get('scope') ?? ''
    if (!areKnown(scope, client)) return error('invalid_scope', `Invalid scopes: ${scope}`)
    const method = wanted.get('code_challenge_method')
    if (client.pkce !== undefined && method !== client.pkce) {
      return error('invalid_request', 'Invalid parameter: code challenge method is not matching the configured one')
    }
    return wanted.get('prompt') === 'none' ? error('login_required', null) : page(200, 'Sign in to your account')
  }

  function comeBack(back: string, wanted: URLSearchParams, word: string, says: string | null): Response {
    const address = new URL(back)
    address.searchParams.set('error', word)
    if (says !== null) address.searchParams.set('error_description', says)
    address.searchParams.set('state', wanted.get('state') ?? '')
    address.searchParams.set('iss', issuer)
    return Response.redirect(address.href, 302)
  }

  /** Without the hint of a session it asks whoever comes, unless the address is none of the client's. */
  function endSession(query: URLSearchParams): Response {
    const back = query.get('post_logout_redirect_uri')
    const isKnown = back === null || (client.postLogoutUris ?? []).includes(back)
    return isKnown
      ? page(200, 'Logging out Do you want to log out?')
      : page(400, 'We are sorry... Invalid redirect uri')
  }

  return {
    issuer,
    clientId: 'gate',
    clientSecret: SECRET,
    asked,
    [Symbol.asyncDispose]: () => server.stop(true),
  }
}

const KEY = 'j7QabTfxIsiGkFlcnpRd3tfqE--DddcB9PwiWXu6zvI'

function discoveryOf(issuer: string, base: string): object {
  return {
    issuer,
    authorization_endpoint: `${base}/auth`,
    token_endpoint: `${base}/token`,
    introspection_endpoint: `${base}/token/introspect`,
    end_session_endpoint: `${base}/logout`,
    jwks_uri: `${base}/certs`,
    revocation_endpoint: `${base}/revoke`,
    pushed_authorization_request_endpoint: `${base}/ext/par/request`,
    require_pushed_authorization_requests: false,
    acr_values_supported: ['silver', 'gold', '0', '1', '2'],
    id_token_signing_alg_values_supported: ALGORITHMS,
    id_token_encryption_alg_values_supported: ENCRYPTIONS,
    userinfo_endpoint: `${base}/userinfo`,
    userinfo_signing_alg_values_supported: [...ALGORITHMS, 'none'],
    token_endpoint_auth_methods_supported: [
      'private_key_jwt',
      'client_secret_basic',
      'client_secret_post',
      'tls_client_auth',
      'client_secret_jwt',
    ],
    // It sends email_verified all the same.
    claims_supported:
      'iss sub aud exp iat auth_time name given_name family_name preferred_username email acr azp nonce'.split(' '),
    scopes_supported: SCOPES,
    code_challenge_methods_supported: ['plain', 'S256'],
    authorization_response_iss_parameter_supported: true,
  }
}

function areKnown(scope: string, { lacksScope }: KeycloakClient): boolean {
  return scope.split(' ').every(one => one !== lacksScope && SCOPES.includes(one))
}

/** Which half of the credentials is wrong. */
function faultOf(request: Request, form: URLSearchParams): 'id' | 'secret' | null {
  const [, basic = ''] = (request.headers.get('authorization') ?? '').split(' ')
  const [id = '', secret = ''] = basic === '' ? [] : atob(basic).split(':').map(decodeURIComponent)
  if ((id || form.get('client_id')) !== 'gate') return 'id'
  return (secret || form.get('client_secret')) === SECRET ? null : 'secret'
}

function refuse(status: number, error: string, says: string): Response {
  return Response.json({ error, error_description: says }, { status, headers: { 'cache-control': 'no-store' } })
}

function page(status: number, text: string): Response {
  return new Response(`<!doctype html><title>home</title><p>${text}`, {
    status,
    headers: { 'content-type': 'text/html;charset=utf-8' },
  })
}

import { SignJWT } from 'jose'
import { plant } from '../log/planted.ts'
import { openKeys } from './keys.ts'
import type { TestAccount } from './provider.ts'

/** A provider that tells of roles in the access token alone, as Keycloak does, and signs what a test asks for. */
export interface RolesProvider extends AsyncDisposable {
  readonly issuer: string
  /** A token with these claims, for this audience. */
  sign(audience: string, claims: Readonly<Record<string, unknown>>): Promise<string>
}

/** What a client is registered with. */
interface RolesClient {
  readonly id: string
  readonly secret: string
}

/** Claims of the access token alone, by `sub`. */
export type AccessClaims = (sub: string) => Readonly<Record<string, unknown>>

/** It has one form, on which a name is enough, and takes any address to come back to. */
export async function startRolesProvider(
  { id, secret }: RolesClient,
  accounts: readonly TestAccount[],
  accessClaims: AccessClaims,
): Promise<RolesProvider> {
  plant(secret, `secret of ${id}`)
  const keys = openKeys()
  const { privateKey, publicJwk } = await keys.take('RS256')
  const signedIn = new Map<string, { readonly account: TestAccount; readonly nonce: string | null }>()
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer })
  const issuer = `http://127.0.0.1:${server.port}`

  async function answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/.well-known/openid-configuration') return Response.json(discovery())
    if (pathname === '/jwks') {
      return Response.json({ keys: [{ ...publicJwk, kid: 'roles', alg: 'RS256', use: 'sig' }] })
    }
    if (pathname === '/authorize') return request.method === 'POST' ? enter(request, searchParams) : form(searchParams)
    if (pathname === '/token') return token(new URLSearchParams(await request.text()), request.headers)
    return Response.json({ error: 'invalid_request' }, { status: 404 })
  }

  function discovery(): object {
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      id_token_signing_alg_values_supported: ['RS256'],
      scopes_supported: ['openid', 'profile', 'email', 'groups'],
      code_challenge_methods_supported: ['S256'],
    }
  }

  async function enter(request: Request, query: URLSearchParams): Promise<Response> {
    const login = new URLSearchParams(await request.text()).get('login')
    const account = accounts.find(({ sub }) => sub === login)
    if (account === undefined) return form(query)
    const code = crypto.randomUUID()
    plant(code, 'code of a provider')
    signedIn.set(code, { account, nonce: query.get('nonce') })
    const back = new URL(query.get('redirect_uri') ?? '')
    back.searchParams.set('code', code)
    back.searchParams.set('state', query.get('state') ?? '')
    return Response.redirect(back.href, 303)
  }

  async function token(asked: URLSearchParams, headers: Headers): Promise<Response> {
    const [, basic = ''] = (headers.get('authorization') ?? '').split(' ')
    const sent = basic === '' ? [asked.get('client_id'), asked.get('client_secret')] : atob(basic).split(':')
    const found = signedIn.get(asked.get('code') ?? '')
    if (sent[0] !== id || sent[1] !== secret || found === undefined) {
      return Response.json({ error: 'invalid_grant' }, { status: 400 })
    }
    const { account, nonce } = found
    const idToken = await sign(id, nonce === null ? account : { ...account, nonce })
    const accessToken = await sign('account', { ...account, azp: id, ...accessClaims(account.sub) })
    plant(accessToken, 'access token of a provider')
    return Response.json({ access_token: accessToken, token_type: 'Bearer', expires_in: 300, id_token: idToken })
  }

  function sign(audience: string, claims: Readonly<Record<string, unknown>>): Promise<string> {
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'roles' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey)
  }

  return {
    issuer,
    sign,
    async [Symbol.asyncDispose]() {
      await server.stop(true)
      keys.giveBack()
    },
  }
}

function form(query: URLSearchParams): Response {
  const address = `/authorize?${query}`.replaceAll('&', '&amp;')
  const text = `<!doctype html><form method="post" action="${address}"><input name="login"><button>Sign in</button></form>`
  return new Response(text, { headers: { 'content-type': 'text/html' } })
}

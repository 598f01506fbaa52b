import { createHash } from 'node:crypto'
import { decodeJwt, type JWK, SignJWT } from 'jose'
import { plant } from '../../log/planted.ts'
import { openKeys } from '../keys.ts'
import { isAllowed, type PocketIdClient, type PocketIdState, type PocketIdUser } from './people.ts'
import { refuse } from './words.ts'

const HOUR_S = 60 * 60
const REFRESH_S = 30 * 24 * HOUR_S

/** What an authorization request asked for, once it was found good. */
export interface Asked {
  readonly client: string
  readonly redirectUri: string
  readonly scope: string
  readonly nonce: string | null
  readonly challenge: string | null
}

/** Who has signed in for it, and when that was. */
interface Granted extends Asked {
  readonly sub: string
  readonly authTimeS: number
}

/** How it signs: its program `key-rotate` can make a key of another kind. */
export type KeyAlgorithm = 'RS256' | 'ES256'

export interface Tokens {
  /** The one key that it has. */
  readonly keys: () => { readonly keys: readonly JWK[] }
  readonly algorithm: () => KeyAlgorithm
  /** A key of this kind in place of the one before, which is no longer published. */
  rotateKey(algorithm: KeyAlgorithm): Promise<void>
  /** Once it has stopped. */
  giveBackKeys(): void
  /** A code that is good once, for a minute. */
  issueCode(asked: Asked, sub: string, authTimeS: number): string
  /** The answer to a token request of a client that has shown who it is. */
  redeem(form: URLSearchParams, client: PocketIdClient): Promise<Response>
  userinfo(authorization: string | null): Response
  /** Whether an access or refresh token is good (RFC 7662). */
  introspect(token: string): Response
}

/** Codes, tokens and what they are good for; `nowS` is the time in them. */
export async function createTokens(state: PocketIdState, issuer: string, nowS: () => number): Promise<Tokens> {
  const { version } = state
  const own = openKeys()
  let key = await makeKey('RS256')
  const codes = new Map<string, Granted & { readonly endsAtS: number }>()
  const refreshTokens = new Map<string, Granted & { readonly endsAtS: number }>()
  const accessTokens = new Map<string, Granted & { readonly endsAtS: number }>()

  async function makeKey(alg: KeyAlgorithm) {
    const { privateKey, publicJwk } = await own.take(alg)
    const kid = crypto.randomUUID().slice(0, 11)
    return { alg, privateKey, jwk: { ...publicJwk, alg, kid, use: 'sig' } }
  }

  function keep<Kept>(kept: Map<string, Kept>, token: string, value: Kept, what: string): string {
    plant(token, `${what} of a provider`)
    kept.set(token, value)
    return token
  }

  async function sign(claims: Readonly<Record<string, unknown>>, typ: string): Promise<string> {
    return new SignJWT({ iss: issuer, iat: nowS(), exp: nowS() + HOUR_S, jti: crypto.randomUUID(), ...claims })
      .setProtectedHeader({ alg: key.alg, kid: key.jwk.kid, typ })
      .sign(key.privateKey)
  }

  async function answer(granted: Granted, user: PocketIdUser, client: PocketIdClient): Promise<Response> {
    const about = claimsOf(user, granted.scope.split(' '), issuer, version === '2.14')
    const access =
      version === '2.9'
        ? await sign({ sub: user.sub, aud: [client.id], type: 'oauth-access-token' }, 'JWT')
        : await sign({ sub: user.sub, aud: [client.id, issuer], client_id: client.id, scope: granted.scope }, 'at+jwt')
    keep(accessTokens, access, { ...granted, endsAtS: nowS() + HOUR_S }, 'access token')
    const shown =
      version === '2.9' ? {} : { auth_time: granted.authTimeS, rat: granted.authTimeS, at_hash: hashOf(access) }
    const nonce = granted.nonce === null ? {} : { nonce: granted.nonce }
    const method = { amr: [user.method], type: 'id-token' }
    const aud = version === '2.9' ? [client.id] : client.id
    const idToken = await sign({ ...about, aud, ...method, ...shown, ...nonce }, 'JWT')
    // Up to 2.9 it is a JWT, signed with the same key and for the client, as everything else is.
    const own = { sub: user.sub, aud: [client.id], type: 'refresh-token', rt: crypto.randomUUID(), jti: undefined }
    const refresh = version === '2.9' ? await sign(own, 'JWT') : `refresh-${crypto.randomUUID()}`
    keep(refreshTokens, refresh, { ...granted, endsAtS: nowS() + REFRESH_S }, 'refresh token')
    return Response.json({
      access_token: access,
      token_type: version === '2.9' ? 'Bearer' : 'bearer',
      expires_in: HOUR_S,
      id_token: idToken,
      refresh_token: refresh,
      ...(version === '2.9' ? {} : { scope: granted.scope }),
    })
  }

  function redeemCode(form: URLSearchParams, client: PocketIdClient) {
    const code = form.get('code') ?? ''
    const granted = codes.get(code)
    if (granted === undefined) return refuse(version, 'wrong code')
    const verifier = form.get('code_verifier') ?? ''
    const isProven = granted.challenge === null || granted.challenge === digest(verifier).toString('base64url')
    if ((client.isPublic || client.pkceEnabled || granted.challenge !== null) && !isProven) {
      return refuse(version, 'wrong verifier')
    }
    const isSameAddress = version === '2.9' || form.get('redirect_uri') === granted.redirectUri
    if (granted.client !== client.id || granted.endsAtS < nowS() || !isSameAddress) return refuse(version, 'wrong code')
    codes.delete(code)
    return granted
  }

  function redeemRefreshToken(form: URLSearchParams, client: PocketIdClient) {
    const token = form.get('refresh_token') ?? ''
    const granted = refreshTokens.get(token)
    if (granted === undefined || granted.client !== client.id || granted.endsAtS < nowS()) {
      return refuse(version, 'wrong refresh token')
    }
    refreshTokens.delete(token)
    // Up to 2.9 the ID token of a refresh has no nonce.
    return version === '2.9' ? { ...granted, nonce: null } : granted
  }

  async function redeem(form: URLSearchParams, client: PocketIdClient): Promise<Response> {
    const grant = form.get('grant_type')
    if (grant === 'client_credentials' && !client.isPublic) {
      const token =
        version === '2.9'
          ? await sign({ sub: `client-${client.id}`, aud: [client.id], type: 'oauth-access-token' }, 'JWT')
          : await sign({ sub: `client-${client.id}`, aud: [client.id], client_id: client.id }, 'at+jwt')
      plant(token, 'access token of a provider')
      return Response.json({ access_token: token, token_type: 'Bearer', expires_in: HOUR_S })
    }
    if (grant !== 'authorization_code' && grant !== 'refresh_token') return refuse(version, 'unknown grant')
    const granted = grant === 'authorization_code' ? redeemCode(form, client) : redeemRefreshToken(form, client)
    if (granted instanceof Response) return granted
    const user = [...state.users.values()].find(({ sub }) => sub === granted.sub)
    // Whoever was disabled has no refresh token any more, and no code.
    if (user === undefined || user.isDisabled) {
      return refuse(version, grant === 'refresh_token' ? 'wrong refresh token' : 'wrong code')
    }
    return isAllowed(state, user, client) ? answer(granted, user, client) : refuse(version, 'not allowed')
  }

  return {
    keys: () => ({ keys: [key.jwk] }),
    algorithm: () => key.alg,
    async rotateKey(algorithm) {
      key = await makeKey(algorithm)
    },
    giveBackKeys: own.giveBack,
    issueCode(asked, sub, authTimeS) {
      const code = crypto.randomUUID().replaceAll('-', '')
      return keep(codes, code, { ...asked, sub, authTimeS, endsAtS: nowS() + 60 }, 'code')
    },
    redeem,
    userinfo(authorization) {
      const token = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1]
      if (token === undefined) return unauthorized(version, 'Missing access token', 401)
      const granted = accessTokens.get(token)
      const user = [...state.users.values()].find(({ sub }) => sub === granted?.sub)
      if (granted === undefined || user === undefined || granted.endsAtS < nowS()) {
        return unauthorized(version, 'Something went wrong', 500)
      }
      return Response.json(claimsOf(user, granted.scope.split(' '), issuer, version === '2.14'))
    },
    introspect(token) {
      const granted = accessTokens.get(token) ?? refreshTokens.get(token)
      if (granted === undefined || granted.endsAtS < nowS()) return Response.json({ active: false })
      return Response.json({ active: true, sub: granted.sub, client_id: granted.client, exp: granted.endsAtS })
    },
  }
}

/** The `sub` of an ID token that it has given out, expired or not; null for anything else. */
export function subjectOf(idToken: string, issuer: string): { readonly sub: string; readonly client: string } | null {
  try {
    const { iss, sub, aud } = decodeJwt(idToken)
    const [client] = [aud].flat()
    return iss === issuer && sub !== undefined && client !== undefined ? { sub, client } : null
  } catch {
    return null
  }
}

function unauthorized(version: PocketIdState['version'], error: string, status: number): Response {
  if (version === '2.9') return Response.json({ error }, { status })
  const description = 'The request could not be authorized.'
  return Response.json(
    { error: 'request_unauthorized', error_description: description },
    {
      status: 401,
      headers: { 'www-authenticate': `Bearer error="request_unauthorized", error_description="${description}"` },
    },
  )
}

/** What it says of somebody, by scope. A group claim without groups is absent up to 2.9, and an empty list later. */
function claimsOf(user: PocketIdUser, scopes: readonly string[], issuer: string, isLater: boolean): object {
  const name = `${user.firstName} ${user.lastName}`
  const profile = {
    given_name: user.firstName,
    family_name: user.lastName,
    name,
    ...(isLater ? { display_name: name } : {}),
    preferred_username: user.username,
    picture: `${issuer}/api/users/${user.sub}/profile-picture.png`,
  }
  return {
    sub: user.sub,
    ...(scopes.includes('profile') ? profile : {}),
    ...(scopes.includes('email') && user.email !== null
      ? { email: user.email, email_verified: user.emailVerified }
      : {}),
    ...(scopes.includes('groups') && (isLater || user.groups.length > 0) ? { groups: user.groups } : {}),
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function hashOf(accessToken: string): string {
  return digest(accessToken).subarray(0, 16).toString('base64url')
}

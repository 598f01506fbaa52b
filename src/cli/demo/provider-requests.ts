import { timingSafeEqual } from 'node:crypto'

/** A relying party that the demo provider knows. */
export interface DemoClient {
  readonly clientId: string
  readonly clientSecret: string
  /** What the sign-in page calls it. */
  readonly name: string
  /** Compared byte for byte (RFC 9700 §2.1). */
  readonly redirectUris: readonly string[]
  readonly postLogoutRedirectUris: readonly string[]
}

/** The scopes that the demo provider grants. */
export const DEMO_SCOPES: readonly string[] = ['openid', 'profile', 'email', 'groups']

/** The error code with which an authorization request goes back to its client, or null when it is in order. */
export function requestError(params: URLSearchParams, scopes: readonly string[]): string | null {
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
export function authenticate(
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
export async function formOf(request: Request): Promise<URLSearchParams> {
  const type = request.headers.get('content-type') ?? ''
  return new URLSearchParams(type.startsWith('application/x-www-form-urlencoded') ? await request.text() : '')
}

/** RFC 6749 §3.1: request parameters must not be included more than once. */
export function hasDuplicates(params: URLSearchParams): boolean {
  return new Set(params.keys()).size !== [...params.keys()].length
}

/** SHA-256 of a text. */
export function sha256(text: string): Buffer {
  return Buffer.from(new Bun.CryptoHasher('sha256').update(text).digest())
}

/** Whether two texts are equal, in time that does not tell where they differ. */
export function isSame(left: string, right: string): boolean {
  return timingSafeEqual(sha256(left), sha256(right))
}

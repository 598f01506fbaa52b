import type { PocketIdVersion } from './people.ts'

/** What can go wrong at its endpoints. */
export type Fault =
  | 'no client'
  | 'unknown client'
  | 'wrong secret'
  | 'wrong assertion'
  | 'wrong code'
  | 'wrong verifier'
  | 'wrong refresh token'
  | 'not allowed'
  | 'unknown grant'
  | 'wrong callback'
  | 'no callback'
  | 'public client'
  | 'par required'
  | 'wrong request'

/** 2.9, as recorded and as its source has it: a status, and a sentence where others have a code. */
const SENTENCES: Readonly<Record<Fault, readonly [status: number, error: string]>> = {
  'no client': [400, 'Client id or secret not provided'],
  'unknown client': [404, 'Client not found'],
  'wrong secret': [401, 'Invalid client secret'],
  // Not recorded.
  'wrong assertion': [401, 'Invalid client assertion'],
  'wrong code': [400, 'Invalid authorization code'],
  'wrong verifier': [400, 'Invalid code verifier'],
  'wrong refresh token': [400, 'Refresh token is invalid or expired'],
  'not allowed': [403, "You're not allowed to access this service"],
  'unknown grant': [400, 'Grant type not supported'],
  'wrong callback': [400, 'Invalid callback URL, it might be necessary for an admin to fix this'],
  'no callback': [400, 'Unable to detect callback url, it might be necessary for an admin to fix this'],
  'public client': [400, 'Pushed authorization requests are not supported for public clients'],
  'par required': [400, 'This client requires pushed authorization requests'],
  'wrong request': [400, 'Invalid or expired request_uri'],
}

const NO_CLIENT: readonly [number, string, string] = [401, 'invalid_client', 'Client authentication failed.']

/** 2.14: RFC 6749 §5.2 and §4.1.2.1. */
const CODES: Readonly<Record<Fault, readonly [status: number, error: string, description: string]>> = {
  'no client': NO_CLIENT,
  'unknown client': NO_CLIENT,
  'wrong secret': NO_CLIENT,
  'wrong assertion': NO_CLIENT,
  'wrong code': [400, 'invalid_grant', 'The provided authorization grant is invalid, expired or revoked.'],
  'wrong verifier': [400, 'invalid_grant', 'The PKCE code challenge did not match the code verifier.'],
  'wrong refresh token': [400, 'invalid_grant', 'The provided authorization grant is invalid, expired or revoked.'],
  'not allowed': [403, 'access_denied', 'You are not allowed to access this service.'],
  'unknown grant': [400, 'unsupported_grant_type', 'The authorization grant type is not supported.'],
  'wrong callback': [400, 'invalid_request', "The 'redirect_uri' parameter does not match any registered address."],
  'no callback': [400, 'invalid_request', "The 'redirect_uri' parameter is required."],
  'public client': [400, 'invalid_request', 'The request is malformed.'],
  'par required': [400, 'invalid_request', 'This client requires pushed authorization requests'],
  'wrong request': [400, 'invalid_request_uri', 'The request_uri is unknown or expired.'],
}

/** The answer to a program that did something wrong. */
export function refuse(version: PocketIdVersion, fault: Fault): Response {
  if (version === '2.9') {
    const [status, error] = SENTENCES[fault]
    return Response.json({ error }, { status })
  }
  const [status, error, description] = CODES[fault]
  return Response.json({ error, error_description: description }, { status })
}

/** The same as a sentence, for people. */
export function sentence(version: PocketIdVersion, fault: Fault): string {
  if (version === '2.9') return SENTENCES[fault][1]
  return fault === 'unknown client' ? 'The requested OAuth 2.0 Client does not exist.' : CODES[fault][2]
}

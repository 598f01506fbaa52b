/** Errors for programs, as problem details (RFC 9457), with the challenges of HTTP authentication. */

import { CODES, type Code } from '../base/errors.ts'
import { ownPath } from './paths.ts'
import type { PortalRequest } from './portal-request.ts'

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  421: 'Misdirected Request',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  508: 'Loop Detected',
}

/** Asks for a name and a password (RFC 7617 §2 and §2.1). */
export const BASIC_CHALLENGE = 'Basic realm="sallyport", charset="UTF-8"'

/** Asks for a token (RFC 6750 §3). */
export const BEARER_CHALLENGE = 'Bearer realm="sallyport"'

/** Says that there was one, which is not good (RFC 6750 §3.1). */
export const BAD_TOKEN_CHALLENGE = `${BEARER_CHALLENGE}, error="invalid_token"`

/**
 * An error for programs, as problem details: status, title, detail, our closed `code`, and the reference the log carries.
 *
 * `extra` adds members (`sign_in`, `roles`); `headers` adds fields (`allow`, `retry-after`).
 * Source: RFC 9457 §3; the type is `about:blank` (§4.2.1), since `code` says which problem it is.
 */
export function problemResponse(
  status: number,
  code: Code,
  say: string,
  reference: string,
  extra: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): Response {
  const problem = {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    detail: say,
    code,
    reference,
    ...extra,
  }
  return new Response(`${JSON.stringify(problem)}\n`, {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      ...headers,
    },
  })
}

/**
 * 401 for programs. WWW-Authenticate is absent on purpose: only the route knows which scheme it accepts, and a browser
 * must not ask for a password.
 */
export function signInProblem(ctx: PortalRequest): Response {
  const extra = { sign_in: `${ctx.origin}${ownPath('login')}` }
  return problemResponse(401, 'access.sign_in', 'Sign in to open this.', ctx.requestId, extra)
}

/** A portal that has only passwords asks for one: a browser then shows its built-in form. */
export function passwordProblem(ctx: PortalRequest): Response {
  const fields = { 'www-authenticate': BASIC_CHALLENGE }
  return problemResponse(401, 'access.sign_in', CODES['access.sign_in'].say, ctx.requestId, {}, fields)
}

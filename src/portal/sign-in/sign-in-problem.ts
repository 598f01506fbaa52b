import { CODES } from '../../base/errors.ts'
import { ownPath } from '../place.ts'
import type { PortalRequest } from '../portal.ts'
import { BASIC_CHALLENGE, problemResponse } from '../problem.ts'

/** 401 for programs. WWW-Authenticate is absent on purpose: only the route knows what it takes, and a browser must not ask for it. */
export function signInProblem(ctx: PortalRequest): Response {
  const extra = { sign_in: `${ctx.origin}${ownPath('login')}` }
  return problemResponse(401, 'access.sign_in', 'Sign in to open this.', ctx.requestId, extra)
}

/** A portal that has passwords alone asks for one: a browser then shows a form of its own. */
export function passwordProblem(ctx: PortalRequest): Response {
  const fields = { 'www-authenticate': BASIC_CHALLENGE }
  return problemResponse(401, 'access.sign_in', CODES['access.sign_in'].say, ctx.requestId, {}, fields)
}

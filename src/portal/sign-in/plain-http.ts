/** The warning for browsers that come by plain HTTP, where their cookies would be lost. */

import { GateError } from '../../base/errors.ts'
import type { SafeReturnTo } from '../../route/return-to.ts'
import { ownPath } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import { FailedSignIn } from './destination.ts'

/**
 * The parameter of the sign-in address by which a user continues in spite of the warning: what Sallyport sees is no
 * proof.
 */
export const GOES_ON = 'plain'

/**
 * The failure `sign_in.plain_http` where this browser came by plain HTTP and the portal is made for HTTPS: the browser
 * would lose every cookie of the sign-in. Null for any other browser, and for a user who continues by `query`. `path`
 * is the user's destination.
 */
export function plainHttpFailure(
  ctx: PortalRequest,
  path: SafeReturnTo,
  query: URLSearchParams | null,
): FailedSignIn | null {
  if (!ctx.cameByPlainHttp || query?.get(GOES_ON) === '1') return null
  const error = new GateError('sign_in.plain_http', 'this came over plain HTTP, and the file promises HTTPS', {
    hint:
      'one of three: [tls] for HTTPS of its own; a TLS proxy in front that sends X-Forwarded-Proto: https and is named in ' +
      'trusted_proxies; or, where everybody on the network is trusted, insecure_cookies = true in the portal',
    facts: { host: ctx.target.host },
  })
  return new FailedSignIn(error, { kind: 'here', path }, false)
}

/** The choices of such a user: the same address by HTTPS, or continue with the sign-in, which keeps its parameters. */
export function plainHttpActions(
  { target, portal }: PortalRequest,
  path: string,
): Readonly<Record<'open' | 'goOn', string>> {
  const { url } = portal
  const authority = url?.host === target.host ? url.authority : target.host
  const isLogin = target.path === ownPath('login')
  const onward = isLogin ? new URLSearchParams(target.query) : new URLSearchParams({ return: path })
  onward.set(GOES_ON, '1')
  return {
    open: `https://${authority}${isLogin ? target.path + target.query : path}`,
    goOn: `${ownPath('login')}?${onward}`,
  }
}

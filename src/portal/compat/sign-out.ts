/** Signing out at the old addresses of oauth2-proxy and caddy-security. */

import { loaderOf } from '../../route/page-load.ts'
import { redirectAnswer } from '../answer.ts'
import { readOwnForm } from '../form.ts'
import { isPortalHost, ownPath, portalOrigin } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import { forgetLogins } from '../sign-in/login-loop.ts'
import { askBack, leave, leavingSession, type SignOutTools } from '../sign-out/sign-out.tsx'
import { addressOf, type CompatContext, compatPath, FRONT_PAGE, readOnward, wholeAddress } from './old-addresses.ts'

/**
 * oauth2-proxy's `sign_out`: signs out at once, and redirects to `rd`, where an application or the user asks for it. A
 * page of another site, or a client that may be one, only gets the question whether to sign out.
 *
 * As everywhere, the session ends on the host where users sign in: an application's host redirects there first. Throws
 * `access.origin` for a form of another site, and `target.malformed`.
 */
export async function oldSignOut(ctx: CompatContext, tools: SignOutTools): Promise<Response> {
  const onward = readOnward(ctx)
  if (!isPortalHost(ctx)) {
    const there = portalOrigin(ctx) + compatPath(ctx, 'sign_out', { rd: wholeAddress(ctx, onward) })
    return redirectAnswer(302, there, [forgetLogins(ctx)])
  }
  return signOutTo(ctx, tools, addressOf(onward), onward.kind === 'here' ? { rd: onward.path } : null)
}

/**
 * caddy-security's `logout`, with the same care: on to `redirect_uri`, else to the page that says that someone has signed out. It is only
 * where people sign in.
 */
export async function oldLogout(ctx: CompatContext, tools: SignOutTools): Promise<Response> {
  const onward = readOnward(ctx, 'redirect_uri')
  if (onward === FRONT_PAGE) return signOutTo(ctx, tools, ownPath('signed-out'), null)
  return signOutTo(ctx, tools, addressOf(onward), onward.kind === 'here' ? { redirect_uri: onward.path } : null)
}

/**
 * Signs out and redirects to `address`. Where the user must confirm first, the form posts to this address with
 * `query`. Null: it posts to Sallyport's own address, since browsers check the redirects after a form against
 * `form-action`, and so such a form leads to no other host.
 */
async function signOutTo(
  ctx: CompatContext,
  tools: SignOutTools,
  address: string,
  query: Readonly<Record<string, string>> | null,
): Promise<Response> {
  const session = leavingSession(ctx)
  if (session === null) return redirectAnswer(302, address)
  if (!isMeant(ctx)) {
    const form = query === null ? ownPath('logout') : compatPath(ctx, ctx.compat.page, query)
    if (ctx.request.method !== 'POST') return askBack(ctx, tools, session, form)
    await readOwnForm(ctx, tools, () => session.id)
  }
  return leave(ctx, tools, [session.id], { status: 302, address })
}

/**
 * Whether an application's page or script on this host asks for it, a page of a neighbouring host (which is the same site), or the person,
 * by what their browser says; never a picture or a frame. Over plain HTTP browsers say no more than which page it was.
 */
function isMeant({ request, origin }: PortalRequest): boolean {
  const { headers } = request
  switch (headers.get('sec-fetch-site')) {
    case 'same-origin':
      return loaderOf(request) !== 'other' || headers.get('sec-fetch-dest') === 'empty'
    case 'same-site':
    case 'none':
      return loaderOf(request) === 'window'
    case null:
      return loaderOf(request) === 'window' && originOf(headers.get('referer')) === origin
    default:
      return false
  }
}

function originOf(address: string | null): string | null {
  return address === null ? null : (URL.parse(address)?.origin ?? null)
}

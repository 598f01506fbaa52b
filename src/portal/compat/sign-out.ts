import { loaderOf } from '../../route/page-load.ts'
import { redirectAnswer } from '../answer.ts'
import { readOwnForm } from '../form.ts'
import { isPortalHost, ownPath, portalOrigin } from '../place.ts'
import type { PortalRequest } from '../portal.ts'
import { forgetLogins } from '../sign-in/login-loop.ts'
import { askBack, leave, type SignOutTools } from '../sign-out/sign-out.tsx'
import { type CompatContext, compatPath } from './context.ts'
import { addressOf, type Onward, readOnward, wholeAddress } from './onward.ts'

/**
 * oauth2-proxy's `sign_out`: signs out at once, and leads on to `rd`, where an application or the person themselves asks for it. A page
 * of another site, or who cannot be told from one, only gets the question whether to sign out.
 *
 * As everywhere, the session ends where people sign in: from an application's host this leads there first. Throws `access.origin` for
 * a form of another site, and `target.malformed`.
 */
export async function oldSignOut(ctx: CompatContext, tools: SignOutTools): Promise<Response> {
  const onward = readOnward(ctx)
  const { session } = ctx
  if (!isPortalHost(ctx)) {
    const there = portalOrigin(ctx) + compatPath(ctx, 'sign_out', { rd: wholeAddress(ctx, onward) })
    return redirectAnswer(302, there, [forgetLogins(ctx)])
  }
  if (session === null) return redirectAnswer(302, addressOf(onward))
  if (!isMeant(ctx)) {
    if (ctx.request.method !== 'POST') return askBack(ctx, tools, session, formAddress(ctx, onward))
    await readOwnForm(ctx, tools)
  }
  return leave(ctx, tools, [session.id], { status: 302, address: addressOf(onward) })
}

/** Browsers hold what follows a form against `form-action`, so that one of ours leads to no other host. */
function formAddress(ctx: CompatContext, onward: Onward): string {
  return onward.kind === 'here' ? compatPath(ctx, 'sign_out', { rd: onward.path }) : ownPath('logout')
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

/** @jsxImportSource hono/jsx */

/** Signing in at the old addresses of oauth2-proxy and caddy-security. */

import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import { pageAnswer, redirectAnswer } from '../answer.ts'
import { wordsFor } from '../language.ts'
import { isPortalHost, ownPath } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import { type BeginTools, begin } from '../sign-in/begin.ts'
import { refuseLoginLoop } from '../sign-in/login-loop.ts'
import { hostOf, SignInPage } from '../sign-in/sign-in-page.tsx'
import { redirectToPortal } from '../sign-in/ticket.ts'
import { addressOf, type CompatContext, compatPath, type Onward, readOnward } from './old-addresses.ts'

/**
 * oauth2-proxy's `sign_in`: a page with one button. It does not sign the user out, as oauth2-proxy did, since any link
 * leads to it.
 */
export function oldSignIn(ctx: CompatContext): Response {
  const onward = readOnward(ctx)
  const provider = onlyWay(ctx)
  if (provider === null) return toOwnPage(onward)
  const words = wordsFor(ctx.request)
  const address = compatPath(ctx, 'start', { rd: addressOf(onward) })
  const choice = { label: provider.label, host: hostOf(provider), address }
  const { title, brand } = ctx.portal
  return pageAnswer({
    words,
    brand,
    page: <SignInPage words={words} title={title} choices={[choice]} waiting={null} />,
  })
}

/**
 * oauth2-proxy's `start`: redirects to the provider at once, and then to `rd`, also with a session. The user's session
 * ends once the new one begins. From an application's host it redirects to the host where users sign in.
 *
 * Throws the errors of a sign-in, and `target.malformed`.
 */
export async function oldStart(ctx: CompatContext, tools: BeginTools): Promise<Response> {
  const onward = readOnward(ctx)
  if (!isPortalHost(ctx)) {
    // Another host starts its own sign-in.
    return onward.kind === 'here' ? redirectToPortal(ctx, tools, onward.path) : redirectAnswer(302, onward.address)
  }
  const provider = onlyWay(ctx)
  if (provider === null) return toOwnPage(onward)
  const path = addressOf(onward)
  await refuseLoginLoop(ctx, tools.seal, path)
  const destination = { kind: 'here', path } as const
  return begin(ctx, tools, provider, { destination, asksForAccount: false, stepUp: null, isRemembered: false })
}

/** caddy-security's `login`, and the address of each of its providers: our own page, and then to `redirect_url`. */
export function oldLogin(ctx: CompatContext): Response {
  return toOwnPage(readOnward(ctx, 'redirect_url'))
}

/** The provider where a sign-in leaves nothing to choose; null where our own page asks which, or for how long. */
function onlyWay({ portal, providers }: PortalRequest): ProviderConfig | null {
  const [only, ...others] = portal.providers
  if (only === undefined || others.length > 0 || portal.lifetimes.rememberMs !== null) return null
  const provider = providers.get(only) ?? null
  return provider?.users === null ? provider : null
}

function toOwnPage(onward: Onward): Response {
  const path = onward.kind === 'here' ? onward.path : parseReturnTo(null)
  return redirectAnswer(302, `${ownPath('login')}?${new URLSearchParams({ return: path })}`)
}

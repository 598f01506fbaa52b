/** Begins a sign-in: notes its state, and redirects to the provider. */

import { randomToken, sha256 } from '../../base/bytes.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { createCodeVerifier } from '../../identity/pkce.ts'
import type { LoginRequest, ProviderPool } from '../../identity/provider.ts'
import type { StepUp } from '../../identity/step-up.ts'
import { redirectAnswer } from '../answer.ts'
import { setLoginCsrfCookie } from '../login-csrf-cookie.ts'
import { callbackAddress } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import type { Destination } from './destination.ts'
import { createState } from './oauth-state.ts'
import type { TicketTools } from './ticket.ts'

export interface BeginTools extends TicketTools {
  readonly pool: ProviderPool
  /** Counts a sign-in that is about to begin at a provider. Throws `limit.rate` where one client begins too many. */
  noteStart(clientAddress: string): void
}

/** How long someone may take at the provider. */
export const LOGIN_LIFETIME_MS = 60 * 60_000

/** What somebody wants of a sign-in. */
export interface Wish {
  readonly destination: Destination
  /** Whether the provider is to ask which account. */
  readonly asksForAccount: boolean
  readonly stepUp: StepUp | null
  readonly isRemembered: boolean
  /** It begins in place of one that came back too late. */
  readonly isRestart?: boolean
  /** It begins in place of one in which the provider did not take `offline_access`. */
  readonly isWithoutOffline?: boolean
}

/**
 * Sends a browser to a provider; what has to be known when it comes back is kept here.
 *
 * Throws `limit.rate`, and what the provider client throws.
 */
export async function begin(
  ctx: PortalRequest,
  tools: BeginTools,
  provider: ProviderConfig,
  { destination, asksForAccount, stepUp, isRemembered, isRestart = false, isWithoutOffline = false }: Wish,
): Promise<Response> {
  tools.noteStart(ctx.clientAddress)
  const state = await createState(ctx, tools, destination, isRestart)
  const request: LoginRequest = {
    redirectUri: callbackAddress(ctx, provider),
    state: state.text,
    nonce: randomToken(tools.ports.random),
    codeVerifier: createCodeVerifier(tools.ports.random),
    begunAtMs: tools.ports.now(),
    stepUp,
  }
  const wantsOffline = ctx.portal.lifetimes.refreshMs !== null && !isWithoutOffline
  const lackedRefresh = wantsOffline ? await tools.sessions.lackedRefresh(provider) : null
  // With the file's own scopes Sallyport does not request it. Once they are removed, it checks again whether it needs
  // to.
  if (provider.scopes !== null && lackedRefresh !== null) await tools.sessions.noteLackedRefresh(provider, null)
  const address = await tools.pool.client(provider).begin(request, {
    asksForAccount,
    lackedRefresh,
    wantsAuthTime: ctx.wantsAuthTime,
  })
  const cookie = setLoginCsrfCookie(ctx, 'login', LOGIN_LIFETIME_MS, tools.ports.random)
  await tools.sessions.putOneTime(
    'login',
    state.key,
    {
      ...request,
      provider: provider.name,
      portal: ctx.portal.name,
      binding: sha256(cookie.secret),
      destination,
      isRemembered,
      mayHaveAskedOffline: lackedRefresh !== null,
    },
    { lifetimeMs: LOGIN_LIFETIME_MS, owner: ctx.clientAddress },
  )
  return redirectAnswer(302, address, cookie.setCookies)
}

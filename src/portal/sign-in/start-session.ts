/** The end of a sign-in: starts the session, sets its cookie, and redirects. */

import type { Identity } from '../../identity/identity.ts'
import type { Session, SessionSecrets } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { canGoOnBy } from '../../session/sign-in-claims.ts'
import { redirectAnswer } from '../answer.ts'
import { ownerCookie, ownerOf } from '../kept-forms/page-owner.ts'
import { type AuditTools, askedFacts, type PortalRequest } from '../portal-request.ts'
import { describeAgent } from '../user-agent.ts'
import type { BeginTools } from './begin.ts'
import { type DeviceTools, offerDevice, REGISTRATION, tellUnproven, waitingAddress } from './bound-session.tsx'
import type { Destination } from './destination.ts'
import { lastUsedCookies } from './last-provider.ts'
import { countLogin } from './login-loop.ts'
import { broughtBy, completeSignIn, cookieLifetimeMs, sessionCookie } from './ticket.ts'

/**
 * Starts a session for a user who has just signed in, then redirects to the destination. Where this browser has a
 * session of the same user here, that one continues with a new cookie; another user's session ends.
 */
export async function startSession(
  ctx: PortalRequest,
  tools: BeginTools & AuditTools & Pick<DeviceTools, 'sessions'>,
  { identity, secrets, shownAtS = null, destination, isRemembered, browser, setCookies = [] }: SignedIn,
): Promise<Response> {
  const { session, token } = await tools.sessions.start({
    portal: ctx.portal.name,
    host: ctx.target.host,
    identity,
    secrets,
    shownAtS,
    isRemembered,
    agent: describeAgent(ctx.request.headers.get('user-agent')),
    client: ctx.clientAddress,
    brought: broughtBy(ctx),
    unproven: ctx.unproven?.id ?? null,
    browser,
  })
  await tools.audit.keep('sign_in', { ...askedFacts(ctx), ...sessionFacts(session) })
  if (ctx.session !== null && ctx.session.id !== session.id) {
    await tools.sessions.end(ctx.session.id)
    tools.audit.note('sign_out.replaced', { ...askedFacts(ctx), ...sessionFacts(ctx.session) })
  }
  await endUnproven(ctx, tools, session)
  const lifetimeMs = cookieLifetimeMs(ctx, session, tools.ports.now())
  const count = destination.kind === 'here' ? [await countLogin(ctx, tools, destination.path)] : []
  const owner = ctx.hasKeptForms ? [await ownerCookie(ctx, tools, ownerOf(session), lifetimeMs)] : []
  const offer = await offerDevice(ctx, tools, session)
  const cookies = [
    sessionCookie(ctx, token, lifetimeMs),
    ...count,
    ...owner,
    ...lastUsedCookies(ctx, identity.provider),
    ...setCookies,
    ...(offer === null ? [] : [offer.proof]),
  ]
  if (offer === null) return completeSignIn(ctx, tools, destination, session, cookies)
  const answer =
    ctx.portal.bindSessions === 'required'
      ? redirectAnswer(303, await waitingAddress(ctx, tools, destination), cookies)
      : await completeSignIn(ctx, tools, destination, session, cookies, offer.provenUntilMs)
  answer.headers.set(REGISTRATION, offer.registration)
  return tellUnproven(ctx, tools, session, answer)
}

/** The same person’s session that this browser could not prove any more: this sign-in takes its place. */
async function endUnproven(
  ctx: PortalRequest,
  { sessions, audit }: Pick<BeginTools, 'sessions'> & AuditTools,
  session: Session,
): Promise<void> {
  const { unproven } = ctx
  if (unproven === null || unproven.id === session.id || !canGoOnBy(unproven, session)) return
  await sessions.end(unproven.id)
  audit.note('sign_out.replaced', { ...askedFacts(ctx), ...sessionFacts(unproven) })
}

interface SignedIn {
  readonly identity: Identity
  readonly secrets: SessionSecrets
  /** When the provider authenticated the user, in seconds by its clock; absent or null where this is unknown. */
  readonly shownAtS?: number | null
  readonly destination: Destination
  readonly isRemembered: boolean
  /** By what this browser is known before it has a session; null: by nothing. */
  readonly browser: string | null
  /** More cookies that the browser is to keep. */
  readonly setCookies?: readonly string[]
}

/** The ticket that carries a sign-in from the portal’s host to the application’s host. */

import { isToken, randomToken, sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import { neighbourhoodOf } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import { parseReturnTo, type SafeReturnTo } from '../../route/return-to.ts'
import type { Bindings } from '../../session/bound-sessions.ts'
import { cookieName, readCookie, writeCookie } from '../../session/cookie.ts'
import type { Sealer } from '../../session/seal.ts'
import type { Brought, Session, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { shownBy } from '../../session/sign-in-claims.ts'
import { redirectAnswer } from '../answer.ts'
import { ownerCookie, ownerOf } from '../kept-forms/page-owner.ts'
import { checkLoginCookie, hasLoginCookie, setLoginCsrfCookie } from '../login-csrf-cookie.ts'
import { isSecure, ownPath, portalOrigin } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest, readQuery } from '../portal-request.ts'
import { type Destination, destinationPurpose, FailedSignIn } from './destination.ts'
import { redirectToDestination } from './fragment.tsx'
import { causeOfNoCookie, countLogin, refuseLoginLoop } from './login-loop.ts'
import { checkWindowItself } from './top-level-window.ts'

export interface TicketTools {
  readonly ports: Pick<Ports, 'now' | 'random'>
  readonly sessions: Sessions & { readonly bindings: Bindings }
  readonly seal: Sealer
}

/** How long a sign-in page may stay open before its destination is forgotten. */
const ASK_LIFETIME_MS = 60 * 60_000
/** How long a browser is known that asked: while its sign-in page is open, and then while it is at the provider, an hour each. */
const ASKED_LIFETIME_MS = 2 * ASK_LIFETIME_MS
/** By the store's clock. Longer than a redirect takes, since a phone may be locked on the way; what is read of it is of no use later. */
const TICKET_LIFETIME_MS = 60_000
/** How long a ticket's destination stays known: a client that brings the ticket later signs in again. */
const PLACE_LIFETIME_MS = 60 * 60_000

/**
 * Sends an anonymous browser from a protected host to its portal.
 *
 * Nothing is stored: where to return to travels sealed, bound to a cookie of this browser on this host. A cookie that is
 * already there is kept, so that any number of tabs can ask at once. Throws `sign_in.loop`, in a FailedSignIn.
 */
export async function redirectToPortal(
  ctx: PortalRequest,
  tools: TicketTools,
  path: SafeReturnTo,
  extra: Readonly<Record<string, string>> = {},
): Promise<Response> {
  if (extra.switch === undefined) await refuseLoginLoop(ctx, tools.seal, path)
  const ask = setLoginCsrfCookie(ctx, 'ask', ASKED_LIFETIME_MS, tools.ports.random)
  const to = await tools.seal.seal(
    { origin: ctx.reachedAt(ctx.target), host: ctx.target.host, path, ask: sha256(ask.secret) },
    destinationPurpose(ctx),
    tools.ports.now() + ASK_LIFETIME_MS,
  )
  const query = new URLSearchParams({ to, ...extra })
  return redirectAnswer(302, `${portalOrigin(ctx)}${ownPath('login')}?${query}`, ask.setCookies)
}

/**
 * Only a window itself gets a ticket, and on the same host no client needs one. Throws `access.origin`, before
 * anything has begun.
 */
export function checkTraveller(ctx: PortalRequest, destination: Destination): void {
  if (destination.kind === 'away') checkWindowItself(ctx)
}

/**
 * Sends a signed-in browser on: at once on this host, with a single-use ticket to another, which takes the device of a bound session
 * as proven for as long as it is proven here. Throws as `checkTraveller`.
 */
export async function completeSignIn(
  ctx: PortalRequest,
  tools: TicketTools,
  destination: Destination,
  session: Session,
  setCookies: readonly string[] = [],
  provenUntilMs = ctx.provenUntilMs,
): Promise<Response> {
  if (destination.kind === 'here') return redirectToDestination(ctx, destination.path, setCookies)
  checkTraveller(ctx, destination)
  const ticket = randomToken(tools.ports.random)
  const { host, ask, path, origin } = destination
  const place: TicketDestination = { host, ask, path, portal: ctx.portal.name }
  const given: Ticket = {
    ...place,
    sessionId: session.id,
    shown: shownBy(session),
    expiresAtMs: session.expiresAtMs,
    isRemembered: session.isRemembered,
    owner: ownerOf(session),
    network: networkOf(ctx),
    ...(provenUntilMs === 0 ? {} : { provenUntilMs }),
  }
  await Promise.all([
    tools.sessions.putOneTime('ticket', ticket, given, { lifetimeMs: TICKET_LIFETIME_MS, owner: session.id }),
    tools.sessions.putOneTime('place', ticket, place, { lifetimeMs: PLACE_LIFETIME_MS, owner: session.id }),
  ])
  return redirectAnswer(303, `${origin}${ownPath('enter')}?ticket=${ticket}`, setCookies)
}

/**
 * Turns a ticket into this host's own cookie, only for the browser that asked.
 *
 * A ticket that comes too late restarts a sign-in to the destination in its record. Without the ask cookie the ticket
 * stays unused: the right browser may still redeem it.
 *
 * Throws `sign_in.ticket`, and `sign_in.loop` in a FailedSignIn.
 */
export async function redeemTicket(ctx: PortalRequest, tools: EnterTools): Promise<Response> {
  const ticket = readQuery(ctx).get('ticket') ?? ''
  if (!isToken(ticket)) throw ticketError('it is not a ticket')
  if (!hasLoginCookie(ctx, 'ask')) {
    throw new GateError('sign_in.ticket', 'the ticket was refused: this browser sent no ask cookie', {
      hint: 'cookies may be blocked, or the link was opened in another browser',
      facts: { reason: causeOfNoCookie(ctx) },
    })
  }
  const [given, led] = await Promise.all([
    tools.sessions.consumeOneTime('ticket', ticket),
    tools.sessions.consumeOneTime('place', ticket),
  ])
  const kept = parseTicket(given)
  const place = kept ?? parsePlace(led)
  if (place === null) throw ticketError('it is unknown, used or expired')
  if (place.host !== ctx.target.host || place.portal !== ctx.portal.name)
    throw ticketError('it was made for another host')
  if (checkLoginCookie(ctx, 'ask', place.ask) !== 'same') {
    throw new FailedSignIn(ticketError('it was made for another browser'), { kind: 'here', path: place.path }, true)
  }
  if (kept === null) return enterLate(ctx, tools, place)
  if (ctx.portal.bindTickets) checkNetwork(ctx, kept)
  // Also one whose device is not proven here, as every ten minutes: otherwise each proof would leave a cookie behind.
  const brought = broughtBy(ctx, ctx.session ?? ctx.unproven)
  const token = await tools.sessions.join(kept.sessionId, ctx.target.host, kept.shown, brought)
  if (token === null) throw ticketError('its session has ended')
  if (ctx.session !== null && ctx.session.id !== kept.sessionId) {
    await tools.sessions.end(ctx.session.id)
    tools.audit.note('sign_out.replaced', { ...askedFacts(ctx), ...sessionFacts(ctx.session) })
  }
  const lifetimeMs = cookieLifetimeMs(ctx, kept, tools.ports.now())
  return redirectToDestination(ctx, kept.path, [
    sessionCookie(ctx, token, lifetimeMs),
    await countLogin(ctx, tools, kept.path),
    ...(ctx.hasKeptForms ? [await ownerCookie(ctx, tools, kept.owner, lifetimeMs)] : []),
    ...(await proofBy(ctx, tools, kept)),
  ])
}

/** Where a client is; empty where that is not known. */
function networkOf({ clientAddress, isClientProven }: PortalRequest): string {
  return isClientProven ? neighbourhoodOf(clientAddress) : ''
}

/** Throws `sign_in.ticket` for another network than that of the ticket, and where it is not known which one. */
function checkNetwork(ctx: PortalRequest, { network: given }: Ticket): void {
  const entered = networkOf(ctx)
  if (given === entered && given !== '') return
  const isKnown = given !== '' && entered !== ''
  throw new GateError(
    'sign_in.ticket',
    `the ticket was refused: ${isKnown ? 'it was given to another network' : 'its network is not known (bind_tickets)'}`,
    {
      hint: isKnown
        ? 'where people reach one host by IPv4 and another by IPv6, or by proxies in turn, bind_tickets keeps them out'
        : 'have the proxy in front say who its client is (X-Forwarded-For), or name its field in client_address',
      facts: { given, entered },
    },
  )
}

/** The proof of the device for this host, as long as it counts where the ticket was given. */
async function proofBy(
  { portal, target }: PortalRequest,
  { sessions, ports }: EnterTools,
  { sessionId, provenUntilMs = 0 }: Ticket,
): Promise<readonly string[]> {
  if (portal.bindSessions === null || provenUntilMs <= ports.now()) return []
  return [await sessions.bindings.proofFor(sessionId, target.host, provenUntilMs)]
}

/** The way to the place of a ticket that has come too late: on, where this browser is signed in meanwhile, else by way of the portal. */
async function enterLate(ctx: PortalRequest, tools: EnterTools, { path }: TicketDestination): Promise<Response> {
  tools.ports.log.info('A ticket came too late, and its sign-in begins again', {
    id: ctx.requestId,
    client: ctx.clientAddress,
    is_signed_in: ctx.session !== null,
  })
  if (ctx.session !== null) return redirectToDestination(ctx, path, [])
  const answer = await redirectToPortal(ctx, tools, path)
  answer.headers.append('set-cookie', await countLogin(ctx, tools, path))
  return answer
}

/**
 * How long a session's cookies live: as long as the session may. Null, as long as the browser, where people may choose to
 * stay signed in, and this one did not.
 */
export function cookieLifetimeMs(
  { portal }: PortalRequest,
  session: Pick<Session, 'expiresAtMs' | 'isRemembered'>,
  nowMs: number,
): number | null {
  return portal.lifetimes.rememberMs !== null && !session.isRemembered ? null : session.expiresAtMs - nowMs
}

/** The session that this browser has on this host already, with its cookie's value. */
export function broughtBy(ctx: PortalRequest, session = ctx.session): Brought | null {
  const token = readCookie(ctx.request.headers.get('cookie'), cookieName('session', isSecure(ctx)))
  return session === null || token === null ? null : { session, token }
}

/** The Set-Cookie of this host's session cookie; 0 removes it. */
export function sessionCookie(ctx: PortalRequest, token: string, lifetimeMs: number | null): string {
  return writeCookie(cookieName('session', isSecure(ctx)), token, isSecure(ctx), lifetimeMs)
}

type EnterTools = TicketTools & AuditTools & { readonly ports: Pick<Ports, 'log'> }

/** Where a ticket leads, and for whom: nothing by which anybody is signed in. */
interface TicketDestination {
  readonly host: string
  readonly portal: string
  readonly ask: string
  readonly path: SafeReturnTo
}

interface Ticket extends TicketDestination {
  readonly sessionId: string
  /** What the portal's cookie proves, and so the cookie that this host gets for it. */
  readonly shown: string
  readonly expiresAtMs: number
  readonly isRemembered: boolean
  readonly owner: string
  readonly network: string
  /** Until when the device of a bound session is proven; absent where it need not be. */
  readonly provenUntilMs?: number
}

function parsePlace(value: unknown): TicketDestination | null {
  if (typeof value !== 'object' || value === null) return null
  if (!('host' in value && 'portal' in value && 'ask' in value && 'path' in value)) return null
  const { host, portal, ask, path } = value
  if (typeof host !== 'string' || typeof portal !== 'string') return null
  if (typeof ask !== 'string' || typeof path !== 'string') return null
  return { host, portal, ask, path: parseReturnTo(path) }
}

function parseTicket(value: unknown): Ticket | null {
  const place = parsePlace(value)
  if (place === null || typeof value !== 'object' || value === null) return null
  if (!('sessionId' in value && 'shown' in value && 'expiresAtMs' in value && 'owner' in value && 'network' in value))
    return null
  const { sessionId, shown, expiresAtMs, owner, network } = value
  const isRemembered = Reflect.get(value, 'isRemembered') === true
  if (typeof sessionId !== 'string' || typeof shown !== 'string' || typeof expiresAtMs !== 'number') return null
  if (typeof owner !== 'string' || typeof network !== 'string') return null
  const provenUntilMs: unknown = Reflect.get(value, 'provenUntilMs')
  const proven = typeof provenUntilMs === 'number' ? { provenUntilMs } : {}
  return { ...place, sessionId, shown, expiresAtMs, isRemembered, owner, network, ...proven }
}

function ticketError(why: string): GateError {
  return new GateError('sign_in.ticket', `the ticket was refused: ${why}`)
}

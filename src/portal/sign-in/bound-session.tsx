/** @jsxImportSource hono/jsx */

/**
 * Sessions that are bound to a device, as browsers bind them and prove the device (W3C Device Bound Session Credentials): the offer
 * after a sign-in, the two endpoints that browsers ask by themselves, and the page that waits where a session has to be bound.
 *
 * Only the host where people sign in takes part: browsers sign six times in nine minutes for all hosts of a domain together. Other
 * hosts take the device as proven by the ticket of a sign-in, for as long as it is proven there.
 */

import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { type Bindings, isBound } from '../../session/bound-sessions.ts'
import { ALGORITHM, PROOF_ATTRIBUTES, proofCookieName, writeProof } from '../../session/device-binding.ts'
import type { Sealer } from '../../session/seal.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { jsonAnswer, pageAnswer, pageBefore, redirectAnswer } from '../answer.ts'
import { isSameOrigin } from '../form.ts'
import { wordsFor } from '../language.ts'
import { Acts, NarrowPage } from '../layout/narrow-page.tsx'
import { momentOf } from '../layout/time.tsx'
import { isPortalHost, isSecure, ownPath } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest, readQuery } from '../portal-request.ts'
import { type Destination, parseDestination } from './destination.ts'
import { completeSignIn, type TicketTools } from './ticket.ts'

export interface DeviceTools extends AuditTools {
  readonly sessions: Sessions & { readonly bindings: Bindings }
  readonly ports: Pick<Ports, 'now'>
  readonly seal: Sealer
  /** Counts what came of a proof. */
  noteDevice(what: 'bound' | 'proofs' | 'thefts'): void
}

/** What a sign-in tells the browser that it may bind. */
export interface DeviceOffer {
  /** The Set-Cookie of the proof that counts until the session is bound. */
  readonly proof: string
  /** The field by which the browser registers a key. */
  readonly registration: string
  readonly provenUntilMs: number
}

/** Whether sessions are bound on this very host. */
export function bindsHere(ctx: PortalRequest): boolean {
  return ctx.portal.bindSessions !== null && isPortalHost(ctx) && isSecure(ctx)
}

/**
 * What a browser gets with a session that has just begun; null where sessions are not bound here, or where this one is.
 *
 * Requests that are on their way when the browser registers its key have to go through by then. So this host, and those that the
 * sign-in leads to, have a proof from the beginning.
 */
export async function offerDevice(
  ctx: PortalRequest,
  { sessions: { bindings }, ports }: Pick<DeviceTools, 'sessions' | 'ports'>,
  session: Session,
): Promise<DeviceOffer | null> {
  if (!bindsHere(ctx) || isBound(session)) return null
  const challenge = await bindings.offer(session.id)
  const provenUntilMs = ports.now() + bindings.times.proofMs
  return {
    proof: await bindings.proofFor(session.id, ctx.target.host, provenUntilMs),
    registration: `(${ALGORITHM});path="${ownPath('bind')}";challenge="${challenge}"`,
    provenUntilMs,
  }
}

/** Takes the key of a device for the session that has just begun in this browser. Throws `access.device`, `access.origin`. */
export async function registerDevice(ctx: PortalRequest, tools: DeviceTools): Promise<Response> {
  checkPage(ctx)
  const session = await tools.sessions.bindings.register(
    ctx.request.headers.get('secure-session-response'),
    cameFrom(ctx),
  )
  tools.noteDevice('bound')
  return instruct(ctx, tools, session, await tools.sessions.bindings.identifierOf(session))
}

/**
 * Renews the proof of a device, or has the browser sign a challenge for that (403). It needs no session cookie: where
 * another site's page has led here, browsers send none.
 */
export async function renewDevice(ctx: PortalRequest, tools: DeviceTools): Promise<Response> {
  checkPage(ctx)
  const { headers } = ctx.request
  const identifier = (headers.get('sec-secure-session-id') ?? '').replace(/^"(.*)"$/, '$1')
  const renewal = await tools.sessions.bindings.renew(identifier, headers.get('secure-session-response'), cameFrom(ctx))
  switch (renewal.kind) {
    case 'ask': {
      const challenge = `"${renewal.challenge}";id="${identifier}"`
      const fields = { 'cache-control': 'no-store', 'secure-session-challenge': challenge }
      return new Response(null, { status: 403, headers: fields })
    }
    case 'proven':
      if (renewal.session.portal !== ctx.portal.name) return forget(identifier)
      tools.noteDevice('proofs')
      return instruct(ctx, tools, renewal.session, identifier)
    case 'theft':
      tools.noteDevice('thefts')
      // It ends later where it cannot now, and nobody comes here by it again.
      try {
        await tools.sessions.end(renewal.session.id)
      } finally {
        await tools.audit.keep('session.theft', { ...askedFacts(ctx), ...sessionFacts(renewal.session) })
        // Its owner is told at the next sign-in, as of a request without a proof.
        await tools.sessions.bindings.noteUnproven(renewal.session, { client: ctx.clientAddress, mayBeOwn: false })
      }
      return forget(identifier)
    case 'over':
      return forget(identifier)
  }
}

function cameFrom({ session, unproven, clientAddress }: PortalRequest) {
  return { brought: session ?? unproven, client: clientAddress }
}

/** Browsers ask by themselves, as this host would. Throws `access.origin`. */
function checkPage(ctx: PortalRequest): void {
  if (isSameOrigin(ctx) === false)
    throw new GateError('access.origin', 'another site’s page sent the proof of a device')
}

/** The session instructions, with the proof for this host. `identifier` stays what it was at the registration. */
async function instruct(
  ctx: PortalRequest,
  tools: DeviceTools,
  session: Session,
  identifier: string,
): Promise<Response> {
  const { bindings } = tools.sessions
  const untilMs = tools.ports.now() + (await lifetimeMs(ctx, tools, session))
  const answer = jsonAnswer({
    session_identifier: identifier,
    refresh_url: ownPath('renew'),
    scope: { include_site: false, scope_specification: [] },
    // A link on any page may lead here, and the browser is to renew the proof before it follows that.
    allowed_refresh_initiators: ['*'],
    credentials: [{ type: 'cookie', name: proofCookieName(session.id), attributes: PROOF_ATTRIBUTES }],
  })
  answer.headers.append('set-cookie', await bindings.proofFor(session.id, ctx.target.host, untilMs))
  return answer
}

/**
 * Where each host has sessions of its own, a browser renews all of them, up to two minutes before they are over, and signs at most six
 * times in nine minutes for all hosts of a domain (Chromium 156). A proof then lasts long enough for that. Each host counts once: other
 * devices of the same user have their own quota.
 */
async function lifetimeMs(ctx: PortalRequest, { sessions }: DeviceTools, session: Session): Promise<number> {
  const { proofMs } = sessions.bindings.times
  if (ctx.portal.url !== null) return proofMs
  const bound = (await sessions.ofOwner(session, null)).filter(entry => isBound(entry.session)).slice(0, MOST_LOOKED_AT)
  const hosts = new Set((await Promise.all(bound.map(entry => sessions.hostsOf(entry.session.id)))).flat()).size
  return Math.max(1, (Math.min(hosts, MOST_HOSTS) * MINUTES_A_SIGNING + EARLY_MINUTES) / MINUTES_IN_BROWSER) * proofMs
}

/** With as many, a proof counts for an hour, and never longer. */
const MOST_HOSTS = 34
/** Of the sessions of one user, the newest. */
const MOST_LOOKED_AT = 200
const MINUTES_A_SIGNING = 9 / 6
const EARLY_MINUTES = 2
/** Of the ten of a proof. */
const MINUTES_IN_BROWSER = 9

/** Has the browser forget a bound session that it can prove no more. */
function forget(identifier: string): Response {
  return jsonAnswer({ session_identifier: identifier, continue: false })
}

/**
 * For a browser that keeps a proof which is over, as when its clock was set back: without that it renews the proof
 * before it asks again. Null for every other request.
 */
export function dropStaleProof(ctx: PortalRequest): Response | null {
  const { unproven, target, request } = ctx
  if (unproven === null || !ctx.hasStaleProof || !bindsHere(ctx) || request.method !== 'GET') return null
  return redirectAnswer(302, target.path + target.query, [writeProof(proofCookieName(unproven.id), '', 0)])
}

/** How often the page looks, once a second, before it gives up: a device may take its time to make a key. */
const MOST_LOOKS = 15

const WAIT_MS = 60 * 60_000

/** Where a sign-in waits to be bound, and then leads on. */
export async function waitingAddress(
  ctx: PortalRequest,
  { seal, ports }: Pick<DeviceTools, 'seal' | 'ports'>,
  destination: Destination,
): Promise<string> {
  const to = await seal.seal(destination, waitPurpose(ctx), ports.now() + WAIT_MS)
  return `${ownPath('device')}?${new URLSearchParams({ to })}`
}

function waitPurpose({ portal }: PortalRequest): string {
  return `waits for a device at ${portal.name}`
}

/** The page that waits until the session of this browser is bound; says so where it does not happen. */
export async function waitForDevice(ctx: PortalRequest, tools: DeviceTools & TicketTools): Promise<Response> {
  const query = readQuery(ctx)
  const to = query.get('to') ?? ''
  const destination = parseDestination(await tools.seal.open(to, waitPurpose(ctx))) ?? FRONT_PAGE
  // A cookie that a later sign-in has replaced gets no ticket; the browser may have the new one by the next look.
  if (ctx.session !== null && !ctx.session.isReplaced) return completeSignIn(ctx, tools, destination, ctx.session)
  const words = wordsFor(ctx.request)
  const say = words.device
  const { title, brand } = ctx.portal
  const looks = Number(query.get('n') ?? 0)
  if ((ctx.session ?? ctx.unproven) !== null && looks < MOST_LOOKS) {
    const next = `${ownPath('device')}?${new URLSearchParams({ to, n: String(looks + 1) })}`
    const page = (
      <NarrowPage words={words} title={say.waits} place={title} onward={next}>
        <h1>{say.waits}</h1>
        <p class="soft">
          <span class="wait" aria-hidden="true" />
          {say.waitsLead}
        </p>
        <Acts acts={[{ label: words.goOn, address: next }]} />
      </NarrowPage>
    )
    return pageAnswer({ words, brand, page })
  }
  const page = (
    <NarrowPage words={words} title={say.cannot} place={title}>
      <h1>{say.cannot}</h1>
      <p>{say.cannotLead}</p>
      <Acts acts={[{ label: words.signInAgain, address: ownPath('login') }]} />
    </NarrowPage>
  )
  return pageAnswer({ words, brand, page, status: 403 })
}

const FRONT_PAGE: Destination = { kind: 'here', path: ownPath('') }

/**
 * The answer to a sign-in, with a page before it where a request with this person’s cookie came without its device’s
 * proof since the last one; the answer itself where none did.
 */
export async function tellUnproven(
  ctx: PortalRequest,
  { sessions }: Pick<DeviceTools, 'sessions'>,
  session: Session,
  answer: Response,
): Promise<Response> {
  const onward = answer.headers.get('location')
  if (onward === null || !bindsHere(ctx)) return answer
  const found = await sessions.bindings.tellUnproven(session)
  if (found === null) return answer
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const say = words.device
  const page = (
    <NarrowPage words={words} title={say.noticeTitle} place={ctx.portal.title}>
      <h1>{say.noticeTitle}</h1>
      <p role="alert">{say.unproven(momentOf(found.atMs, words), found.client)}</p>
      <p class="soft">{say.noticeAdvice}</p>
      <Acts
        acts={[
          { label: words.goOn, address: onward },
          { label: words.yourSessions, address: ownPath('sessions') },
        ]}
      />
    </NarrowPage>
  )
  return pageBefore(answer, pageAnswer({ words, brand: ctx.portal.brand, page }))
}

export const REGISTRATION = 'secure-session-registration'

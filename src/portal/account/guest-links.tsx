/** @jsxImportSource hono/jsx */
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { GuestLinksConfig } from '../../config/types/portals.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { GuestLinks, HeldGuestLink } from '../../session/credentials/guest-links.ts'
import type { Sealer } from '../../session/seal.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { jsonAnswer, pageAnswer, redirectAnswer } from '../answer.ts'
import { parseName, proveForm, readOwnForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { GuestsPage, type GuestsView } from '../pages/guest-links.tsx'
import { nameOf } from '../pages/person.ts'
import { isPortalHost, ownPath } from '../place.ts'
import type { PortalRequest } from '../portal.ts'
import { leadToPortal } from '../sign-in/to-portal.ts'
import { describeLink, linkAddress, linksOf, mayRevokeAll, parseLinkPlace } from './guest-link-address.ts'
import { menuOf } from './menu.ts'
import { revokeIfEnded } from './revoke-if-ended.ts'

export interface GuestTools {
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly sessions: Pick<Sessions, 'describe' | 'end'> & { readonly links: GuestLinks }
  readonly seal: Sealer
}

/** Nobody needs more at a time, and the list of a portal stays one that can be read at once. */
const MOST_OF_ONE = 100
const HOUR_MS = 60 * 60 * 1000

/** Lifetimes on offer, in hours, as far as the portal allows them. */
const HOURS = [1, 4, 24, 72, 168, 720] as const

/**
 * The guest links of whoever asks, and everyone's for those with the portal's admin role.
 *
 * Only on the host where people sign in: elsewhere, an application's own scripts could make one. Throws `route.none`, `access.denied`.
 */
export async function showGuests(ctx: PortalRequest, tools: GuestTools, session: Session): Promise<Response> {
  if (ctx.portal.guestLinks === null) throw new GateError('route.none', 'this portal has no guest links')
  const away = leadToPortal(ctx, 'guests')
  if (away !== null) return away
  return answer(ctx, tools, session, {})
}

/**
 * Takes a form of the page: `act=create` with `address`, `name`, `hours` and `uses` answers with the link, this once; `act=revoke`
 * with the `id` of one's own (or of anyone's, for admins) ends it and whatever it opened, at once.
 * Throws `access.origin`, `access.denied`, `access.sign_in`, `target.malformed`, `route.none`.
 */
export async function changeGuests(ctx: PortalRequest, tools: GuestTools, session: Session): Promise<Response> {
  if (ctx.portal.guestLinks === null) throw new GateError('route.none', 'this portal has no guest links')
  if (!isPortalHost(ctx)) throw new GateError('access.origin', 'guest links are made on the portal’s own host')
  const form = await readOwnForm(ctx, tools.seal)
  switch (form.get('act')) {
    case 'create':
      return create(ctx, tools, session, form)
    case 'revoke':
      return revoke(ctx, tools, session, form.get('id') ?? '')
    default:
      throw new GateError('target.malformed', 'the form says neither create nor revoke')
  }
}

async function create(
  ctx: PortalRequest,
  tools: GuestTools,
  session: Session,
  form: URLSearchParams,
): Promise<Response> {
  const limits = linksOf(ctx, session)
  if (limits === null) throw new GateError('access.denied', 'none of the roles that make guest links is held')
  const name = parseName(form)
  const hours = hoursWithin(limits).find(one => String(one) === form.get('hours'))
  const uses = Number(form.get('uses'))
  if (name === null || hours === undefined || !isCount(uses, limits.maxUses)) {
    throw new GateError(
      'target.malformed',
      'a link has a name, a lifetime and a number of uses within its portal’s limits',
    )
  }
  if ((await linksFor(ctx, tools, session)).filter(held => isOwn(held, session)).length >= MOST_OF_ONE) {
    throw new GateError('access.denied', `nobody may have more than ${MOST_OF_ONE} guest links`)
  }
  const address = form.get('address') ?? ''
  const place = parseLinkPlace(address)
  const shared = place === null ? null : ctx.guestTarget(place.host, place.path)
  // Nobody shares what they may not open, and a refusal does not tell which of the two it is.
  if (place === null || shared === null || !shared.isOpenTo(session) || !isReached(place.origin, ctx)) {
    return answer(ctx, tools, session, { refused: address })
  }
  const { text, held } = await tools.sessions.links.create({
    portal: session.portal,
    name,
    host: place.host,
    path: place.path,
    landing: place.landing,
    by: { identity: session.identity, name: nameOf(session.identity) },
    uses,
    lifetimeMs: hours * HOUR_MS,
  })
  await revokeIfEnded(tools.sessions, session, held.session.id)
  const facts = { user: session.identity.subject, link: held.session.id, host: place.host, path: place.path }
  tools.ports.log.info('A guest link was made', facts)
  return answer(ctx, tools, session, { made: linkAddress(ctx.reachedAt(place), text) })
}

/** A link has to lead where browsers really are: by this portal's own scheme. */
function isReached(origin: string, ctx: PortalRequest): boolean {
  return origin.split(':', 1)[0] === ctx.origin.split(':', 1)[0]
}

function isCount(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= most
}

/** The lifetimes on offer; where even the shortest is too long, that one is cut to what is allowed. */
function hoursWithin({ maxLifetimeMs }: GuestLinksConfig): readonly number[] {
  const within = HOURS.filter(hours => hours * HOUR_MS <= maxLifetimeMs)
  return within.length > 0 ? within : [maxLifetimeMs / HOUR_MS]
}

async function revoke(ctx: PortalRequest, tools: GuestTools, session: Session, id: string): Promise<Response> {
  const held = (await linksFor(ctx, tools, session)).find(one => one.session.id === id)
  if (held !== undefined) {
    await tools.sessions.end(id)
    tools.ports.log.info('A guest link was revoked', { user: session.identity.subject, link: id })
  }
  return prefersPage(ctx.request) ? redirectAnswer(303, ownPath('guests')) : jsonAnswer({ revoked: held !== undefined })
}

async function answer(
  ctx: PortalRequest,
  tools: GuestTools,
  session: Session,
  outcome: Pick<GuestsView, 'made' | 'refused'>,
): Promise<Response> {
  const limits = linksOf(ctx, session)
  const isForAll = mayRevokeAll(ctx, session)
  if (limits === null && !isForAll)
    throw new GateError('access.denied', 'none of the roles that make guest links is held')
  const links = await linksFor(ctx, tools, session)
  const status = outcome.refused === undefined ? 200 : 400
  if (!prefersPage(ctx.request)) {
    const made = outcome.made === undefined ? {} : { link: outcome.made }
    return jsonAnswer({ ...made, links: links.map(describeLink) }, status)
  }
  const words = wordsFor(ctx.request)
  const page = (
    <GuestsPage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, 'guests')}
      links={links}
      own={session}
      offer={limits === null ? null : { hours: hoursWithin(limits), maxUses: limits.maxUses }}
      nowMs={tools.ports.now()}
      proof={await proveForm(ctx, session, tools.seal)}
      {...outcome}
    />
  )
  return pageAnswer(words, ctx.portal.brand, page, status)
}

/** One's own links; everyone's for those who may revoke them all. */
async function linksFor(
  ctx: PortalRequest,
  { sessions }: GuestTools,
  session: Session,
): Promise<readonly HeldGuestLink[]> {
  const links = await sessions.links.list(session.portal)
  return mayRevokeAll(ctx, session) ? links : links.filter(held => isOwn(held, session))
}

function isOwn({ grant }: HeldGuestLink, { identity }: Session): boolean {
  return grant.maker.issuer === identity.issuer && grant.maker.subject === identity.subject
}

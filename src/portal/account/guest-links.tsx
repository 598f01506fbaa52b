/** @jsxImportSource hono/jsx */

/** The page `guests`: guest links, for users who may make them. */

import { GateError } from '../../base/errors.ts'
import type { GuestLinksConfig } from '../../config/keys/portals.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { GuestLinks, HeldGuestLink } from '../../session/credentials/guest-links.ts'
import type { Session } from '../../session/session.ts'
import { jsonAnswer, pageAnswer } from '../answer.ts'
import { parseName, proveForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { Creates, Made, NameField, NewForm, Revoke } from '../layout/credentials.tsx'
import { isSamePerson, nameOf } from '../layout/person.ts'
import { Picture } from '../layout/pictures.tsx'
import { Moment, Said, spanOf } from '../layout/time.tsx'
import { Facts, type MenuEntry, WidePage } from '../layout/wide-page.tsx'
import { ownPath } from '../paths.ts'
import type { Application, GuestPlace, PortalRequest } from '../portal-request.ts'
import type { Words } from '../words/words.ts'
import { type CredentialTools, createCredentialPage, noteMade } from './credential-page.ts'
import { describeLink, linkAddress, linksOf, mayRevokeAll, parseLinkPlace } from './guest-link-address.ts'
import { menuOf } from './menu.ts'

export interface GuestTools extends CredentialTools {
  readonly sessions: CredentialTools['sessions'] & { readonly links: GuestLinks }
}

const HOUR_MS = 60 * 60 * 1000

/** Lifetimes on offer, in hours, as far as the portal allows them. */
const HOURS = [1, 4, 24, 72, 168, 720] as const

const WORDS = { many: 'guest links', fact: 'link', made: 'guest.made', revoked: 'guest.revoked' } as const

/**
 * The requesting user's guest links. Users with the portal's admin role see everyone's and may revoke them. A form of
 * the page makes one with `address`, `name`, `hours` and `uses`.
 */
export const guestsPage = createCredentialPage<GuestTools, HeldGuestLink, NewLink>({
  page: 'guests',
  words: WORDS,
  mostOfOne: 100,
  isOffered: ({ portal }) => portal.guestLinks !== null,
  list: linksFor,
  isOwn,
  read,
  make,
  answer: (ctx, tools, session) => answer(ctx, tools, session, {}),
})

interface NewLink {
  readonly name: string
  /** Where it is to lead, as it was typed. */
  readonly address: string
  readonly uses: number
  readonly lifetimeMs: number
}

function read(ctx: PortalRequest, session: Session, form: URLSearchParams): NewLink {
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
  // An application that is chosen hides what was typed before.
  const address = form.get('application') || (form.get('address') ?? '').trim()
  return { name, address, uses, lifetimeMs: hours * HOUR_MS }
}

async function make(ctx: PortalRequest, tools: GuestTools, session: Session, wanted: NewLink): Promise<Response> {
  const { address, ...rest } = wanted
  const place = parseLinkPlace(address)
  const target = place === null ? null : ctx.guestTarget(place.host, place.path)
  // No user may share what they may not open. The refusal does not reveal which of the two reasons it is.
  if (place === null || target === null || !target.isOpenTo(session) || !isReached(place.origin, ctx)) {
    return answer(ctx, tools, session, { refused: wanted })
  }
  const { host, path, landing } = place
  const { text, held } = await tools.sessions.links.create({
    ...rest,
    portal: session.portal,
    host,
    path,
    landing,
    by: { identity: session.identity, name: nameOf(session.identity) },
  })
  await noteMade(WORDS, ctx, tools, session, held.session.id, { host })
  return answer(ctx, tools, session, { made: { text: linkAddress(ctx.reachedAt(place), text), held } })
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
    const made = outcome.made === undefined ? {} : { link: outcome.made.text }
    return jsonAnswer({ ...made, links: links.map(describeLink) }, status)
  }
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const page = (
    <GuestsPage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, 'guests')}
      links={links}
      places={limits === null ? [] : ctx.guestPlaces(session)}
      applications={ctx.applications(session)}
      own={session}
      offer={limits === null ? null : { hours: hoursWithin(limits), maxUses: limits.maxUses }}
      nowMs={tools.ports.now()}
      proof={await proveForm(ctx, session, tools.seal)}
      {...outcome}
    />
  )
  return pageAnswer({ words, brand: ctx.portal.brand, page, status, scope: 'icons' })
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
  return isSamePerson(grant.maker, identity)
}

/** What the page shows. */
interface GuestsView {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  readonly links: readonly HeldGuestLink[]
  /** The applications that this person may share. */
  readonly places: readonly GuestPlace[]
  /** Those that this person may open, for their icons. */
  readonly applications: readonly Application[]
  /** The session that looks at the page. */
  readonly own: Session
  /** What a new link may be; null for those who only revoke. */
  readonly offer: { readonly hours: readonly number[]; readonly maxUses: number } | null
  readonly nowMs: number
  /** Shows that a form came from this page. */
  readonly proof: string
  /** A link that was made a moment ago; it is never shown again. */
  readonly made?: { readonly text: string; readonly held: HeldGuestLink }
  /** What was asked for, at an address that is none to share. */
  readonly refused?: NewLink
}

/** Guest links, a form for a new one, and a way to revoke each. */
function GuestsPage(view: GuestsView) {
  const { words, title, menu, links, made } = view
  return (
    <WidePage
      words={words}
      title={title}
      heading={words.guestLinks}
      menu={menu}
      isSlim
      lead={<p class="soft">{words.guestLinksLead}</p>}
    >
      {view.offer === null ? null : <New view={view} offer={view.offer} />}
      {made === undefined ? null : (
        <Made
          words={words}
          lead={words.linkMade}
          text={made.text}
          label={words.linkFor}
          name={made.held.grant.name}
          untilMs={made.held.session.expiresAtMs}
          mayShare
          place={made.held.grant.host + made.held.grant.path}
          {...(made.held.grant.path === '/' ? {} : { note: words.linkCoversPath })}
        />
      )}
      {links.length === 0 ? (
        <div class="empty">
          <p class="soft">{words.noLinks}</p>
        </div>
      ) : (
        <ul class="rows">
          {links.map(held => (
            <Row view={view} held={held} />
          ))}
        </ul>
      )}
    </WidePage>
  )
}

function New({ view, offer }: { readonly view: GuestsView; readonly offer: NonNullable<GuestsView['offer']> }) {
  const { words, proof, refused, places } = view
  const kept = offer.hours.findIndex(hours => hours * HOUR_MS === refused?.lifetimeMs)
  const chosen = kept === -1 ? Math.min(2, offer.hours.length - 1) : kept
  const isListed = places.some(({ address }) => address === refused?.address)
  return (
    <NewForm words={words} label={words.newLink} isAlone={view.links.length === 0} isOpen={refused !== undefined}>
      {refused === undefined ? null : (
        <div class="alert" role="alert">
          <p>{words.linkRefused}</p>
        </div>
      )}
      <form class="fields" method="post" action={ownPath('guests')}>
        <Creates proof={proof} />
        {places.length === 0 ? (
          <p class="wide soft small">{words.noGuestPlaces}</p>
        ) : (
          <div>
            <label for="application">{words.linkApplication}</label>
            <select id="application" name="application">
              {places.map(({ name, address }) => (
                <option value={address} selected={address === refused?.address}>
                  {name}
                </option>
              ))}
              <option value="" selected={refused !== undefined && !isListed}>
                {words.linkOtherAddress}
              </option>
            </select>
          </div>
        )}
        <div class={places.length === 0 ? 'wide' : 'address'}>
          <label for="address">{words.linkAddress}</label>
          <input
            id="address"
            name="address"
            type="text"
            inputmode="url"
            required={places.length === 0}
            maxlength={2000}
            autocomplete="off"
            value={isListed ? '' : (refused?.address ?? '')}
            placeholder="https://"
          />
        </div>
        <div>
          <NameField label={words.linkFor} value={refused?.name ?? ''} />
        </div>
        <div>
          <label for="hours">{words.tokenLifetime}</label>
          <select id="hours" name="hours">
            {offer.hours.map((hours, index) => (
              <option value={String(hours)} selected={index === chosen}>
                {spanOf(hours * 3_600_000, words)}
              </option>
            ))}
          </select>
        </div>
        <div>
          <label for="uses">{words.linkUses}</label>
          <input
            id="uses"
            name="uses"
            type="number"
            required
            min={1}
            max={offer.maxUses}
            value={String(refused?.uses ?? 1)}
          />
        </div>
        <button class="act main" type="submit">
          {words.makeLink}
        </button>
      </form>
    </NewForm>
  )
}

function Row({ view, held }: { readonly view: GuestsView; readonly held: HeldGuestLink }) {
  const { words, own, proof, applications } = view
  const { session, grant, uses, used } = held
  const application = applications.find(({ address }) => new URL(address).hostname === grant.host)
  const isOwn = isSamePerson(grant.maker, own.identity)
  const place = grant.path === '/' ? (application?.name ?? grant.host) : grant.host + grant.path
  return (
    <li class="row">
      <Picture name={grant.host} picture={application?.icon ?? null} />
      <div>
        <h2>{grant.name}</h2>
        <Facts
          facts={[
            isOwn ? null : <bdi>{grant.maker.name === '' ? view.title : grant.maker.name}</bdi>,
            <bdi>{place}</bdi>,
            words.linkUsed(used, uses),
            <Said say={words.linkUntil}>
              <Moment words={words} atMs={session.expiresAtMs} />
            </Said>,
          ]}
        />
      </div>
      <Revoke words={words} page="guests" id={session.id} name={grant.name} proof={proof} />
    </li>
  )
}

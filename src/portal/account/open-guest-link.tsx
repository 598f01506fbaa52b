/** @jsxImportSource hono/jsx */

/** The page `guest`: what a guest sees who opens a link, and the button that signs the browser in by it. */

import { sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import { cookieName, readCookies, suffixedName, writeCookie } from '../../session/cookie.ts'
import type { GuestLinks, HeldGuestLink } from '../../session/credentials/guest-links.ts'
import { pageAnswer, redirectAnswer } from '../answer.ts'
import { pageNotFound } from '../error-page.tsx'
import { type FormTools, proveForm, readOwnForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { NarrowPage } from '../layout/narrow-page.tsx'
import { Picture } from '../layout/pictures.tsx'
import { Moment, Said } from '../layout/time.tsx'
import { isSecure, ownPath } from '../paths.ts'
import { type AuditTools, askedFacts, type GuestTarget, type PortalRequest, readQuery } from '../portal-request.ts'
import type { Words } from '../words/words.ts'

interface Tools extends FormTools, AuditTools {
  readonly ports: Pick<Ports, 'now'>
  readonly sessions: { readonly links: GuestLinks }
}

/** The gate itself looks at no more than this (`server/request/guests.ts`); the oldest go first. */
const MOST_KEPT = 8

/**
 * The page that a guest link leads to: who invites to what, and a button. Loading it uses nothing, so that previews, prefetches
 * and mail scanners burn no link.
 */
export async function showGuestLink(ctx: PortalRequest, tools: Tools): Promise<Response> {
  const text = readQuery(ctx).get('link') ?? ''
  const found = await findLink(ctx, tools, text)
  if (found === null || (isUsedUp(found.held) && !(await isHeldHere(ctx, tools, found.held)))) return noLink(ctx)
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const { held, shared } = found
  const proof = await proveForm(ctx, held.session, tools.seal)
  const { title } = ctx.portal
  const picture = ctx.waiting(held.grant.host, held.grant.path)?.picture ?? null
  const view = { words, title, held, name: shared.name, picture, text, proof }
  const page = <GuestLinkPage {...view} />
  return pageAnswer({ words, brand: ctx.portal.brand, page, scope: 'leads-anywhere' })
}

/**
 * Takes the form of that page: uses the link once, and gives this browser the cookie of a guest of this host. A browser that has
 * it already goes straight on. Throws `access.origin`.
 */
export async function openGuestLink(ctx: PortalRequest, tools: Tools): Promise<Response> {
  const find = (form: URLSearchParams) => findLink(ctx, tools, form.get('link') ?? '')
  const form = await readOwnForm(ctx, tools, async sent => (await find(sent))?.held.session.id ?? null)
  const text = form.get('link') ?? ''
  const found = await find(form)
  if (found !== null && (await isHeldHere(ctx, tools, found.held))) return redirectAnswer(303, found.held.grant.landing)
  const used = found === null ? null : await tools.sessions.links.use(text)
  if (used === null) {
    tools.audit.note('guest.refused', {
      ...askedFacts(ctx),
      ...(found === null ? {} : { link: found.held.session.id }),
    })
    return noLink(ctx)
  }
  const { session, grant } = used.held
  const facts = { ...askedFacts(ctx), link: session.id, host: grant.host, number: used.held.used }
  await tools.audit.keep('guest.opened', facts)
  const name = suffixedName(cookieName('guest', isSecure(ctx)), sha256(session.id))
  const surplus = cookiesHere(ctx)
    .filter(cookie => cookie.name !== name)
    .slice(0, 1 - MOST_KEPT)
  return redirectAnswer(303, grant.landing, [
    writeCookie(name, used.cookie, isSecure(ctx), session.expiresAtMs - tools.ports.now()),
    ...surplus.map(cookie => writeCookie(cookie.name, '', isSecure(ctx), 0)),
  ])
}

/** A link that is valid at this very host, by the current file. */
async function findLink(
  ctx: PortalRequest,
  { sessions }: Tools,
  text: string,
): Promise<{ readonly held: HeldGuestLink; readonly shared: GuestTarget } | null> {
  const held = await sessions.links.peek(text)
  if (held === null || held.session.portal !== ctx.portal.name || held.grant.host !== ctx.target.host) return null
  const shared = ctx.portal.guestLinks === null ? null : ctx.guestTarget(held.grant.host, held.grant.path)
  return shared?.isSharedWith(held.session) === true ? { held, shared } : null
}

function isUsedUp({ used, uses }: HeldGuestLink): boolean {
  return used >= uses
}

/** Whether this browser is one of those that used the link. */
async function isHeldHere(ctx: PortalRequest, { sessions }: Tools, { session }: HeldGuestLink): Promise<boolean> {
  const kept = cookiesHere(ctx).slice(0, MOST_KEPT)
  const found = await Promise.all(kept.map(({ value }) => sessions.links.find(value, ctx.target.host)))
  return found.some(held => held?.session.id === session.id)
}

function cookiesHere(ctx: PortalRequest) {
  return readCookies(ctx.request.headers.get('cookie'), cookieName('guest', isSecure(ctx)))
}

function noLink(ctx: PortalRequest): Response {
  return pageNotFound(ctx, ({ linkGone, linkGoneWhy }) => ({ title: linkGone, detail: linkGoneWhy }))
}

/** What a guest sees first: who invites them, to what, and a button. */
function GuestLinkPage(props: {
  readonly words: Words
  readonly title: string
  readonly held: HeldGuestLink
  /** What the application is called. */
  readonly name: string
  /** Its picture as an address that holds it whole; null where there is none to show. */
  readonly picture: string | null
  /** The link's secret. */
  readonly text: string
  /** Shows that the form came from this page. */
  readonly proof: string
}) {
  const { words, title, held, name, picture, text, proof } = props
  const { maker } = held.grant
  return (
    <NarrowPage words={words} title={words.invited} place={title}>
      <Picture name={name} picture={picture} />
      <h1>{words.invitedTo(name)}</h1>
      <p class="soft">
        <Said say={until => words.invitation(maker.name === '' ? title : maker.name, until)}>
          <Moment words={words} atMs={held.session.expiresAtMs} />
        </Said>
      </p>
      <div class="acts">
        <form method="post" action={ownPath('guest')}>
          <input type="hidden" name="link" value={text} />
          <input type="hidden" name="proof" value={proof} />
          <button class="act main" type="submit">
            {words.openNamed(name)}
          </button>
        </form>
      </div>
      <p class="note">{words.invitationNote}</p>
    </NarrowPage>
  )
}

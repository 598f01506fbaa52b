/** @jsxImportSource hono/jsx */
import { GateError } from '../../base/errors.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, SessionEntry } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { jsonAnswer, pageAnswer, redirectAnswer } from '../answer.ts'
import { askedFacts } from '../audit-facts.ts'
import { type PersonalFormTools, proveForm, readPersonalForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { hasSeveral, isSamePerson } from '../pages/person.ts'
import { SessionsPage } from '../pages/sessions.tsx'
import { isPortalHost, ownPath } from '../place.ts'
import type { PortalRequest } from '../portal.ts'
import { readQuery } from '../query.ts'
import { describeEntry } from '../sign-in/entry.ts'
import { leadToPortal } from '../sign-in/to-portal.ts'
import { leave, type SignOutTools } from '../sign-out/sign-out.tsx'
import { isAdmin } from './admins.ts'
import { menuOf } from './menu.ts'

export interface SessionTools extends SignOutTools {
  readonly sessions: SignOutTools['sessions'] & { readonly grants: Pick<Grants, 'of'> }
}

/** Sessions shown at a time, and how many are looked through for them before the rest waits for a click. */
const SHOWN = 50
const LOOKED_THROUGH = 5_000

/**
 * The sessions of whoever asks; with `all=1`, for those with the portal's admin role, everyone's, with `q` looked for in them.
 *
 * Only on the host where people sign in: elsewhere, an application's own scripts could read it.
 */
export async function showSessions(ctx: PortalRequest, tools: SessionTools, session: Session): Promise<Response> {
  const away = leadToPortal(ctx, 'sessions')
  if (away !== null) return away
  const query = readQuery(ctx)
  const isAll = query.get('all') === '1'
  if (isAll && !isAdmin(ctx, session)) throw new GateError('access.denied', 'the portal’s admin role is missing')
  const search = (query.get('q') ?? '').slice(0, 200)
  const { entries, next } = isAll
    ? await findAll(ctx, tools, search, query.get('after'))
    : { entries: await tools.sessions.ofOwner(session, boundsOf(ctx)), next: null }
  if (!prefersPage(ctx.request)) {
    const described = entries.map(entry => ({ ...describeEntry(entry), is_this: entry.session.id === session.id }))
    return jsonAnswer({ sessions: described, next })
  }
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const page = (
    <SessionsPage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, isAll ? 'admin' : 'sessions')}
      entries={
        await Promise.all(entries.map(async entry => ({ ...entry, used: await usedBy(ctx, tools, entry, session) })))
      }
      own={session}
      nowMs={tools.ports.now()}
      proof={await proveForm(ctx, session, tools.seal)}
      mayShowAll={isAdmin(ctx, session)}
      roles={tools.sessions.grants.of(session)}
      all={isAll ? { search, next, hasSeveral: hasSeveral(ctx.portal) } : null}
    />
  )
  return pageAnswer(words, ctx.portal.brand, page, 200)
}

/** What an application is called, for each host that a session has a cookie for but the one where people sign in. */
async function usedBy(
  ctx: PortalRequest,
  { sessions }: SignOutTools,
  { session: { id } }: SessionEntry,
  asks: Session,
): Promise<readonly string[]> {
  const names = new Map(ctx.applications(asks).map(({ name, address }) => [new URL(address).hostname, name]))
  const hosts = (await sessions.hostsOf(id)).filter(host => host !== ctx.portal.url?.host)
  return hosts.map(host => names.get(host) ?? host).sort()
}

/**
 * Takes a form of the page: `act=end` with the `id` of one's own session, or of anyone's for admins; `act=end-all` for all of
 * one's own. To end the session that asks is to sign out. Throws `access.origin`, `access.denied`, `limit.rate`,
 * `target.malformed`.
 */
export async function endSessions(
  ctx: PortalRequest,
  tools: SignOutTools & PersonalFormTools,
  session: Session,
): Promise<Response> {
  if (!isPortalHost(ctx)) throw new GateError('access.origin', 'sessions are ended on the portal’s own host')
  const form = await readPersonalForm(ctx, tools, session)
  switch (form.get('act')) {
    case 'end-all': {
      const own = await tools.sessions.ofOwner(session, boundsOf(ctx))
      return leave(ctx, tools, [...new Set([session.id, ...own.map(entry => entry.session.id)])])
    }
    case 'end':
      return endOne(ctx, tools, session, form)
    default:
      throw new GateError('target.malformed', 'the form says neither end nor end-all')
  }
}

async function endOne(
  ctx: PortalRequest,
  tools: SignOutTools,
  session: Session,
  form: URLSearchParams,
): Promise<Response> {
  const id = form.get('id') ?? ''
  if (id === session.id) return leave(ctx, tools, [id])
  const isForAll = form.get('all') === '1'
  const bounds = boundsOf(ctx)
  const isWithin = bounds === null || (await tools.sessions.isKnownAt(id, bounds))
  const found = isWithin ? await tools.sessions.describe(id) : null
  if (found !== null && found.session.portal === ctx.portal.name) {
    const isOwn = isSamePerson(found.session.identity, session.identity)
    if (!isOwn && !isAdmin(ctx, session)) throw new GateError('access.denied', 'the session is another person’s')
    // Whoever is put out is not to come back by a token.
    if (!isOwn) await tools.sessions.tokens.suspend(found.session)
    await tools.sessions.end(id)
    const { subject } = session.identity
    const asked = askedFacts(ctx)
    const facts = { ...asked, ...sessionFacts(found.session), by: subject }
    if (isOwn) await tools.audit.keep('sign_out', { ...asked, ...sessionFacts(found.session) })
    else await tools.audit.keep('sign_out.by_admin', facts)
  }
  if (!prefersPage(ctx.request)) return jsonAnswer({ ended: found !== null })
  const query = new URLSearchParams(isForAll ? { all: '1', q: form.get('q') ?? '' } : {})
  return redirectAnswer(303, `${ownPath('sessions')}${isForAll ? `?${query}` : ''}`)
}

/**
 * The host whose sessions may be seen and ended from here; null: any of the portal.
 *
 * Of a portal that is mounted on each host, the application of every host has the origin of these pages: its scripts may do what
 * forms here do, and are to reach no other host by that.
 */
function boundsOf({ portal, target }: PortalRequest): string | null {
  return portal.url === null ? target.host : null
}

/** A page of everyone's sessions that have this text in them; `next` goes on where the search stopped. */
async function findAll(
  { portal }: PortalRequest,
  { sessions }: SignOutTools,
  search: string,
  from: string | null,
): Promise<{ readonly entries: readonly SessionEntry[]; readonly next: string | null }> {
  const wanted = search.trim().toLowerCase()
  const entries: SessionEntry[] = []
  let after = from
  for (let looked = 0; looked < LOOKED_THROUGH && entries.length < SHOWN; looked += SHOWN) {
    const page = await sessions.list(portal.name, { after, limit: SHOWN })
    entries.push(...page.entries.filter(entry => wanted === '' || textsOf(entry).some(text => text.includes(wanted))))
    after = page.next
    if (after === null) break
  }
  return { entries, next: after }
}

function textsOf({ session, agent, client }: SessionEntry): readonly string[] {
  const { name, preferredUsername, email, subject } = session.identity
  return [name, preferredUsername, email, subject, agent, client].map(text => (text ?? '').toLowerCase())
}

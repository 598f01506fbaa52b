/** @jsxImportSource hono/jsx */

/** The page `sessions`: where somebody is signed in, and for admins where everybody is; each may be ended. */

import type { Child } from 'hono/jsx'
import { GateError } from '../../base/errors.ts'
import { prefersPage } from '../../route/page-load.ts'
import { type Bindings, isBound, type Unproven } from '../../session/bound-sessions.ts'
import type { GrantsDocument } from '../../session/grants/document.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, SessionEntry } from '../../session/session.ts'
import { describeEntry, sessionFacts } from '../../session/session-facts.ts'
import { hasPeople, isAdmin, stillSignedIn } from '../admins.ts'
import { jsonAnswer, pageAnswer, redirectAnswer } from '../answer.ts'
import { type PersonalFormTools, proveForm, readPersonalForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { OwnRoles } from '../layout/access-requests.tsx'
import { AdminTabs, type Tabs } from '../layout/admin-tabs.tsx'
import { detailOf, hasSeveral, isSamePerson, nameOf } from '../layout/person.ts'
import { Sign } from '../layout/pictures.tsx'
import { agoOf, momentOf, Time } from '../layout/time.tsx'
import { Facts, type MenuEntry, SearchField, WidePage } from '../layout/wide-page.tsx'
import { isPortalHost, ownPath } from '../paths.ts'
import { askedFacts, type PortalRequest, readQuery } from '../portal-request.ts'
import { leadToPortal } from '../sign-in/redirect-to-portal.ts'
import { leave, type SignOutTools } from '../sign-out/sign-out.tsx'
import type { Words } from '../words/words.ts'
import { menuOf } from './menu.ts'

export interface SessionTools extends SignOutTools {
  readonly trail: { isOfOnePortal(): boolean }
  readonly sessions: SignOutTools['sessions'] & {
    readonly grants: Pick<Grants, 'of'>
    readonly bindings: Pick<Bindings, 'unprovenOf'>
  }
}

/** Sessions shown at a time, and how many are looked through for them before the rest waits for a click. */
const SHOWN = 50
const LOOKED_THROUGH = 5_000

/**
 * The requesting user's sessions. With `all=1`, users with the portal's admin role see everyone's; `q` searches in
 * them.
 *
 * Only on the host where users sign in: elsewhere, an application's scripts could read it.
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
  const tabs = { here: 'sessions', hasFile: tools.trail.isOfOnePortal(), hasPeople: hasPeople(ctx) } as const
  const page = (
    <SessionsPage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, isAll ? 'admin' : 'sessions')}
      entries={await withUses(ctx, tools, entries, session)}
      own={session}
      nowMs={tools.ports.now()}
      proof={await proveForm(ctx, session, tools.seal)}
      mayShowAll={isAdmin(ctx, session)}
      roles={tools.sessions.grants.of(session)}
      all={isAll ? { search, next, hasSeveral: hasSeveral(ctx.portal), tabs } : null}
    />
  )
  return pageAnswer({ words, brand: ctx.portal.brand, page, sheet: isAll ? 'admin' : null })
}

/**
 * The same with the names of the applications that each has a cookie for: every host but the one where people sign in; and with the
 * last request that brought its cookie without the proof of its device.
 */
async function withUses(
  ctx: PortalRequest,
  { sessions }: SessionTools,
  entries: readonly SessionEntry[],
  asks: Session,
): Promise<readonly ShownSession[]> {
  const names = new Map(ctx.applications(asks).map(({ name, address }) => [new URL(address).hostname, name]))
  return Promise.all(
    entries.map(async entry => {
      const hosts = (await sessions.hostsOf(entry.session.id)).filter(host => host !== ctx.portal.url?.host)
      const unproven = isBound(entry.session) ? await sessions.bindings.unprovenOf(entry.session.id) : null
      return { ...entry, used: hosts.map(host => names.get(host) ?? host).sort(), unproven }
    }),
  )
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
    // By now: the form may have taken a while.
    if (!isOwn && !isAdmin(ctx, await stillSignedIn(tools.sessions, session)))
      throw new GateError('access.denied', 'the session is another person’s')
    // A user whose session is ended must not come back by a token.
    if (!isOwn) await tools.sessions.tokens.suspend(found.session)
    // It ends later where it cannot now, and is not found here again.
    try {
      await tools.sessions.end(id)
    } finally {
      const facts = { ...askedFacts(ctx), ...sessionFacts(found.session) }
      if (isOwn) await tools.audit.keep('sign_out', facts)
      else await tools.audit.keep('sign_out.by_admin', { ...facts, by: session.identity.subject })
    }
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

/** A page of everyone's sessions that contain this text. `next` continues where the search stopped. */
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

/** A session, with the names of the applications that it has opened. */
interface ShownSession extends SessionEntry {
  readonly used: readonly string[]
  readonly unproven: Unproven | null
}

/** What the page shows. */
interface SessionsView {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  readonly entries: readonly ShownSession[]
  /** The session that looks at it. */
  readonly own: Session
  readonly nowMs: number
  /** Shows that a form came from this page. */
  readonly proof: string
  /** Whether this person may see everyone's. */
  readonly mayShowAll: boolean
  /** What this person was granted, and has asked for. */
  readonly roles: Pick<GrantsDocument, 'requests' | 'grants'>
  /** Everyone's sessions, of which these are the ones that were looked for; null: this person's own. */
  readonly all: {
    readonly search: string
    readonly next: string | null
    readonly hasSeveral: boolean
    readonly tabs: Tabs
  } | null
}

/** Sessions with where, when and on what, and a way to end each. */
function SessionsPage(view: SessionsView) {
  const { words, title, entries, all, mayShowAll } = view
  const heading = all === null ? words.yourSessions : words.allSessions
  return (
    <WidePage
      words={words}
      title={title}
      heading={heading}
      menu={view.menu}
      isSlim={all === null}
      lead={
        all === null ? (
          <p class="soft">
            {`${words.sessionsLead} `}
            {mayShowAll ? <a href={`${ownPath('sessions')}?all=1`}>{words.allSessions}</a> : null}
          </p>
        ) : undefined
      }
    >
      {all === null ? null : (
        <>
          <AdminTabs words={words} tabs={all.tabs} />
          <Search words={words} value={all.search} />
        </>
      )}
      {entries.length === 0 ? (
        <div class="empty">
          <p>{words.nobodyFits}</p>
        </div>
      ) : (
        <ul class="rows">
          {entries.map(entry => (
            <Row entry={entry} view={view} />
          ))}
        </ul>
      )}
      {all === null ? <OwnRoles words={words} {...view.roles} /> : null}
      {all !== null ? <More words={words} {...all} /> : null}
      {all === null && entries.length > 1 ? <Everywhere words={words} proof={view.proof} /> : null}
    </WidePage>
  )
}

function Row({ entry, view }: { readonly entry: ShownSession; readonly view: SessionsView }) {
  const { session, agent, client, lastSeenMs, used, unproven } = entry
  const isThis = session.id === view.own.id
  const { words, nowMs } = view
  // The address from which all of them came says nothing of one.
  const isUsual = view.all === null && view.entries.every(own => own.client === client)
  const device = agent === '' ? words.unknownDevice : agent.replace(' on ', ` ${words.on} `)
  const name = nameOf(session.identity)
  const about = [
    ...(view.all === null
      ? []
      : [detailOf(session.identity), view.all.hasSeveral ? session.identity.provider : null, device]),
    client === '' || isUsual ? null : client,
    used.length === 0 ? null : new Intl.ListFormat(words.lang).format(used),
  ].filter(part => part !== null)
  return (
    <li class="row">
      <Sign of={/iPhone|iPad|Android/.test(agent) ? 'phone' : 'computer'} />
      <div>
        <h2>
          {view.all === null ? device : name} {isThis ? <span class="tag">{words.thisDevice}</span> : null}
          {isBound(session) ? ' ' : null}
          {isBound(session) ? <span class="tag">{isThis ? words.device.bound : words.device.boundThere}</span> : null}
        </h2>
        <Facts
          facts={[
            ...about.map(part => <bdi>{part}</bdi>),
            isThis ? null : (
              <>
                {`${words.lastUsedTime} `}
                <Time words={words} atMs={lastSeenMs} nowMs={nowMs} />
              </>
            ),
            // What was used as long ago as it began was used for nothing since.
            !isThis && agoOf(session.createdAtMs, nowMs, words) === agoOf(lastSeenMs, nowMs, words) ? null : (
              <>
                {`${words.signedInTime} `}
                <Time words={words} atMs={session.createdAtMs} nowMs={nowMs} />
              </>
            ),
          ]}
        />
        {unproven === null ? null : (
          <p class="small">{words.device.unproven(momentOf(unproven.atMs, words), unproven.client)}</p>
        )}
      </div>
      <Form proof={view.proof} act="end" id={session.id} all={view.all}>
        <button
          class="quiet end"
          type="submit"
          aria-label={words.signOutOf(view.all === null ? device : `${name}, ${device}`)}
        >
          {words.signOut}
        </button>
      </Form>
    </li>
  )
}

function Everywhere({ words, proof }: { readonly words: Words; readonly proof: string }) {
  return (
    <section class="foot">
      <p class="soft small">{words.signOutEverywhereLead}</p>
      <Form proof={proof} act="end-all" all={null}>
        <button class="act end" type="submit">
          {words.signOutEverywhere}
        </button>
      </Form>
    </section>
  )
}

function Form(props: {
  readonly proof: string
  readonly act: 'end' | 'end-all'
  readonly id?: string
  readonly all: SessionsView['all']
  readonly children?: Child
}) {
  return (
    <form method="post" action={ownPath('sessions')}>
      <input type="hidden" name="proof" value={props.proof} />
      <input type="hidden" name="act" value={props.act} />
      {props.id === undefined ? null : <input type="hidden" name="id" value={props.id} />}
      {props.all === null ? null : <input type="hidden" name="all" value="1" />}
      {props.all === null ? null : <input type="hidden" name="q" value={props.all.search} />}
      {props.children}
    </form>
  )
}

function Search({ words, value }: { readonly words: Words; readonly value: string }) {
  return (
    <search>
      <form class="filters" method="get" action={ownPath('sessions')}>
        <input type="hidden" name="all" value="1" />
        <SearchField name="q" value={value} label={words.searchLabel} />
        <button class="act" type="submit">
          {words.search}
        </button>
      </form>
    </search>
  )
}

function More(props: { readonly words: Words; readonly search: string; readonly next: string | null }) {
  const { words, search, next } = props
  if (next === null) return null
  return (
    <p class="group">
      <a href={`${ownPath('sessions')}?${new URLSearchParams({ all: '1', q: search, after: next })}`}>
        {words.olderSessions}
      </a>
    </p>
  )
}

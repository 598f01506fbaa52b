/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import type { GrantsDocument } from '../../session/grants/document.ts'
import type { Session, SessionEntry } from '../../session/session.ts'
import { ownPath } from '../place.ts'
import type { Words } from '../words/words.ts'
import { detailOf, nameOf } from './person.ts'
import { OwnRoles } from './requests.tsx'
import { Time } from './time.tsx'
import { type MenuEntry, WidePage } from './wide-page.tsx'

/** A session, with the names of the applications that it has opened. */
interface ShownSession extends SessionEntry {
  readonly used: readonly string[]
}

/** What the page shows. */
export interface SessionsView {
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
  readonly all: { readonly search: string; readonly next: string | null; readonly hasSeveral: boolean } | null
}

/** Sessions with where, when and on what, and a way to end each. */
export function SessionsPage(view: SessionsView) {
  const { words, title, entries, all, mayShowAll } = view
  const heading = all === null ? words.yourSessions : words.allSessions
  return (
    <WidePage words={words} title={title} heading={heading} menu={view.menu}>
      {all === null ? <p class="soft">{words.sessionsLead}</p> : <Search words={words} value={all.search} />}
      {mayShowAll && all === null ? (
        <p>
          <a href={`${ownPath('sessions')}?all=1`}>{words.allSessions}</a>
        </p>
      ) : null}
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
      {all === null ? <Everywhere words={words} proof={view.proof} /> : <More words={words} {...all} />}
    </WidePage>
  )
}

function Row({ entry, view }: { readonly entry: ShownSession; readonly view: SessionsView }) {
  const { session, agent, client, lastSeenMs, used } = entry
  const isThis = session.id === view.own.id
  const { words } = view
  const device = agent === '' ? words.unknownDevice : agent.replace(' on ', ` ${words.on} `)
  const name = nameOf(session.identity)
  return (
    <li class="row">
      <div>
        <h2>
          {view.all === null ? device : name} {isThis ? <span class="tag">{words.thisDevice}</span> : null}
        </h2>
        <p class="soft small">
          {view.all === null ? null : (
            <Parts
              parts={[detailOf(session.identity), view.all.hasSeveral ? session.identity.provider : null, device]}
            />
          )}
          <Parts parts={[client === '' ? null : client]} />
          {`${words.signedInTime} `}
          <Time words={words} atMs={session.createdAtMs} nowMs={view.nowMs} />
          {`, ${words.lastUsedTime} `}
          <Time words={words} atMs={isThis ? view.nowMs : lastSeenMs} nowMs={view.nowMs} />
        </p>
        {used.length === 0 ? null : (
          <p class="soft small">{`${words.applicationsUsed} ${new Intl.ListFormat(words.lang).format(used)}`}</p>
        )}
      </div>
      <Form proof={view.proof} act="end" id={session.id} all={view.all}>
        <button
          class="act end"
          type="submit"
          aria-label={words.signOutOf(view.all === null ? device : `${name}, ${device}`)}
        >
          {words.signOut}
        </button>
      </Form>
    </li>
  )
}

function Parts({ parts }: { readonly parts: readonly (string | null)[] }) {
  return <>{parts.map(part => (part === null ? null : `${part} · `))}</>
}

function Everywhere({ words, proof }: { readonly words: Words; readonly proof: string }) {
  return (
    <section class="foot">
      <h2>{words.signOutEverywhere}</h2>
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
    <form class="search" method="get" action={ownPath('sessions')}>
      <input type="hidden" name="all" value="1" />
      <label for="q">{words.searchLabel}</label>
      <input id="q" name="q" type="search" value={value} maxlength={200} autocomplete="off" />
      <button class="act main" type="submit">
        {words.search}
      </button>
    </form>
  )
}

function More(props: { readonly words: Words; readonly search: string; readonly next: string | null }) {
  const { words, search, next } = props
  if (next === null) return null
  return (
    <p class="more">
      <a href={`${ownPath('sessions')}?${new URLSearchParams({ all: '1', q: search, after: next })}`}>
        {words.olderSessions}
      </a>
    </p>
  )
}

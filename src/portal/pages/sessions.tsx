/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import type { Session, SessionEntry } from '../../session/session.ts'
import { ownPath } from '../place.ts'
import { Document, Mark } from './layout.tsx'
import { detailOf, nameOf } from './person.ts'
import { agoOf } from './time.ts'

/** What the page shows. */
export interface SessionsView {
  readonly title: string
  readonly entries: readonly SessionEntry[]
  /** The session that looks at it. */
  readonly own: Session
  readonly nowMs: number
  /** Shows that a form came from this page. */
  readonly proof: string
  /** Whether this person may see everyone's. */
  readonly mayShowAll: boolean
  /** Everyone's sessions, of which these are the ones that were looked for; null: this person's own. */
  readonly all: { readonly search: string; readonly next: string | null } | null
}

/** Sessions with where, when and on what, and a way to end each. */
export function SessionsPage(view: SessionsView) {
  const { title, entries, all, mayShowAll } = view
  const heading = all === null ? 'Your sessions' : 'All sessions'
  return (
    <Document title={`${heading} · ${title}`}>
      <div class="hall">
        <header class="bar">
          <Mark />
          <span class="name">{title}</span>
          <nav aria-label="Account">
            <a href={ownPath('')}>Applications</a>
            {mayShowAll && all === null ? <a href={`${ownPath('sessions')}?all=1`}>All sessions</a> : null}
            {all === null ? null : <a href={ownPath('sessions')}>Your sessions</a>}
            <a href={ownPath('logout')}>Sign out</a>
          </nav>
        </header>
        <main>
          <h1>{heading}</h1>
          {all === null ? (
            <p class="soft">Where you are signed in. Sign out whatever you do not recognise.</p>
          ) : (
            <Search value={all.search} />
          )}
          {entries.length === 0 ? (
            <div class="empty">
              <p>Nobody is signed in who fits.</p>
            </div>
          ) : (
            <ul class="rows">
              {entries.map(entry => (
                <Row entry={entry} view={view} />
              ))}
            </ul>
          )}
          {all === null ? <Everywhere proof={view.proof} /> : <More {...all} />}
        </main>
      </div>
    </Document>
  )
}

function Row({ entry, view }: { readonly entry: SessionEntry; readonly view: SessionsView }) {
  const { session, agent, client, lastSeenMs } = entry
  const isThis = session.id === view.own.id
  const device = agent === '' ? 'Unknown device' : agent
  const name = nameOf(session.identity)
  return (
    <li class="row">
      <div>
        <h2>
          {view.all === null ? device : name} {isThis ? <span class="tag">This device</span> : null}
        </h2>
        <p class="soft small">
          {view.all === null ? null : <Words parts={[detailOf(session.identity), device]} />}
          <Words parts={[client === '' ? null : client]} />
          Signed in <Time atMs={session.createdAtMs} nowMs={view.nowMs} />, last used{' '}
          <Time atMs={isThis ? view.nowMs : lastSeenMs} nowMs={view.nowMs} />
        </p>
      </div>
      <Form proof={view.proof} act="end" id={session.id} all={view.all}>
        <button class="act" type="submit" aria-label={`Sign out ${view.all === null ? device : `${name}, ${device}`}`}>
          Sign out
        </button>
      </Form>
    </li>
  )
}

function Words({ parts }: { readonly parts: readonly (string | null)[] }) {
  return <>{parts.map(part => (part === null ? null : `${part} · `))}</>
}

function Time({ atMs, nowMs }: { readonly atMs: number; readonly nowMs: number }) {
  const iso = new Date(atMs).toISOString()
  return (
    <time datetime={iso} title={iso}>
      {agoOf(atMs, nowMs)}
    </time>
  )
}

function Everywhere({ proof }: { readonly proof: string }) {
  return (
    <section class="foot">
      <h2>Sign out everywhere</h2>
      <p class="soft small">Ends all of these, on this device too.</p>
      <Form proof={proof} act="end-all" all={null}>
        <button class="act" type="submit">
          Sign out everywhere
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

function Search({ value }: { readonly value: string }) {
  return (
    <form class="search" method="get" action={ownPath('sessions')}>
      <input type="hidden" name="all" value="1" />
      <label for="q">Name, e-mail, device or address</label>
      <input id="q" name="q" type="search" value={value} maxlength={200} autocomplete="off" />
      <button class="act main" type="submit">
        Search
      </button>
    </form>
  )
}

function More({ search, next }: { readonly search: string; readonly next: string | null }) {
  if (next === null) return null
  return (
    <p class="more">
      <a href={`${ownPath('sessions')}?${new URLSearchParams({ all: '1', q: search, after: next })}`}>Older sessions</a>
    </p>
  )
}

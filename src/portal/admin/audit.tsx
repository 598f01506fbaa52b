/** @jsxImportSource hono/jsx */

/** The page `audit`: the audit trail, for those with the admin role of their portal. */

import { type AuditEvent, EVENTS } from '../../audit/events.ts'
import { CSV_HEAD, csvLine, jsonLine } from '../../audit/export.ts'
import { type AuditRecord, FACTS } from '../../audit/record.ts'
import { type AuditSearch, findAudit, searchAudit } from '../../audit/search.ts'
import type { AuditStore } from '../../audit/store.ts'
import { showUnseen } from '../../base/control-characters.ts'
import { errorFacts, GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { Session, SessionEntry, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { menuOf } from '../account/menu.ts'
import { admitAdmin, hasPeople, stillSignedIn } from '../admins.ts'
import { fileAnswer, pageAnswer } from '../answer.ts'
import { type PersonalFormTools, proveForm, readPersonalForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { AdminTabs, Pages, type Tabs } from '../layout/admin-tabs.tsx'
import { nameOf } from '../layout/person.ts'
import { PICTURES } from '../layout/pictures.tsx'
import { dayNameOf, momentOf, timeOf, zoneOf } from '../layout/time.tsx'
import { type MenuEntry, SearchField, WidePage } from '../layout/wide-page.tsx'
import { isPortalHost, ownPath } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest, readQuery } from '../portal-request.ts'
import { leadToPortal } from '../sign-in/redirect-to-portal.ts'
import { describeAgent } from '../user-agent.ts'
import { EVENT_KINDS, type EventKindName, type Told } from '../words/admin/words.ts'
import type { Words } from '../words/words.ts'

/** The trail as a page reads it. */
interface Trail {
  readonly store: Pick<AuditStore, 'listAudit'>
  /** Whether rows are kept. */
  isKept(): boolean
  /** Whether the file has only one portal. Then its admins see events of the whole server. */
  isOfOnePortal(): boolean
  /** What people call the application at a route, by its id, or at a host; null where there is none of the portal. */
  nameOf(portal: string, place: string): string | null
}

export interface TrailTools extends PersonalFormTools, AuditTools {
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly sessions: Pick<Sessions, 'list' | 'describe'>
  readonly trail: Trail
}

/** Rows shown at a time, and how many are looked through for them before the rest waits for a click. */
const SHOWN = 50
const LOOKED_THROUGH = 20_000

/** So many of the latest sign-ins are looked at for what people are called. */
const NAMED = 100

/** Characters of a file that are sent at a time. */
const CHUNK = 16_384

/**
 * The audit trail of a portal, for those with its admin role: by `who`, `event` and `since`, a day.
 *
 * Only on the host where people sign in: elsewhere, an application's own scripts could read it. Throws `route.none` where the portal
 * has no admins, `access.denied`, `target.malformed`.
 */
export async function showAudit(ctx: PortalRequest, tools: TrailTools, session: Session): Promise<Response> {
  const away = leadToPortal(ctx, 'audit')
  if (away !== null) return away
  admitAdmin(ctx, session)
  const query = readQuery(ctx)
  const search = searchOf(ctx, tools, query)
  const after = query.get('after')
  if (after !== null && !/^[\d +-]{1,80}$/.test(after))
    throw new GateError('target.malformed', 'after is no address of a page of the audit trail')
  const [found, { entries }] = await Promise.all([
    findAudit(tools.trail.store, search, { after, limit: SHOWN, lookThrough: LOOKED_THROUGH }),
    tools.sessions.list(ctx.portal.name, { after: null, limit: NAMED }),
  ])
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const page = (
    <AuditPage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, 'admin')}
      tabs={{ here: 'audit', hasFile: tools.trail.isOfOnePortal(), hasPeople: hasPeople(ctx) }}
      isKept={tools.trail.isKept()}
      asked={{ who: search.who ?? '', event: search.event ?? '', since: query.get('since') ?? '' }}
      records={found.records}
      names={namesFrom(found.records, entries)}
      isFirst={after === null}
      next={found.next}
      placeOf={place => tools.trail.nameOf(ctx.portal.name, place)}
      nowMs={tools.ports.now()}
      proof={await proveForm(ctx, session, tools.seal)}
    />
  )
  return pageAnswer({ words, brand: ctx.portal.brand, page, sheet: 'admin' })
}

/**
 * Takes the form of that page, `act=json` or `act=csv`: everything that is looked for as a file, however much, and a row that says
 * that it was. It breaks off where its reader is an admin no more. Throws as `showAudit`, `access.origin`, and `access.sign_in`.
 */
export async function exportAudit(ctx: PortalRequest, tools: TrailTools, sender: Session): Promise<Response> {
  if (!isPortalHost(ctx)) throw new GateError('access.origin', 'the trail is exported on the portal’s own host')
  const form = await readPersonalForm(ctx, tools, sender)
  const session = await stillSignedIn(tools.sessions, sender)
  admitAdmin(ctx, session)
  const kind = form.get('act')
  if (kind !== 'json' && kind !== 'csv') throw new GateError('target.malformed', 'the form says neither json nor csv')
  const search = searchOf(ctx, tools, form)
  await tools.audit.keep('audit.exported', { ...askedFacts(ctx), ...sessionFacts(session) })
  const day = new Date(tools.ports.now()).toISOString().slice(0, 10)
  const [head, line, type, ending] =
    kind === 'json'
      ? (['', jsonLine, 'application/jsonl', 'jsonl'] as const)
      : ([CSV_HEAD, csvLine, 'text/csv; charset=utf-8', 'csv'] as const)
  const pieces = linesOf(tools.trail, search, head, line)
  return fileAnswer({
    bytes: whileAdmin(pieces, async () => admitAdmin(ctx, await stillSignedIn(tools.sessions, session))),
    type,
    name: `audit-${day}.${ending}`,
    onBreak(error) {
      tools.ports.log.warn('An export of the audit trail broke off', { id: ctx.requestId, ...errorFacts(error) })
    },
  })
}

/** The same pieces, as long as `admit` does not throw: who reads slowly may have been signed out for long. */
async function* whileAdmin(pieces: AsyncIterable<Uint8Array>, admit: () => Promise<void>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    await admit()
    yield piece
  }
}

async function* linesOf(
  { store }: Trail,
  search: AuditSearch,
  head: string,
  line: typeof jsonLine,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  let some = head
  for await (const record of searchAudit(store, search)) {
    some += line(record)
    if (some.length < CHUNK) continue
    yield encoder.encode(some)
    some = ''
  }
  if (some !== '') yield encoder.encode(some)
}

/** What is looked for; what is empty is left out. */
function searchOf({ portal }: PortalRequest, { trail }: TrailTools, fields: URLSearchParams): AuditSearch {
  const text = (name: string) => (fields.get(name) ?? '').trim().slice(0, 200) || null
  const since = text('since')
  const sinceMs = since === null ? null : Date.parse(since)
  if (sinceMs !== null && !(/^\d{4}-\d{2}-\d{2}$/.test(since ?? '') && Number.isFinite(sinceMs))) {
    throw new GateError('target.malformed', 'since is a day: 2026-11-24')
  }
  const within = { name: portal.name, includesGate: trail.isOfOnePortal() }
  return { who: text('who'), event: text('event'), sinceMs, portal: within }
}

/** What was asked for, as in the fields of the form. */
interface AskedOfTrail {
  readonly who: string
  readonly event: string
  readonly since: string
}

interface AuditView {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  readonly tabs: Tabs
  /** Whether rows are kept at all. */
  readonly isKept: boolean
  readonly asked: AskedOfTrail
  readonly records: readonly AuditRecord[]
  /** What people are called, by subject and provider. */
  readonly names: ReadonlyMap<string, ReadonlyMap<string, string>>
  /** Whether these are the newest. */
  readonly isFirst: boolean
  /** Where what is older begins; null at the end. */
  readonly next: string | null
  /** What people call what is at a route or host. */
  placeOf(place: string): string | null
  readonly nowMs: number
  readonly proof: string
}

/** Who did what, day by day, with a search form and a download as a file. */
function AuditPage(view: AuditView) {
  const { words, title, menu, tabs, isKept, asked, records, isFirst, next, proof } = view
  // A row may be written some time after its event.
  const inOrder = records.toSorted((a, b) => b.atMs - a.atMs)
  const days = Map.groupBy(inOrder, ({ atMs }) => dayNameOf(atMs, view.nowMs, words))
  return (
    <WidePage
      words={words}
      title={title}
      heading={words.auditTrail}
      menu={menu}
      beside={records.length === 0 && next === null ? undefined : <Export words={words} asked={asked} proof={proof} />}
    >
      <AdminTabs words={words} tabs={tabs} />
      {isKept ? null : (
        <p class="back soft">
          {words.auditOff} <code>[audit] keep = "90d"</code>
        </p>
      )}
      <Filters words={words} asked={asked} />
      {records.length === 0 && isKept ? <p class="none soft">{words.auditNothing}</p> : null}
      <Kinds records={records} />
      <div class="days" data-today={words.admin.today} data-yesterday={words.admin.yesterday}>
        {[...days].map(([day, ofDay]) => (
          <section class="part day" aria-label={day}>
            <h2>
              {day}
              <span class="count">{zoneOf(ofDay[0]?.atMs ?? view.nowMs, words)}</span>
            </h2>
            <ol class="items events">
              {runsOf(ofDay, view).map(run => (
                <Event view={view} {...run} />
              ))}
            </ol>
          </section>
        ))}
      </div>
      <Pages
        words={words}
        label={words.auditTrail}
        shown={null}
        before={isFirst ? null : auditAddress(asked, {})}
        beforeLabel={words.admin.auditNewest}
        after={next === null ? null : auditAddress(asked, { after: next })}
        afterLabel={words.auditOlder}
      />
    </WidePage>
  )
}

function auditAddress(asked: AskedOfTrail, more: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams({ ...asked, ...more })
  for (const [name, value] of [...query]) if (value === '') query.delete(name)
  return `${ownPath('audit')}${query.size === 0 ? '' : `?${query}`}`
}

function Filters({ words, asked }: Pick<AuditView, 'words' | 'asked'>) {
  const { admin } = words
  const isKind = asked.event === '' || EVENT_KINDS.some(kind => kind === asked.event)
  return (
    <search>
      {/* Folded on a narrow screen alone. */}
      <details class="narrow" open={Object.values(asked).some(one => one !== '')}>
        <summary>{admin.auditFind}</summary>
        <form class="filters" method="get" action={ownPath('audit')}>
          <SearchField name="who" value={asked.who} label={words.auditWho} />
          <select name="event" aria-label={admin.auditWhat}>
            <option value="">{admin.auditEverything}</option>
            {EVENT_KINDS.map(kind => (
              <option value={kind} selected={kind === asked.event}>
                {admin.auditKinds[kind]}
              </option>
            ))}
            {isKind ? null : (
              <option value={asked.event} selected>
                {asked.event}
              </option>
            )}
          </select>
          <label>
            <span class="soft">{words.auditSince}</span>
            <input name="since" type="date" value={asked.since} />
          </label>
          <button class="act" type="submit">
            {words.search}
          </button>
        </form>
      </details>
    </search>
  )
}

/** All that is looked for, beyond what one page shows. */
function Export({ words, asked, proof }: Pick<AuditView, 'words' | 'asked' | 'proof'>) {
  return (
    <form class="export" method="post" action={ownPath('audit')}>
      <input type="hidden" name="proof" value={proof} />
      {Object.entries(asked).map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      <button class="act" type="submit" name="act" value="json">
        {words.auditExport('JSON')}
      </button>
      <button class="act" type="submit" name="act" value="csv">
        {words.auditExport('CSV')}
      </button>
    </form>
  )
}

/**
 * What people are called, by their subjects: who did something to others is kept by the subject alone. A subject that several providers
 * have given to several people stands for none of them.
 */
function namesFrom(
  records: readonly AuditRecord[],
  entries: readonly SessionEntry[],
): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const names = new Map<string, Map<string, string>>()
  function note(subject: string, provider: string, name: string): void {
    const own = names.get(subject)
    if (own === undefined) names.set(subject, new Map([[provider, name]]))
    else own.set(provider, name)
  }
  for (const { facts } of records) {
    const { user, provider = '', name } = facts
    if (user !== undefined && name !== undefined) note(String(user), String(provider), String(name))
  }
  for (const { session } of entries.toReversed()) {
    const { subject, provider } = session.identity
    note(subject, provider, nameOf(session.identity))
  }
  return names
}

/** The kind of an event: the beginning of its name. */
function kindOf(event: AuditEvent): EventKindName {
  return EVENT_KINDS.find(kind => event.startsWith(kind)) ?? 'audit'
}

/** The pictures of what is on the page, once each: an event shows its own by name. */
function Kinds({ records }: { readonly records: readonly AuditRecord[] }) {
  return (
    <svg aria-hidden="true" hidden>
      {[...new Set(records.map(({ event }) => kindOf(event)))].map(kind => (
        <symbol id={`kind-${kind}`} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.700">
          <path d={PICTURES[kind]} stroke-linecap="round" stroke-linejoin="round" />
        </symbol>
      ))}
    </svg>
  )
}

/** Events, the newest first, that follow each other and are told in the same words. */
interface Run {
  readonly records: readonly [AuditRecord, ...AuditRecord[]]
  readonly sentence: string
  /** From where. */
  readonly from: string
}

function runsOf(records: readonly AuditRecord[], view: AuditView): readonly Run[] {
  const runs: Run[] = []
  for (const record of records) {
    const { agent, client } = record.facts
    const from = [agent === undefined ? '' : deviceOf(agent), client ?? ''].filter(part => part !== '').join(' · ')
    const sentence = sentenceOf(record.event, view, record)
    const last = runs.at(-1)
    const isSame = last !== undefined && last.sentence === sentence && last.from === from
    if (isSame && last.records[0].event === record.event)
      runs.splice(-1, 1, { ...last, records: [...last.records, record] })
    else runs.push({ records: [record], sentence, from })
  }
  return runs
}

/** Events of one kind: when the last was, a sentence, and from where; folded out, all that is kept of each, as it is exported. */
function Event({ view, records, sentence, from }: Run & { readonly view: AuditView }) {
  const { words } = view
  const [{ event, atMs }] = records
  const count = records.reduce((sum, { facts }) => sum + Number(facts.count ?? 1), 0)
  return (
    <li>
      <details class={EVENTS[event].level}>
        <summary>
          <time datetime={new Date(atMs).toISOString()} title={momentOf(atMs, words)}>
            {timeOf(atMs, words)}
          </time>
          <svg class="kind" aria-hidden="true">
            <use href={`#kind-${kindOf(event)}`} />
          </svg>
          <span class="said">
            {showUnseen(sentence)}
            {count < 2 ? null : <span class="tag">{words.times(count)}</span>}
          </span>
          <span class="soft">{showUnseen(from)}</span>
        </summary>
        {records.map(record => (
          <Kept view={view} record={record} isOne={records.length === 1} />
        ))}
      </details>
    </li>
  )
}

/** All that is kept of an event; of several with their time. */
function Kept(props: { readonly view: AuditView; readonly record: AuditRecord; readonly isOne: boolean }) {
  const { words, asked } = props.view
  const { event, facts, atMs } = props.record
  return (
    <dl lang="en">
      {props.isOne ? null : (
        <div>
          <dt>time</dt>
          <dd>{new Date(atMs).toISOString()}</dd>
        </div>
      )}
      <div>
        <dt>event</dt>
        <dd>
          <code>{event}</code>{' '}
          {asked.event === event ? null : (
            <a href={auditAddress({ ...asked, event }, {})} lang={words.lang}>
              {words.admin.auditOnly}
            </a>
          )}
        </dd>
      </div>
      {FACTS.filter(fact => facts[fact] !== undefined).map(fact => (
        <div>
          <dt>{fact}</dt>
          <dd>{showUnseen(String(facts[fact]))}</dd>
        </div>
      ))}
    </dl>
  )
}

function sentenceOf(event: AuditEvent, view: AuditView, { facts }: AuditRecord): string {
  const { words, names } = view
  const { user, name, by, provider, route, host, resource, role, program, number } = facts
  const place = route ?? resource ?? host
  function called(subject: string, from: string | undefined): string | null {
    const known = names.get(subject) ?? new Map<string, string>()
    const [only, ...others] = from === undefined ? known.values() : [known.get(from)]
    return others.length === 0 ? (only ?? null) : null
  }
  const told: Told = {
    who: user === undefined ? null : (called(String(user), provider?.toString()) ?? String(name ?? user)),
    by:
      by === undefined || by === 'operator' || by === 'provider' ? null : (called(String(by), undefined) ?? String(by)),
    isOperator: by === 'operator',
    at: place === undefined ? null : (view.placeOf(String(place)) ?? String(place)),
    role: String(role ?? ''),
    program: String(program ?? ''),
    number: number === undefined ? null : Number(number),
  }
  return words.admin.events[event](told)
}

/** A browser in a few words, as on other pages; what is none, to the letter. */
function deviceOf(agent: string | number): string {
  const text = String(agent)
  return text.startsWith('Mozilla/5.0 (') ? describeAgent(text) : text
}

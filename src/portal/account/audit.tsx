/** @jsxImportSource hono/jsx */

/** The page `audit`: the audit trail, for those with the admin role of their portal. */

import { EVENT_NAMES } from '../../audit/events.ts'
import { CSV_HEAD, csvLine, jsonLine } from '../../audit/export.ts'
import { type AuditRecord, FACTS, type FactName } from '../../audit/record.ts'
import { type AuditSearch, findAudit, searchAudit } from '../../audit/search.ts'
import type { AuditStore } from '../../audit/store.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { showUnseen } from '../../base/visible.ts'
import type { Session } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { fileAnswer, pageAnswer } from '../answer.ts'
import { type PersonalFormTools, proveForm, readPersonalForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { Time } from '../pages/time.tsx'
import { type MenuEntry, WidePage } from '../pages/wide-page.tsx'
import { isPortalHost, ownPath } from '../place.ts'
import { type AuditTools, askedFacts, type PortalRequest, readQuery } from '../portal.ts'
import { leadToPortal } from '../sign-in/to-portal.ts'
import { describeAgent } from '../user-agent.ts'
import type { Words } from '../words/words.ts'
import { isAdmin } from './admins.ts'
import { menuOf } from './menu.ts'

/** The trail as a page reads it. */
interface Trail {
  readonly store: Pick<AuditStore, 'listAudit'>
  /** Whether rows are kept. */
  isKept(): boolean
  /** Whether the file has only one portal. Then its admins see events of the whole server. */
  isOfOnePortal(): boolean
}

export interface TrailTools extends PersonalFormTools, AuditTools {
  readonly ports: Pick<Ports, 'now'>
  readonly trail: Trail
}

/** Rows shown at a time, and how many are looked through for them before the rest waits for a click. */
const SHOWN = 50
const LOOKED_THROUGH = 20_000

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
  checkAdmin(ctx, session)
  const query = readQuery(ctx)
  const search = searchOf(ctx, tools, query)
  const after = query.get('after')
  if (after !== null && !/^[\d +-]{1,80}$/.test(after))
    throw new GateError('target.malformed', 'after is no place of ours')
  const found = await findAudit(tools.trail.store, search, { after, limit: SHOWN, lookThrough: LOOKED_THROUGH })
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const page = (
    <AuditPage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, 'admin')}
      isKept={tools.trail.isKept()}
      asked={{ who: search.who ?? '', event: search.event ?? '', since: query.get('since') ?? '' }}
      records={found.records}
      next={found.next}
      nowMs={tools.ports.now()}
      proof={await proveForm(ctx, session, tools.seal)}
    />
  )
  return pageAnswer(words, ctx.portal.brand, page, 200)
}

/**
 * Takes the form of that page, `act=json` or `act=csv`: everything that is looked for as a file, however much, and a row that says
 * that it was. Throws as `showAudit`, and `access.origin`.
 */
export async function exportAudit(ctx: PortalRequest, tools: TrailTools, session: Session): Promise<Response> {
  if (!isPortalHost(ctx)) throw new GateError('access.origin', 'the trail is exported on the portal’s own host')
  const form = await readPersonalForm(ctx, tools, session)
  checkAdmin(ctx, session)
  const kind = form.get('act')
  if (kind !== 'json' && kind !== 'csv') throw new GateError('target.malformed', 'the form says neither json nor csv')
  const search = searchOf(ctx, tools, form)
  await tools.audit.keep('audit.exported', { ...askedFacts(ctx), ...sessionFacts(session) })
  const day = new Date(tools.ports.now()).toISOString().slice(0, 10)
  return kind === 'json'
    ? fileAnswer(linesOf(tools, search, '', jsonLine), 'application/jsonl', `audit-${day}.jsonl`)
    : fileAnswer(linesOf(tools, search, CSV_HEAD, csvLine), 'text/csv; charset=utf-8', `audit-${day}.csv`)
}

async function* linesOf(
  { trail }: TrailTools,
  search: AuditSearch,
  head: string,
  line: typeof jsonLine,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  let some = head
  for await (const record of searchAudit(trail.store, search)) {
    some += line(record)
    if (some.length < CHUNK) continue
    yield encoder.encode(some)
    some = ''
  }
  if (some !== '') yield encoder.encode(some)
}

function checkAdmin(ctx: PortalRequest, session: Session): void {
  if (ctx.portal.adminRole === null) throw new GateError('route.none', 'this portal has no admin_role')
  if (!isAdmin(ctx, session)) throw new GateError('access.denied', 'the portal’s admin role is missing')
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
  /** Whether rows are kept at all. */
  readonly isKept: boolean
  readonly asked: AskedOfTrail
  readonly records: readonly AuditRecord[]
  /** Where what is older begins; null at the end. */
  readonly next: string | null
  readonly nowMs: number
  readonly proof: string
}

/** Who did what, with a search form and a download as a file. */
function AuditPage({ words, title, menu, isKept, asked, records, next, nowMs, proof }: AuditView) {
  return (
    <WidePage words={words} title={title} heading={words.auditTrail} menu={menu}>
      {isKept ? null : (
        <p class="soft">
          {words.auditOff} <code>[audit] keep = "90d"</code>
        </p>
      )}
      <search>
        <form class="fields" method="get" action={ownPath('audit')}>
          <div class="wide">
            <label for="who">{words.auditWho}</label>
            <input id="who" name="who" type="search" value={asked.who} maxlength={200} autocomplete="off" />
          </div>
          <div>
            <label for="event">{words.auditEvent}</label>
            <select id="event" name="event">
              <option value="">{words.auditAny}</option>
              {EVENT_NAMES.map(name => (
                <option value={name} selected={name === asked.event}>
                  {name}
                </option>
              ))}
            </select>
          </div>
          <div>
            <label for="since">{words.auditSince}</label>
            <input id="since" name="since" type="date" value={asked.since} />
          </div>
          <button class="act main" type="submit">
            {words.search}
          </button>
        </form>
      </search>
      {records.length > 0 ? (
        <ul class="rows">
          {records.map(record => (
            <Row words={words} record={record} nowMs={nowMs} />
          ))}
        </ul>
      ) : isKept ? (
        <div class="empty">
          <p>{words.auditNothing}</p>
        </div>
      ) : null}
      {next === null ? null : (
        <p class="more">
          <a href={`${ownPath('audit')}?${new URLSearchParams({ ...asked, after: next })}`}>{words.auditOlder}</a>
        </p>
      )}
      {records.length === 0 && next === null ? null : <Export words={words} asked={asked} proof={proof} />}
    </WidePage>
  )
}

/** All that is looked for, beyond what one page shows. */
function Export({ words, asked, proof }: Pick<AuditView, 'words' | 'asked' | 'proof'>) {
  return (
    <form class="search" method="post" action={ownPath('audit')}>
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

/** What the heading of a row says already. */
const ABOVE: readonly FactName[] = ['user', 'name', 'count']

function Row({
  words,
  record,
  nowMs,
}: {
  readonly words: Words
  readonly record: AuditRecord
  readonly nowMs: number
}) {
  const { event, facts, atMs } = record
  const { user, name, count } = facts
  const who = new Set([name, user].filter(one => one !== undefined))
  return (
    <li class="row">
      <div>
        <h2>
          <code>{event}</code> {count === undefined ? null : <span class="tag">{words.times(Number(count))}</span>}
        </h2>
        {who.size === 0 ? null : <p class="small">{[...who].map(one => showUnseen(String(one))).join(' · ')}</p>}
        <p class="soft small">
          {FACTS.filter(fact => facts[fact] !== undefined && !ABOVE.includes(fact))
            .map(fact => `${fact}: ${showUnseen(fact === 'agent' ? deviceOf(facts.agent) : String(facts[fact]))}`)
            .join(' · ')}
        </p>
      </div>
      <span class="soft small">
        <Time words={words} atMs={atMs} nowMs={nowMs} />
      </span>
    </li>
  )
}

/** A browser in a few words, as on other pages; what is none, to the letter. */
function deviceOf(agent: unknown): string {
  const text = String(agent)
  return text.startsWith('Mozilla/5.0 (') ? describeAgent(text) : text
}

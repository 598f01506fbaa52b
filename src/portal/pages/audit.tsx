/** @jsxImportSource hono/jsx */
import { EVENT_NAMES } from '../../audit/events.ts'
import { type AuditRecord, FACTS, type FactName } from '../../audit/record.ts'
import { showUnseen } from '../../base/visible.ts'
import { ownPath } from '../place.ts'
import { describeAgent } from '../user-agent.ts'
import type { Words } from '../words/words.ts'
import { Time } from './time.tsx'
import { type MenuEntry, WidePage } from './wide-page.tsx'

/** What was asked for, as in the fields of the form. */
interface AskedOfTrail {
  readonly who: string
  readonly event: string
  readonly since: string
}

export interface AuditView {
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

/** Who did what, with what it may be looked for by, and as a file. */
export function AuditPage({ words, title, menu, isKept, asked, records, next, nowMs, proof }: AuditView) {
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

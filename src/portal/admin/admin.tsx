/** @jsxImportSource hono/jsx */

/** The page `admin`: the gate at one look, for those with the admin role of their portal. */

import type { Child } from 'hono/jsx'
import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { REASONS } from '../../policy/reasons.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, SessionEntry, Sessions } from '../../session/session.ts'
import { menuOf } from '../account/menu.ts'
import { admitAdmin, hasPeople } from '../admins.ts'
import { pageAnswer } from '../answer.ts'
import { type FormTools, proveForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { Requests, type RequestsView } from '../layout/access-requests.tsx'
import { AdminTabs, Health, Line, Part } from '../layout/admin-tabs.tsx'
import { detailOf, hasSeveral, nameOf } from '../layout/person.ts'
import { Clock, Moment, Said, Time } from '../layout/time.tsx'
import { type MenuEntry, WidePage } from '../layout/wide-page.tsx'
import { ownPath } from '../paths.ts'
import { type PortalRequest, readQuery } from '../portal-request.ts'
import { leadToPortal } from '../sign-in/redirect-to-portal.ts'
import type { Words } from '../words/words.ts'
import {
  ACTIVE_MINUTES,
  countSessions,
  type DenialView,
  type Overview,
  type RouteView,
  type SessionCounts,
} from './overview.ts'
import {
  isDown,
  needsAttention,
  Refuses,
  type RoutesAsked,
  RoutesTable,
  readRoutesAsked,
  routeAddress,
} from './routes-table.tsx'

export interface AdminTools extends FormTools {
  readonly ports: Pick<Ports, 'now'>
  readonly sessions: Sessions & { readonly grants: Pick<Grants, 'list'> }
  /** What an admin of the portal with this name may see of the gate. */
  overview(portal: string): MaybePromise<Overview>
}

/**
 * What needs attention, then the requests for access, the sessions, the routes and all that the gate depends on, for admins of the
 * portal.
 *
 * Only on the host where users sign in: elsewhere, an application's scripts could read it. Loading it changes nothing.
 *
 * Throws `route.none` where the portal has no admins, `access.denied` for a user who is not an admin, `session.store`.
 */
export async function showAdmin(ctx: PortalRequest, tools: AdminTools, session: Session): Promise<Response> {
  if (ctx.portal.adminRole === null) throw new GateError('route.none', 'this portal has no admin_role')
  const away = leadToPortal(ctx, 'admin')
  if (away !== null) return away
  admitAdmin(ctx, session)
  const [survey, overview, requests] = await Promise.all([
    countSessions(tools.sessions, ctx.portal, tools.ports.now()),
    tools.overview(ctx.portal.name),
    requestsFor(ctx, tools, session),
  ])
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const page = (
    <AdminPage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, 'admin')}
      hasSeveral={hasSeveral(ctx.portal)}
      survey={survey}
      overview={overview}
      requests={requests}
      hasPeople={hasPeople(ctx)}
      asked={readRoutesAsked(readQuery(ctx))}
      nowMs={tools.ports.now()}
    />
  )
  return pageAnswer({ words, brand: ctx.portal.brand, page, scope: 'asks', script: 'live-table', sheet: 'admin' })
}

async function requestsFor(ctx: PortalRequest, tools: AdminTools, session: Session): Promise<RequestsView | null> {
  if (ctx.portal.requests === null) return null
  const [{ requests, grants }, proof] = await Promise.all([
    tools.sessions.grants.list(ctx.portal.name),
    proveForm(ctx, session, tools.seal),
  ])
  return { requests, grants, own: session.identity, proof }
}

/** What the page shows. */
interface AdminView {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  /** Whether each person is shown with their provider. */
  readonly hasSeveral: boolean
  readonly survey: SessionCounts
  readonly overview: Overview
  /** Null where users cannot request access. */
  readonly requests: RequestsView | null
  /** Whether there is a page of users. */
  readonly hasPeople: boolean
  /** What of the table of routes is wanted. */
  readonly asked: RoutesAsked
  readonly nowMs: number
}

/** The overview: what needs attention, figures, requests for access, routes, and the state of everything behind Sallyport. */
export function AdminPage(view: AdminView) {
  const { words, title, menu, hasSeveral, survey, overview, requests, asked, nowMs } = view
  const { routes, providers, config, processes } = overview
  const hasRequests = requests !== null && requests.requests.length + requests.grants.length > 0
  return (
    <WidePage words={words} title={title} heading={words.administration} menu={menu}>
      <AdminTabs words={words} tabs={{ here: 'admin', hasFile: config.path !== null, hasPeople: view.hasPeople }} />
      <Attention words={words} overview={overview} nowMs={nowMs} />
      <Figures words={words} survey={survey} overview={overview} requests={requests} nowMs={nowMs} />
      {hasRequests ? (
        <Part heading={words.accessRequests} id="requests">
          <Requests words={words} view={requests} nowMs={nowMs} />
        </Part>
      ) : null}
      <Part heading={words.routes} id="routes" count={numberOf(routes.length, words)}>
        <RoutesTable words={words} routes={routes} asked={asked} nowMs={nowMs} />
      </Part>
      <div class="columns">
        <div>
          <Part heading={words.turnedAway} id="turned-away" isFolded>
            <TurnedAway words={words} overview={overview} nowMs={nowMs} />
          </Part>
          <Part heading={words.configuration} id="configuration" isFolded>
            <Configuration words={words} config={config} nowMs={nowMs} />
          </Part>
        </div>
        <div>
          <Part
            heading={words.admin.latestSignIns}
            id="last-active"
            isFolded
            beside={<a href={`${ownPath('sessions')}?all=1`}>{words.allSessions}</a>}
          >
            <ul class="items">
              {survey.latest.map(entry => (
                <Person words={words} entry={entry} hasSeveral={hasSeveral} nowMs={nowMs} />
              ))}
            </ul>
          </Part>
          {providers.length === 0 ? null : (
            <Part heading={words.providers} id="providers" isFolded>
              <ul class="items">
                {providers.map(provider => (
                  <Provider words={words} provider={provider} nowMs={nowMs} />
                ))}
              </ul>
            </Part>
          )}
          <Certificates words={words} overview={overview} nowMs={nowMs} />
        </div>
      </div>
      {processes.all === 1 ? null : <p class="soft small">{words.heardOf(processes.heard, processes.all)}</p>}
    </WidePage>
  )
}

function numberOf(value: number, { lang }: Words): string {
  return new Intl.NumberFormat(lang).format(value)
}

/** Certificates that end so soon were due to be replaced. */
const SOON_MS = 14 * 86_400_000

function endsSoon({ endsAtMs }: Overview['certificates'][number], nowMs: number): boolean {
  return endsAtMs - nowMs < SOON_MS
}

/** So many of a kind are listed; the table has the others. */
const MOST_OF_A_KIND = 5

/** What an admin should look at first, each with where; a calm line where nothing is. */
function Attention({ words, overview, nowMs }: Pick<AdminView, 'words' | 'overview' | 'nowMs'>) {
  const { routes, providers, config, certificates, awaited } = overview
  const broken = routes.filter(needsAttention)
  const lines: Child[] = [
    isRefused(config) ? <RefusedFile words={words} config={config} /> : null,
    ...broken.slice(0, MOST_OF_A_KIND).map(route => (
      <Line
        title={<a href={routeAddress(route)}>{route.name}</a>}
        end={route.refusal === null ? <Health state={route.state} text={words.admin.states[route.state]} /> : undefined}
      >
        {route.refusal === null ? (
          <p class="soft small">
            {route.origins
              .filter(isDown)
              .map(({ address }) => address)
              .join(', ')}
          </p>
        ) : (
          <Refuses words={words} refusal={route.refusal} />
        )}
      </Line>
    )),
    broken.length <= MOST_OF_A_KIND ? null : (
      <Line
        title={
          <a href={`${ownPath('admin')}?show=attention#routes`}>{words.andMore(broken.length - MOST_OF_A_KIND)}</a>
        }
      />
    ),
    ...providers
      .filter(({ state }) => state.kind === 'fails')
      .map(provider => <Provider words={words} provider={provider} nowMs={nowMs} />),
    ...certificates
      .filter(one => endsSoon(one, nowMs))
      .slice(0, MOST_OF_A_KIND)
      .map(one => <Certificate words={words} certificate={one} nowMs={nowMs} />),
    awaited.length === 0 ? null : <Line title={words.admin.awaited(awaited.join(', '))} />,
    ...config.otherFiles.map(({ name, sinceMs }) => (
      <Line title={words.otherFile(name)}>
        <p class="soft small">
          {`${words.inForceSince} `}
          <Time words={words} atMs={sinceMs} nowMs={nowMs} />
        </p>
      </Line>
    )),
    config.needsRestart.length === 0 ? null : (
      <Line title={words.admin.restart}>
        <p class="small">
          <code>{config.needsRestart.join(', ')}</code>
        </p>
      </Line>
    ),
  ].filter(line => line !== null)
  if (lines.length === 0) return <p class="calm health up">{words.allAnswers}</p>
  return (
    <section class="alert attention" aria-label={words.needsAttention}>
      <h2>{words.needsAttention}</h2>
      <ul class="items">{lines}</ul>
    </section>
  )
}

function isRefused({ mistakeCount, onDisk }: Overview['config']): boolean {
  return mistakeCount > 0 || onDisk === 'lost'
}

/** A save that is not in force, and what is wrong with it. */
function RefusedFile({ words, config }: Pick<ConfigurationView, 'words' | 'config'>) {
  const { mistakeCount, mistakes, path } = config
  return (
    <Line
      title={mistakeCount > 0 ? words.saveRefused(mistakeCount) : words.onDisk.lost}
      end={path === null ? undefined : <a href={ownPath('file')}>{words.configuration}</a>}
    >
      {mistakes.length === 0 ? null : (
        <ul class="small" lang="en">
          {mistakes.map(mistake => (
            <li>{mistake}</li>
          ))}
        </ul>
      )}
    </Line>
  )
}

function Figures({
  words,
  survey,
  overview,
  requests,
  nowMs,
}: Omit<AdminView, 'title' | 'menu' | 'asked' | 'hasSeveral' | 'hasPeople'>) {
  const { routes, config, certificates, awaited } = overview
  const { admin } = words
  const asked = routes.filter(({ state }) => state !== 'own')
  const bad = asked.filter(needsAttention).length
  const up = asked.filter(({ state, refusal }) => state === 'up' && refusal === null).length
  const unknown = asked.length - bad - up
  const [first] = certificates
  const number = (value: number) => numberOf(value, words)
  const days = first === undefined ? 0 : Math.floor((first.endsAtMs - nowMs) / 86_400_000)
  return (
    <ul class="figures">
      <Figure
        name={words.applications}
        value={admin.ofAll(number(up), number(asked.length))}
        note={bad > 0 ? admin.failing(bad) : unknown > 0 ? admin.unknownCount(unknown) : admin.allRun}
        to={bad > 0 ? `${ownPath('admin')}?show=attention#routes` : '#routes'}
      />
      <Figure
        name={words.sessions}
        value={number(survey.sessions)}
        note={
          <>
            {survey.people === null || survey.active === null
              ? admin.manySessions
              : admin.peopleActive(survey.people, survey.active, ACTIVE_MINUTES)}
            {survey.bound === null ? null : (
              <>
                <br />
                {admin.bound(survey.bound, survey.looked - survey.bound, survey.looked === survey.sessions)}
              </>
            )}
          </>
        }
        to={`${ownPath('sessions')}?all=1`}
      />
      {requests === null ? null : (
        <Figure
          name={words.accessRequests}
          value={number(requests.requests.length)}
          note={requests.requests.length === 0 ? words.nobodyAsks : admin.waiting(requests.requests.length)}
          to={requests.requests.length + requests.grants.length > 0 ? '#requests' : null}
          isNews={requests.requests.length > 0}
        />
      )}
      {certificates.length + awaited.length === 0 ? null : (
        <Figure
          name={admin.certificates}
          value={first === undefined ? '–' : admin.days(days)}
          note={
            first === undefined ? (
              admin.awaited(awaited.join(', '))
            ) : (
              <Said say={admin.firstEnds}>
                <Moment words={words} atMs={first.endsAtMs} show="day" />
              </Said>
            )
          }
          to="#certificates"
          isBad={awaited.length > 0 || certificates.some(one => endsSoon(one, nowMs))}
        />
      )}
      <Figure
        name={words.configuration}
        value={isRefused(config) ? admin.notInForce : words.fileInForce}
        note={
          <Said say={admin.since}>
            <Clock words={words} atMs={config.inForceSinceMs} nowMs={nowMs} />
          </Said>
        }
        to={config.path === null ? '#configuration' : ownPath('file')}
        isBad={isRefused(config)}
      />
    </ul>
  )
}

function Figure(props: {
  readonly name: string
  readonly value: string
  readonly note: Child
  /** Null: it leads nowhere. */
  readonly to: string | null
  readonly isBad?: boolean
  readonly isNews?: boolean
}) {
  const { name, value, note, to, isBad = false, isNews = false } = props
  const inside = (
    <>
      <span class="soft">{name}</span>
      <strong>{value}</strong>
      <span class="note">{note}</span>
    </>
  )
  const look = `figure${isBad ? ' bad' : isNews ? ' news' : ''}`
  return (
    <li>
      {to === null ? (
        <div class={look}>{inside}</div>
      ) : (
        <a class={look} href={to}>
          {inside}
        </a>
      )}
    </li>
  )
}

function Provider(props: { words: Words; provider: Overview['providers'][number]; nowMs: number }) {
  const { words, nowMs } = props
  const { label, issuer, state } = props.provider
  return (
    <Line
      title={label}
      end={
        <Health
          state={state.kind === 'answers' ? 'up' : state.kind === 'fails' ? 'down' : 'unknown'}
          text={words.providerStates[state.kind]}
        >
          {state.kind === 'unasked' ? null : (
            <>
              {' · '}
              <Time words={words} atMs={state.kind === 'answers' ? state.atMs : state.sinceMs} nowMs={nowMs} />
            </>
          )}
        </Health>
      }
    >
      <p class="soft small">{issuer}</p>
    </Line>
  )
}

/** So many certificates are shown: of those that end first. */
const CERTIFICATES_SHOWN = 8

function Certificates({ words, overview, nowMs }: Pick<AdminView, 'words' | 'overview' | 'nowMs'>) {
  const { certificates, awaited } = overview
  if (certificates.length + awaited.length === 0) return null
  return (
    <Part heading={words.admin.certificates} id="certificates" count={numberOf(certificates.length, words)}>
      <ul class="items">
        {awaited.slice(0, CERTIFICATES_SHOWN).map(name => (
          <Line title={name} end={<Health state="down" text={words.admin.notYet} />} />
        ))}
        {certificates.slice(0, CERTIFICATES_SHOWN).map(one => (
          <Certificate words={words} certificate={one} nowMs={nowMs} />
        ))}
      </ul>
      {certificates.length <= CERTIFICATES_SHOWN ? null : (
        <p class="soft small">{words.andMore(certificates.length - CERTIFICATES_SHOWN)}</p>
      )}
    </Part>
  )
}

function Certificate(props: { words: Words; certificate: Overview['certificates'][number]; nowMs: number }) {
  const { words, certificate, nowMs } = props
  const { names, endsAtMs } = certificate
  const [name = '', ...others] = names
  const state = endsAtMs <= nowMs ? 'down' : endsSoon(certificate, nowMs) ? 'partly' : 'up'
  return (
    <Line
      title={name}
      end={
        <Health
          state={state}
          text={
            <Said say={state === 'down' ? words.admin.certificateEnded : words.admin.certificateUntil}>
              <Moment words={words} atMs={endsAtMs} show="day" />
            </Said>
          }
        />
      }
    >
      {others.length === 0 ? null : <p class="soft small">{others.join(', ')}</p>}
    </Line>
  )
}

function Person({
  words,
  entry,
  hasSeveral,
  nowMs,
}: {
  words: Words
  entry: SessionEntry
  hasSeveral: boolean
  nowMs: number
}) {
  const { identity } = entry.session
  const parts = [
    detailOf(identity),
    hasSeveral ? identity.provider : null,
    entry.agent.replace(' on ', ` ${words.on} `),
    entry.client,
  ]
  return (
    <Line title={nameOf(identity)} end={<Time words={words} atMs={entry.session.createdAtMs} nowMs={nowMs} />}>
      <p class="soft small">{parts.filter(part => part !== null && part !== '').join(' · ')}</p>
    </Line>
  )
}

/** Denials that are read at one look, and how many more can be folded out. */
const DENIALS_SHOWN = 6
const DENIALS_KEPT = 25

function TurnedAway({ words, overview, nowMs }: Pick<AdminView, 'words' | 'overview' | 'nowMs'>) {
  const { denials, routes } = overview
  if (denials.length === 0) return <p class="soft">{words.nobodyTurnedAway}</p>
  const rest = denials.slice(DENIALS_SHOWN, DENIALS_KEPT)
  const known = new Map(routes.map(route => [route.id, route]))
  const show = (some: readonly DenialView[]) => (
    <ul class="items">
      {some.map(denial => (
        <Denied words={words} denial={denial} route={known.get(denial.route) ?? null} nowMs={nowMs} />
      ))}
    </ul>
  )
  return (
    <>
      {show(denials.slice(0, DENIALS_SHOWN))}
      {rest.length === 0 ? null : (
        <details>
          <summary>{words.andMore(rest.length)}</summary>
          {show(rest)}
        </details>
      )}
    </>
  )
}

function Denied(props: { words: Words; denial: DenialView; route: RouteView | null; nowMs: number }) {
  const { words, denial, route, nowMs } = props
  const { user, count, reason, needs, groups, client, method, id } = denial
  const roles = reason === 'role.missing' ? rolesOf(needs, words) : null
  return (
    <Line
      title={
        <>
          {words.admin.deniedAt(user ?? words.admin.somebody, route?.name ?? denial.route)}{' '}
          {count === 1 ? null : <span class="tag">{words.times(count)}</span>}
        </>
      }
      end={<Time words={words} atMs={denial.atMs} nowMs={nowMs} />}
    >
      {roles === null ? (
        <p class="small sentence" lang="en">
          {REASONS[reason].why}
        </p>
      ) : (
        <p class="small">{words.admin.needsRole(roles)}</p>
      )}
      <details class="fold small">
        <summary>{words.details}</summary>
        <p lang="en">
          {REASONS[reason].why}
          {needs === null ? null : `; needs: ${needs}`}
          {groups === null ? null : `; ${groups}`}
        </p>
        <p class="soft">
          {[client, method, reason].join(' · ')}
          {` · ${words.reference} `}
          <code>{id}</code>
        </p>
      </details>
    </Line>
  )
}

/** The roles of which one is enough, out of what `explain` says is needed: "user or admin"; null where it is anything else. */
export function rolesOf(needs: string | null, { lang }: Words): string | null {
  const roles = /^role (.+)$/.exec(needs ?? '')?.[1]?.split(/, or | or |, /)
  if (roles === undefined || !roles.every(role => /^[\w.-]+$/.test(role))) return null
  return new Intl.ListFormat(lang, { type: 'disjunction' }).format(roles)
}

interface ConfigurationView {
  readonly words: Words
  readonly config: Overview['config']
  readonly nowMs: number
}

/** Which file is current, since when, and how the one on disk differs from it. */
function Configuration({ words, config, nowMs }: ConfigurationView) {
  const { path, inForceSinceMs, onDisk, mistakeCount } = config
  return (
    <ul class="items">
      <Line
        title={path === null ? words.fileInForce : <code>{path}</code>}
        end={path === null ? undefined : <a href={ownPath('file')}>{words.fileShow}</a>}
      >
        <p class="soft small">
          {`${words.inForceSince} `}
          <Time words={words} atMs={inForceSinceMs} nowMs={nowMs} />
          {onDisk === 'refused' || onDisk === 'lost' ? null : ` · ${words.onDisk[onDisk]}`}
          {mistakeCount === 0 ? null : ` · ${words.saveRefused(mistakeCount)}`}
        </p>
      </Line>
    </ul>
  )
}

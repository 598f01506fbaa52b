/** @jsxImportSource hono/jsx */

/** The page `admin`: the gate at one look, for those with the admin role of their portal. */

import type { Child } from 'hono/jsx'
import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { REASONS } from '../../policy/reasons.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, SessionEntry, Sessions } from '../../session/session.ts'
import { pageAnswer } from '../answer.ts'
import { type FormTools, proveForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import type { DenialView, Overview } from '../overview.ts'
import { detailOf, hasSeveral, nameOf } from '../pages/person.ts'
import { Requests, type RequestsView } from '../pages/requests.tsx'
import { Time } from '../pages/time.tsx'
import { type MenuEntry, WidePage } from '../pages/wide-page.tsx'
import { ownPath } from '../place.ts'
import type { PortalRequest } from '../portal.ts'
import { ACTIVE_MINUTES, countSessions, type SessionCounts } from '../session-counts.ts'
import { leadToPortal } from '../sign-in/to-portal.ts'
import type { Words } from '../words/words.ts'
import { Health, isDown, Route } from './admin-routes.tsx'
import { isAdmin } from './admins.ts'
import { menuOf } from './menu.ts'
import { hasPeople } from './people.tsx'

export interface AdminTools extends FormTools {
  readonly ports: Pick<Ports, 'now'>
  readonly sessions: Sessions & { readonly grants: Pick<Grants, 'list'> }
  /** What an admin of the portal with this name may see of the gate. */
  overview(portal: string): MaybePromise<Overview>
}

/**
 * The active sessions, the refusals, the requests for access, the routes and the state of their applications, for
 * admins of the portal.
 *
 * Only on the host where users sign in: elsewhere, an application's scripts could read it. Loading it changes nothing.
 *
 * Throws `route.none` where the portal has no admins, `access.denied` for a user who is not an admin, `session.store`.
 */
export async function showAdmin(ctx: PortalRequest, tools: AdminTools, session: Session): Promise<Response> {
  if (ctx.portal.adminRole === null) throw new GateError('route.none', 'this portal has no admin_role')
  const away = leadToPortal(ctx, 'admin')
  if (away !== null) return away
  if (!isAdmin(ctx, session)) throw new GateError('access.denied', 'the portal’s admin role is missing')
  const nowMs = tools.ports.now()
  const [survey, overview, requests] = await Promise.all([
    countSessions(tools.sessions, ctx.portal.name, nowMs),
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
      nowMs={nowMs}
    />
  )
  return pageAnswer(words, ctx.portal.brand, page, 200)
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
  readonly nowMs: number
}

/** So many are read at one look. */
const DENIALS_SHOWN = 25
const ROUTES_SHOWN = 200

/** The overview: sessions, refusals, requests for access, and the state of everything behind Sallyport. */
export function AdminPage(view: AdminView) {
  const { words, title, menu, hasSeveral, survey, overview, requests, nowMs } = view
  const { denials, routes, providers, config, processes } = overview
  const down = new Set(routes.flatMap(({ origins }) => origins.filter(isDown).map(({ address }) => address))).size
  const count = (value: number) => new Intl.NumberFormat(words.lang).format(value)
  const broken = routes.filter(route => route.refusal !== null || route.origins.some(isDown))
  const failing = providers.filter(({ state }) => state.kind === 'fails')
  const isRefused = config.mistakeCount > 0 || config.onDisk === 'lost'
  return (
    <WidePage words={words} title={title} heading={words.administration} menu={menu}>
      {processes.all === 1 ? null : <p class="soft">{words.heardOf(processes.heard, processes.all)}</p>}
      <nav class="jumps" aria-label={words.onThisPage}>
        {PARTS.filter(part => part !== 'requests' || requests !== null).map(part => (
          <a href={`#${part}`}>{headingOf(words, part)}</a>
        ))}
      </nav>
      {broken.length + failing.length === 0 && !isRefused ? (
        <p class="soft fine">{words.allAnswers}</p>
      ) : (
        <Part heading={words.needsAttention}>
          {isRefused ? <Configuration words={words} config={config} nowMs={nowMs} /> : null}
          {broken.length + failing.length === 0 ? null : (
            <ul class="rows">
              {broken.slice(0, ROUTES_SHOWN).map(route => (
                <Route words={words} route={route} />
              ))}
              {failing.map(provider => (
                <Provider words={words} provider={provider} nowMs={nowMs} />
              ))}
            </ul>
          )}
        </Part>
      )}
      <dl class="tiles">
        <Tile name={words.sessions} value={`${count(survey.sessions)}${survey.hasMore ? '+' : ''}`} />
        <Tile name={words.people} value={`${count(survey.people)}${survey.hasMore ? '+' : ''}`} />
        <Tile name={words.activeLately(ACTIVE_MINUTES)} value={count(survey.active)} />
        <Tile name={words.notAnswering} value={count(down)} isBad={down > 0} />
      </dl>
      {requests === null ? null : (
        <Part heading={words.accessRequests} id="requests">
          <Requests words={words} view={requests} nowMs={nowMs} />
        </Part>
      )}
      <p class="more">
        <a class="act" href={ownPath('audit')}>
          {words.auditTrail}
        </a>
        {view.hasPeople ? (
          <a class="act" href={ownPath('people')}>
            {words.passkeys.people}
          </a>
        ) : null}
      </p>
      <Part heading={words.turnedAway} id="turned-away">
        {denials.length === 0 ? (
          <p class="soft">{words.nobodyTurnedAway}</p>
        ) : (
          <ul class="rows">
            {denials.slice(0, DENIALS_SHOWN).map(denial => (
              <Refused words={words} denial={denial} nowMs={nowMs} />
            ))}
          </ul>
        )}
      </Part>
      <Part heading={words.routes} id="routes">
        {[...Map.groupBy(routes.slice(0, ROUTES_SHOWN), ({ host }) => host)].map(([host, ofHost]) => (
          <section class={ofHost.length === 1 ? 'host one' : 'host'}>
            {ofHost.length === 1 ? null : <h3>{host}</h3>}
            <ul class="rows">
              {ofHost.map(route => (
                <Route words={words} route={route} Name={ofHost.length === 1 ? 'h3' : 'h4'} />
              ))}
            </ul>
          </section>
        ))}
        {routes.length <= ROUTES_SHOWN ? null : <p class="soft">{words.andMore(routes.length - ROUTES_SHOWN)}</p>}
      </Part>
      <Part heading={words.providers} id="providers">
        <ul class="rows">
          {providers.map(provider => (
            <Provider words={words} provider={provider} nowMs={nowMs} />
          ))}
        </ul>
      </Part>
      <Part heading={words.lastActive} id="last-active">
        <ul class="rows">
          {survey.latest.map(entry => (
            <Person words={words} entry={entry} hasSeveral={hasSeveral} nowMs={nowMs} />
          ))}
        </ul>
        <p class="more">
          <a class="act" href={`${ownPath('sessions')}?all=1`}>
            {words.allSessions}
          </a>
        </p>
      </Part>
      <Part heading={words.configuration} id="configuration">
        {isRefused ? (
          <p class="soft small">{words.saveRefused(config.mistakeCount)}</p>
        ) : (
          <Configuration words={words} config={config} nowMs={nowMs} />
        )}
      </Part>
    </WidePage>
  )
}

/** What one can jump to, in the order of the page. */
const PARTS = ['requests', 'turned-away', 'routes', 'providers', 'last-active', 'configuration'] as const

function headingOf(words: Words, part: (typeof PARTS)[number]): string {
  switch (part) {
    case 'requests':
      return words.accessRequests
    case 'turned-away':
      return words.turnedAway
    case 'routes':
      return words.routes
    case 'providers':
      return words.providers
    case 'last-active':
      return words.lastActive
    case 'configuration':
      return words.configuration
  }
}

function Part(props: { readonly heading: string; readonly id?: string; readonly children?: Child }) {
  return (
    <section class="group" id={props.id}>
      <h2>{props.heading}</h2>
      {props.children}
    </section>
  )
}

function Tile({ name, value, isBad = false }: { readonly name: string; readonly value: string; isBad?: boolean }) {
  return (
    <div class={isBad ? 'tile bad' : 'tile'}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}

function Provider(props: { words: Words; provider: Overview['providers'][number]; nowMs: number }) {
  const { words, nowMs } = props
  const { label, issuer, state } = props.provider
  return (
    <li class="row">
      <div>
        <h3>{label}</h3>
        <p class="soft small">{issuer}</p>
      </div>
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
    </li>
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
    <li class="row">
      <div>
        <h3>{nameOf(identity)}</h3>
        <p class="soft small">{parts.filter(part => part !== null && part !== '').join(' · ')}</p>
      </div>
      <span class="soft small">
        {`${words.lastUsedTime} `}
        <Time words={words} atMs={entry.lastSeenMs} nowMs={nowMs} />
      </span>
    </li>
  )
}

function Refused({ words, denial, nowMs }: { words: Words; denial: DenialView; nowMs: number }) {
  return (
    <li class="row">
      <div>
        <h3>
          {denial.route} {denial.count === 1 ? null : <span class="tag">{words.times(denial.count)}</span>}
        </h3>
        <p class="small">
          <code>{denial.reason}</code>{' '}
          <span lang="en">
            {REASONS[denial.reason].why}
            {denial.needs === null ? null : `; needs: ${denial.needs}`}
            {denial.groups === null ? null : `; ${denial.groups}`}
          </span>
        </p>
        <p class="soft small">
          {[denial.user ?? words.notSignedIn, denial.client, denial.method].join(' · ')}
          {` · ${words.reference} `}
          <code>{denial.id}</code>
        </p>
      </div>
      <span class="soft small">
        <Time words={words} atMs={denial.atMs} nowMs={nowMs} />
      </span>
    </li>
  )
}

interface ConfigurationView {
  readonly words: Words
  readonly config: Overview['config']
  readonly nowMs: number
}

/**
 * Which file is current, since when, and how the one on disk differs from it; what is wrong there, where it was
 * refused.
 */
function Configuration({ words, config, nowMs }: ConfigurationView) {
  const { path, inForceSinceMs, onDisk, mistakeCount, mistakes, needsRestart } = config
  return (
    <div class={mistakeCount > 0 || onDisk === 'lost' ? 'alert' : undefined}>
      {mistakeCount === 0 ? null : <p>{words.saveRefused(mistakeCount)}</p>}
      {mistakes.length === 0 ? null : (
        <ul lang="en">
          {mistakes.map(mistake => (
            <li>{mistake}</li>
          ))}
        </ul>
      )}
      <p class="soft small">
        {path === null ? null : (
          <>
            <code>{path}</code>
            {' · '}
          </>
        )}
        {`${words.inForceSince} `}
        <Time words={words} atMs={inForceSinceMs} nowMs={nowMs} />
      </p>
      {path === null ? null : (
        <p class="small">
          <a href={ownPath('file')}>{words.fileShow}</a>
        </p>
      )}
      {onDisk === 'refused' ? null : <p class="soft small">{words.onDisk[onDisk]}</p>}
      {needsRestart.length === 0 ? null : (
        <p class="small">
          {`${words.needsRestart} `}
          <code>{needsRestart.join(', ')}</code>
        </p>
      )}
    </div>
  )
}

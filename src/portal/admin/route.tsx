/** @jsxImportSource hono/jsx */

/** The page `route`: everything about one route, and what `explain` says of a request to it, for admins of its portal. */

import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { canonicalAddress } from '../../base/net.ts'
import type { Session, SessionEntry } from '../../session/session.ts'
import { menuOf } from '../account/menu.ts'
import { admitAdmin, hasPeople } from '../admins.ts'
import { pageAnswer } from '../answer.ts'
import { wordsFor } from '../language.ts'
import { AdminTabs, Health, Part, type Tabs } from '../layout/admin-tabs.tsx'
import { detailOf, nameOf } from '../layout/person.ts'
import { Picture } from '../layout/pictures.tsx'
import { Time } from '../layout/time.tsx'
import { type MenuEntry, WidePage } from '../layout/wide-page.tsx'
import { ownPath } from '../paths.ts'
import { type PortalRequest, readQuery } from '../portal-request.ts'
import { leadToPortal } from '../sign-in/redirect-to-portal.ts'
import type { Words } from '../words/words.ts'
import { type AdminTools, rolesOf } from './admin.tsx'
import type { AskedRequest, RequestExplained, RouteView } from './overview.ts'
import { Access, Refuses, StateOf, tookOf } from './routes-table.tsx'

export interface RouteTools extends AdminTools {
  /** What `explain` says of a request at the portal with this name; null for what is no address, or of another portal. */
  explain(portal: string, asked: AskedRequest): MaybePromise<RequestExplained | null>
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** So many people to choose from: the latest sign-ins. */
const PEOPLE = 50

/**
 * The route with this `id`, and the verdict for a request: by default for the admin who looks, from where they are.
 *
 * Only on the host where users sign in. Nothing is asked, and loading it changes nothing. Throws `route.none` for a route that is none of
 * the portal's, `access.denied`, `session.store`.
 */
export async function showRoute(ctx: PortalRequest, tools: RouteTools, session: Session): Promise<Response> {
  if (ctx.portal.adminRole === null) throw new GateError('route.none', 'this portal has no admin_role')
  const away = leadToPortal(ctx, 'route')
  if (away !== null) return away
  admitAdmin(ctx, session)
  const query = readQuery(ctx)
  const { name } = ctx.portal
  const [overview, { entries }] = await Promise.all([
    tools.overview(name),
    tools.sessions.list(name, { after: null, limit: PEOPLE }),
  ])
  const route = overview.routes.find(({ id }) => id === query.get('id'))
  if (route === undefined) throw new GateError('route.none', 'no route of this portal has such an id')
  const who = query.get('who') ?? session.id
  const asker = who === '' ? null : await tools.sessions.describe(who)
  const client = query.get('client') ?? ctx.clientAddress
  const form: AskedForm = {
    address: query.get('address') ?? ctx.reachedAt(exampleOf(route)) + pathOf(route),
    method: METHODS.find(one => one === query.get('method')) ?? 'GET',
    client: client.slice(0, 100),
    who: asker !== null && asker.session.portal === name ? asker.session.id : '',
  }
  const explained = await tools.explain(name, {
    address: form.address,
    method: form.method,
    client: canonicalAddress(form.client),
    session: form.who === '' ? null : (asker?.session ?? null),
  })
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const page = (
    <RoutePage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, 'admin')}
      tabs={{ here: 'admin', isBelow: true, hasFile: overview.config.path !== null, hasPeople: hasPeople(ctx) }}
      route={route}
      picture={ctx.waiting(exampleOf(route).host, pathOf(route))?.picture ?? null}
      form={form}
      people={peopleOf(entries, session)}
      explained={explained}
      nowMs={tools.ports.now()}
    />
  )
  return pageAnswer({ words, brand: ctx.portal.brand, page, sheet: 'admin' })
}

/** A host of a route: of a wildcard, one that it takes. */
function exampleOf({ host }: RouteView): { readonly host: string; readonly authority: string } {
  const one = host.replace(/^\*/, 'any')
  return { host: one, authority: one }
}

function pathOf({ host, place }: RouteView): string {
  return place.slice(host.length) || '/'
}

/** One session of each person, the one that looks first. */
function peopleOf(entries: readonly SessionEntry[], own: Session): readonly Session[] {
  const people = new Map<string, Session>()
  for (const session of [own, ...entries.map(entry => entry.session)]) {
    const key = `${session.identity.issuer} ${session.identity.subject}`
    if (!people.has(key)) people.set(key, session)
  }
  return [...people.values()]
}

/** What is asked, as in the fields of the form; `who` is the id of a session, empty for nobody. */
interface AskedForm {
  readonly address: string
  readonly method: string
  readonly client: string
  readonly who: string
}

interface RoutePageView {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  readonly tabs: Tabs
  readonly route: RouteView
  /** Its application's, as an address that holds it whole; null: it is shown as a letter. */
  readonly picture: string | null
  readonly form: AskedForm
  readonly people: readonly Session[]
  readonly explained: RequestExplained | null
  readonly nowMs: number
}

function RoutePage({ words, title, menu, tabs, route, picture, form, people, explained, nowMs }: RoutePageView) {
  const { admin } = words
  return (
    <WidePage
      words={words}
      title={title}
      heading={route.name}
      menu={menu}
      above={
        <p class="back">
          <a href={`${ownPath('admin')}#routes`}>{admin.allRoutes}</a>
        </p>
      }
      mark={<Picture name={route.name} picture={picture} />}
      lead={<p class="soft">{route.place}</p>}
    >
      <AdminTabs words={words} tabs={tabs} />
      {route.refusal === null ? null : (
        <section class="alert attention" aria-label={words.needsAttention}>
          <Refuses words={words} refusal={route.refusal} />
        </section>
      )}
      <div class="columns">
        <Part heading={admin.route}>
          <RouteFacts words={words} route={route} nowMs={nowMs} />
        </Part>
        <Part heading={admin.explain} id="explain">
          <div class="ask">
            <p class="soft small">{admin.explainLead}</p>
            <ExplainForm words={words} route={route} form={form} people={people} />
          </div>
          {explained === null ? (
            <p class="wrong" role="status">
              {admin.explainNone}
            </p>
          ) : (
            <Explained words={words} route={route} explained={explained} who={whoOf(form, people)} />
          )}
        </Part>
      </div>
    </WidePage>
  )
}

function RouteFacts({ words, route, nowMs }: Pick<RoutePageView, 'words' | 'route' | 'nowMs'>) {
  const { admin } = words
  const { use, origins, leadsTo, balance, id } = route
  return (
    <dl class="facts">
      <div>
        <dt>{admin.columns.state}</dt>
        <dd>
          <StateOf words={words} route={route} />
        </dd>
      </div>
      <div>
        <dt>{admin.columns.access}</dt>
        <dd>
          <Access words={words} route={route} isWhole />
        </dd>
      </div>
      <div>
        <dt>{admin.columns.used}</dt>
        <dd>
          {use === null ? (
            admin.notUsed
          ) : (
            <>
              <Time words={words} atMs={use.lastMs} nowMs={nowMs} />
              {` · ${admin.requestCount(use.count)}`}
            </>
          )}
        </dd>
      </div>
      {use === null ? null : (
        <div>
          <dt>{admin.columns.took}</dt>
          <dd>{tookOf(use.tookMs, words)}</dd>
        </div>
      )}
      {origins.length > 0 ? (
        <div>
          <dt>{admin.addresses}</dt>
          <dd>
            {balance === null ? null : <p class="soft small">{balance}</p>}
            {origins.map(({ address, health, inFlight, failures }) => (
              <p>
                {address}
                <Health state={health} text={admin.states[health]}>
                  {inFlight === 0 ? null : ` · ${words.underWay(inFlight)}`}
                  {failures === 0 ? null : ` · ${words.failedInRow(failures)}`}
                </Health>
              </p>
            ))}
          </dd>
        </div>
      ) : (
        <div>
          <dt>{admin.answeredBy}</dt>
          <dd lang="en">{leadsTo.join(', ')}</dd>
        </div>
      )}
      <div>
        <dt>{admin.inLogs}</dt>
        <dd>
          <code>{id}</code>
        </dd>
      </div>
    </dl>
  )
}

function ExplainForm({ words, route, form, people }: Pick<RoutePageView, 'words' | 'route' | 'form' | 'people'>) {
  const { admin } = words
  const isListed = form.who === '' || people.some(({ id }) => id === form.who)
  return (
    <form class="fields" method="get" action={`${ownPath('route')}#explain`}>
      <input type="hidden" name="id" value={route.id} />
      <div class="wide">
        <label for="who">{admin.explainWho}</label>
        <select id="who" name="who">
          <option value="">{words.notSignedIn}</option>
          {isListed ? null : (
            <option value={form.who} selected>
              {form.who}
            </option>
          )}
          {people.map(({ id, identity }) => (
            <option value={id} selected={id === form.who}>
              {[nameOf(identity), detailOf(identity)].filter(part => part !== null).join(' · ')}
            </option>
          ))}
        </select>
      </div>
      <div class="wide">
        <label for="address">{admin.explainAddress}</label>
        <input id="address" name="address" type="url" required maxlength={2000} value={form.address} />
      </div>
      <div>
        <label for="method">{admin.explainMethod}</label>
        <select id="method" name="method">
          {METHODS.map(method => (
            <option selected={method === form.method}>{method}</option>
          ))}
        </select>
      </div>
      <div>
        <label for="client">{admin.explainClient}</label>
        <input id="client" name="client" type="text" maxlength={100} value={form.client} autocomplete="off" />
      </div>
      <button class="act main" type="submit">
        {admin.explainAsk}
      </button>
    </form>
  )
}

const LOOKS = {
  allow: 'up',
  'sign-in': 'unknown',
  'step-up': 'partly',
  deny: 'down',
  'no-route': 'down',
  refused: 'down',
} as const

/** Whom it is asked about, by name; null: somebody who is not signed in, or is not among the latest. */
function whoOf({ who }: AskedForm, people: readonly Session[]): string | null {
  const asker = people.find(({ id }) => id === who)
  return asker === undefined ? null : nameOf(asker.identity)
}

/** The verdict as people say it: with the role that opens the route, or would. */
function verdictOf(words: Words, { verdict, rules, needs, reason }: RequestExplained, who: string | null): string {
  const { admin } = words
  if (who === null || (verdict !== 'allow' && verdict !== 'deny')) return admin.verdicts[verdict]
  if (verdict === 'allow') {
    const held = rules.find(
      ({ list, outcome, rule }) => list === 'allow' && outcome === 'holds' && rolesOf(rule, words),
    )
    const role = rolesOf(held?.rule ?? null, words)
    return role === null ? admin.may(who) : admin.mayAs(who, role)
  }
  const roles = reason === 'role.missing' ? rolesOf(needs, words) : null
  return roles === null ? admin.mayNot(who) : admin.mayNotWithout(who, roles)
}

function Explained(props: { words: Words; route: RouteView; explained: RequestExplained; who: string | null }) {
  const { words, route, explained } = props
  const { admin } = words
  const { verdict, why, reason, who, roles, granted, rules, needs, groups, unverified_email: email } = explained
  return (
    <div class={`verdict ${LOOKS[verdict]}`} role="status">
      <p>
        <Health state={LOOKS[verdict]} text={verdictOf(words, explained, props.who)} />
      </p>
      {explained.route === null || explained.route === route.id ? null : (
        <p class="small">{admin.explainOther(explained.route)}</p>
      )}
      <details>
        <summary>{words.details}</summary>
        <p class="small" lang="en">
          {why} <code>{reason}</code>
        </p>
        {rules.length === 0 ? null : (
          <ul class="rules" lang="en">
            {rules.map(({ list, number, rule, outcome, missing }) => (
              <li class={outcome}>
                <span class="soft">{`${list} ${number}`}</span> {rule} <strong>{outcome}</strong>
                {missing.map(one => (
                  <span class="soft small">{one.why}</span>
                ))}
              </li>
            ))}
          </ul>
        )}
        <dl class="facts" lang="en">
          <Fact name="who" text={who} />
          <Fact name="roles" text={roles.length === 0 ? null : roles.join(', ')} />
          <Fact
            name="granted"
            text={
              granted.length === 0
                ? null
                : granted
                    .map(({ role, until }) => `${role}, ${until === null ? 'for good' : `until ${until}`}`)
                    .join('; ')
            }
          />
          <Fact name="needs" text={needs} />
          <Fact name="groups" text={groups} />
          <Fact name="e-mail" text={email === null ? null : `${email.says}: ${email.hint}`} />
        </dl>
      </details>
    </div>
  )
}

/** As `explain` prints it. */
function Fact({ name, text }: { readonly name: string; readonly text: string | null }) {
  if (text === null) return null
  return (
    <div>
      <dt>{name}</dt>
      <dd>{text}</dd>
    </div>
  )
}

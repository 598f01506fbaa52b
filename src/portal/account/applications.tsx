/** @jsxImportSource hono/jsx */

/** The first page of an account: the applications that somebody may open, and their icons. */

import { GateError } from '../../base/errors.ts'
import type { Identity } from '../../identity/identity.ts'
import { isPageLoad, prefersPage } from '../../route/page-load.ts'
import { jsonAnswer, pageAnswer, redirectAnswer } from '../answer.ts'
import { wordsFor } from '../language.ts'
import { detailOf, nameOf } from '../layout/person.ts'
import { Initials, Picture } from '../layout/pictures.tsx'
import { type MenuEntry, SearchField, WidePage } from '../layout/wide-page.tsx'
import { isPortalHost, ownPath, portalOrigin } from '../paths.ts'
import { type Application, type PortalRequest, readQuery } from '../portal-request.ts'
import { signInProblem } from '../problem.ts'
import type { Words } from '../words/words.ts'
import { menuOf } from './menu.ts'

/** The front page: what this person may open; visitors sign in first. It is on the host where people sign in. */
export function showApplications(ctx: PortalRequest): Response {
  if (!isPortalHost(ctx)) return redirectAnswer(302, `${portalOrigin(ctx)}${ownPath('')}`)
  const { session } = ctx
  if (session === null) return isPageLoad(ctx.request) ? redirectAnswer(302, ownPath('login')) : signInProblem(ctx)
  const words = wordsFor(ctx.request)
  const applications = ctx.applications(session)
  if (!prefersPage(ctx.request)) return jsonAnswer({ applications: applications.map(describe) })
  return pageAnswer({
    words,
    brand: ctx.portal.brand,
    page: (
      <ApplicationsPage
        words={words}
        title={ctx.portal.title}
        identity={session.identity}
        applications={applications}
        search={(readQuery(ctx).get('q') ?? '').slice(0, 200).trim()}
        menu={menuOf(ctx, session, words, '')}
        switchAddress={`${ownPath('login')}?switch=1`}
      />
    ),
    scope: 'icons',
    script: hasSearch(applications) ? 'search' : null,
  })
}

/** What programs get of it, and the page itself, which asks how they are. */
function describe({ name, address, description, group, health }: Application): object {
  return { name, address: new URL(address).href, description, group, health: health ?? 'unknown' }
}

/** The portal page: what this person may open. Whether it answers is said where it does not. */
export function ApplicationsPage(props: {
  readonly words: Words
  readonly title: string
  readonly identity: Identity
  readonly applications: readonly Application[]
  readonly menu: readonly MenuEntry[]
  readonly switchAddress: string
  /** What is looked for among many; empty for all. */
  readonly search: string
}) {
  const { words, applications, search } = props
  const detail = detailOf(props.identity)
  return (
    <WidePage
      words={words}
      title={props.title}
      heading={words.hello(nameOf(props.identity))}
      menu={props.menu}
      mark={<Initials name={nameOf(props.identity)} />}
      lead={
        <p class="soft who">
          {detail === null ? null : `${detail} · `}
          <a href={props.switchAddress}>{words.switchAccount}</a>
        </p>
      }
      beside={hasSearch(applications) ? <Search words={words} value={search} /> : null}
    >
      {applications.length === 0 ? (
        <Nothing words={words} />
      ) : (
        <Lists words={words} applications={applications} search={hasSearch(applications) ? search : ''} />
      )}
    </WidePage>
  )
}

/** Fewer are seen at one look. */
const SEARCHED_FROM = 10

/** So many have a large card each. */
const FEW = 3

/** Whether there are so many applications that one looks for them. */
function hasSearch(applications: readonly Application[]): boolean {
  return applications.length >= SEARCHED_FROM
}

function Search({ words, value }: { readonly words: Words; readonly value: string }) {
  return (
    <search>
      <form class="filters" method="get" action={ownPath('')}>
        <SearchField id="q" name="q" value={value} label={words.findApplication} />
        <button class="act" type="submit">
          {words.search}
        </button>
      </form>
    </search>
  )
}

/** What an application is looked for by. */
function textOf({ name, address, description, group }: Application): string {
  return [name, new URL(address).host, description ?? '', group ?? ''].join(' ').toLowerCase()
}

function fits(application: Application, search: string): boolean {
  const text = textOf(application)
  return search
    .toLowerCase()
    .split(/\s+/)
    .every(word => text.includes(word))
}

function Nothing({ words }: { readonly words: Words }) {
  return (
    <div class="empty">
      <p>{words.nothingOpen}</p>
      <p class="soft">{words.nothingOpenAdvice}</p>
    </div>
  )
}

/** In groups where there are any: in the order in which they are first named, what has none last. */
function Lists(props: {
  readonly words: Words
  readonly applications: readonly Application[]
  readonly search: string
}) {
  const { words, applications, search } = props
  const groups = Map.groupBy(applications, ({ group }) => group)
  const rest = groups.get(null) ?? []
  const isAnyFit = applications.some(one => fits(one, search))
  const none = (
    <p class="soft empty none" role="status" hidden={isAnyFit}>
      {words.noApplicationFits}
    </p>
  )
  if (rest.length === applications.length) {
    return (
      <>
        <List words={words} applications={rest} search={search} Name="h2" isFew={rest.length <= FEW} />
        {none}
      </>
    )
  }
  const named = [...groups].flatMap(([group, of]) => (group === null ? [] : [{ group, of }]))
  return (
    <>
      {[...named, ...(rest.length === 0 ? [] : [{ group: words.otherApplications, of: rest }])].map(({ group, of }) => (
        <section class="group" hidden={!of.some(one => fits(one, search))}>
          <h2>{group}</h2>
          <List words={words} applications={of} search={search} Name="h3" />
        </section>
      ))}
      {none}
    </>
  )
}

function List(props: {
  readonly words: Words
  readonly applications: readonly Application[]
  readonly search: string
  readonly Name: 'h2' | 'h3'
  /** Whether there is room for large cards. */
  readonly isFew?: boolean
}) {
  const { words, applications, search, Name } = props
  return (
    <ul class={props.isFew ? 'apps few' : 'apps'} data-down={words.health.down}>
      {applications.map(application => {
        const { name, address, description, icon, health } = application
        return (
          <li data-find={textOf(application)} hidden={!fits(application, search)}>
            <a class="app" href={address} data-health={health ?? 'unknown'}>
              <Picture name={name} picture={icon} />
              <span>
                <Name>{name}</Name>
                <span class="soft small about">{description ?? placeOf(address)}</span>
                {health === 'down' ? <span class="small health down">{words.health.down}</span> : null}
              </span>
              {props.isFew ? (
                <span class="act main" aria-hidden="true">
                  {words.openNamed(name)}
                </span>
              ) : null}
            </a>
          </li>
        )
      })}
    </ul>
  )
}

/** An address as people say it: without scheme and port. */
function placeOf(address: string): string {
  const { hostname, pathname } = new URL(address)
  return pathname === '/' ? hostname : hostname + pathname.replace(/\/$/, '')
}

/**
 * An application's icon. Its address is its hash, so a browser keeps it permanently and a changed file gets another
 * address.
 *
 * A browser that opens an SVG as a page runs no script in it and loads nothing for it.
 *
 * Throws `route.none` for an icon that no route of this portal has. Source: RFC 9111 §5.2.2, RFC 8246 (immutable).
 */
export function sendIcon(ctx: PortalRequest, hash: string): Response {
  const icon = ctx.iconOf(hash)
  if (icon === null) throw new GateError('route.none', 'no route of this portal has this icon')
  const etag = `"${icon.hash}"`
  const headers = {
    'content-type': icon.type,
    'cache-control': 'private, max-age=31536000, immutable',
    etag,
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  }
  const known = ctx.request.headers.get('if-none-match') ?? ''
  if (known.includes(etag)) return new Response(null, { status: 304, headers })
  return new Response(Buffer.from(icon.base64, 'base64'), { headers })
}

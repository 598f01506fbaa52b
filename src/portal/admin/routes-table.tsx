/** @jsxImportSource hono/jsx */

/** The table of routes on the page `admin`: filtered, sorted and a page at a time, by the query of its address alone. */

import { Health, Pages } from '../layout/admin-tabs.tsx'
import { Time } from '../layout/time.tsx'
import { SearchField } from '../layout/wide-page.tsx'
import { ownPath } from '../paths.ts'
import type { Words } from '../words/words.ts'
import type { OriginView, RefusalView, RouteView } from './overview.ts'

/** Routes on one page of the table; and those of them that a phone shows before somebody wants all. */
const SHOWN = 50
const SHOWN_AT_FIRST = 8

const SORTS = ['name', 'state', 'access', 'used', 'took'] as const
type Sort = (typeof SORTS)[number]

const FILTERS = ['attention', 'up', 'unknown', 'unused'] as const
type Filter = (typeof FILTERS)[number]

/** What of the table is wanted. */
export interface RoutesAsked {
  readonly text: string
  /** Null: all of them. */
  readonly filter: Filter | null
  readonly sort: Sort
  /** Whether what comes last is shown first. */
  readonly isDown: boolean
  /** From 1. */
  readonly page: number
}

/** Reads it from the query; what is none of ours is as if it were not there. */
export function readRoutesAsked(query: URLSearchParams): RoutesAsked {
  const sort = query.get('sort') ?? ''
  const page = query.get('page') ?? ''
  return {
    text: (query.get('q') ?? '').trim().slice(0, 200),
    filter: FILTERS.find(one => one === query.get('show')) ?? null,
    sort: SORTS.find(one => one === sort.replace(/^-/, '')) ?? 'name',
    isDown: sort.startsWith('-'),
    page: /^[1-9]\d{0,5}$/.test(page) ? Number(page) : 1,
  }
}

function addressOf(asked: RoutesAsked, over: Partial<RoutesAsked>): string {
  const { text, filter, sort, isDown, page } = { ...asked, ...over }
  const query = new URLSearchParams()
  if (text !== '') query.set('q', text)
  if (filter !== null) query.set('show', filter)
  if (sort !== 'name' || isDown) query.set('sort', `${isDown ? '-' : ''}${sort}`)
  if (page > 1) query.set('page', `${page}`)
  return `${ownPath('admin')}${query.size === 0 ? '' : `?${query}`}#routes`
}

/** The page about one route. */
export function routeAddress({ id }: Pick<RouteView, 'id'>): string {
  return `${ownPath('route')}?${new URLSearchParams({ id })}`
}

/** Whether an address is known not to answer; false for one that was never asked. */
export function isDown({ health }: OriginView): boolean {
  return health === 'down'
}

/** Whether an admin should look at it. */
export function needsAttention({ state, refusal }: RouteView): boolean {
  return state === 'down' || state === 'partly' || refusal !== null
}

function fits(route: RouteView, { text, filter }: RoutesAsked): boolean {
  if (filter === 'attention' && !needsAttention(route)) return false
  if (filter === 'up' && route.state !== 'up' && route.state !== 'own') return false
  if (filter === 'unknown' && route.state !== 'unknown') return false
  if (filter === 'unused' && route.use !== null) return false
  const { name, id, access, origins } = route
  const roles = access.kind === 'roles' ? access.roles : access.kind === 'rules' ? access.rules : []
  const all = [name, id, ...roles, ...origins.map(({ address }) => address)].join(' ').toLowerCase()
  return text
    .toLowerCase()
    .split(/\s+/)
    .every(word => all.includes(word))
}

const WORST = ['down', 'partly', 'unknown', 'up', 'own'] as const
const WIDEST = ['public', 'authenticated', 'roles', 'rules'] as const

/** What comes first, by what; routes that are equal in that go by their names. Those without a value come last in either direction. */
function compare(one: RouteView, other: RouteView, { sort, isDown }: RoutesAsked, collator: Intl.Collator): number {
  const turn = isDown ? -1 : 1
  const byName = collator.compare(one.name, other.name) || collator.compare(one.id, other.id)
  switch (sort) {
    case 'name':
      return turn * byName
    case 'state':
      return turn * (WORST.indexOf(one.state) - WORST.indexOf(other.state)) || byName
    case 'access': {
      const text = ({ access }: RouteView) =>
        access.kind === 'roles' ? access.roles.join() : access.kind === 'rules' ? access.rules.join() : ''
      const byKind = WIDEST.indexOf(one.access.kind) - WIDEST.indexOf(other.access.kind)
      return turn * (byKind || collator.compare(text(one), text(other))) || byName
    }
    case 'used':
    case 'took': {
      if (one.use === null || other.use === null) return Number(one.use === null) - Number(other.use === null) || byName
      const value = ({ lastMs, tookMs }: NonNullable<RouteView['use']>) => (sort === 'used' ? lastMs : tookMs)
      return turn * (value(one.use) - value(other.use)) || byName
    }
  }
}

interface TableView {
  readonly words: Words
  readonly routes: readonly RouteView[]
  readonly asked: RoutesAsked
  readonly nowMs: number
}

/** The form above the table, and the part of the table that was asked for. */
export function RoutesTable({ words, routes, asked, nowMs }: TableView) {
  const collator = new Intl.Collator(words.lang, { numeric: true })
  const fitting = routes.filter(route => fits(route, asked)).sort((one, other) => compare(one, other, asked, collator))
  const last = Math.max(1, Math.ceil(fitting.length / SHOWN))
  const page = Math.min(asked.page, last)
  const from = (page - 1) * SHOWN
  const shown = fitting.slice(from, from + SHOWN)
  const number = new Intl.NumberFormat(words.lang)
  return (
    <>
      <Filters words={words} asked={asked} />
      <div class="found" id="found" aria-live="polite">
        {shown.length === 0 ? (
          <p class="none soft">{words.admin.noRoute}</p>
        ) : (
          <table class="table" aria-label={words.routes}>
            <thead>
              <tr>
                {SORTS.map(sort => (
                  <Head words={words} asked={asked} sort={sort} />
                ))}
              </tr>
            </thead>
            <tbody>
              {shown.slice(0, SHOWN_AT_FIRST).map(route => (
                <Row words={words} route={route} nowMs={nowMs} />
              ))}
            </tbody>
            <tbody class="rest" id="all-routes">
              {shown.slice(SHOWN_AT_FIRST).map(route => (
                <Row words={words} route={route} nowMs={nowMs} />
              ))}
            </tbody>
          </table>
        )}
        {shown.length <= SHOWN_AT_FIRST ? null : (
          <p class="unfold">
            <a class="act" href="#all-routes">
              {words.admin.allRoutes}
            </a>
          </p>
        )}
        <Pages
          words={words}
          label={words.routes}
          shown={
            last === 1
              ? null
              : words.admin.shownOf(
                  `${number.format(from + 1)}–${number.format(from + shown.length)}`,
                  number.format(fitting.length),
                )
          }
          before={page > 1 ? addressOf(asked, { page: page - 1 }) : null}
          after={page < last ? addressOf(asked, { page: page + 1 }) : null}
        />
      </div>
    </>
  )
}

function Filters({ words, asked }: Pick<TableView, 'words' | 'asked'>) {
  const { admin } = words
  const sorts = SORTS.map(sort => [firstWay(sort), admin.columns[sort]] as const)
  const sorted = `${asked.isDown ? '-' : ''}${asked.sort}`
  return (
    <search>
      <form class="filters" method="get" action={`${ownPath('admin')}#routes`} data-live="#found">
        <SearchField name="q" value={asked.text} label={admin.findRoute} />
        <select name="show" aria-label={admin.columns.state}>
          <option value="">{admin.allRoutes}</option>
          {FILTERS.map(filter => (
            <option value={filter} selected={filter === asked.filter}>
              {admin.filters[filter]}
            </option>
          ))}
        </select>
        <select name="sort" aria-label={admin.sortBy}>
          {sorts.map(([value, label]) => (
            <option value={value} selected={value === sorted || value.replace('-', '') === asked.sort}>
              {admin.sortedBy(label)}
            </option>
          ))}
        </select>
        <button class="act" type="submit">
          {admin.apply}
        </button>
      </form>
    </search>
  )
}

/** What was used last and what takes longest is looked for first. */
function firstWay(sort: Sort): string {
  return sort === 'used' || sort === 'took' ? `-${sort}` : sort
}

function Head({ words, asked, sort }: { readonly words: Words; readonly asked: RoutesAsked; readonly sort: Sort }) {
  const isHere = asked.sort === sort
  const isNext = isHere ? !asked.isDown : firstWay(sort).startsWith('-')
  return (
    <th scope="col" class={`c-${sort}`} aria-sort={isHere ? (asked.isDown ? 'descending' : 'ascending') : undefined}>
      <a href={addressOf(asked, { sort, isDown: isNext, page: 1 })}>{words.admin.columns[sort]}</a>
    </th>
  )
}

function Row({ words, route, nowMs }: { readonly words: Words; readonly route: RouteView; readonly nowMs: number }) {
  const { name, place, use } = route
  return (
    <tr>
      <th scope="row" class="c-name">
        <a href={routeAddress(route)}>{name}</a>
        {place === name ? null : <span class="soft">{place}</span>}
      </th>
      <td class="c-state">
        <StateOf words={words} route={route} />
      </td>
      <td class="c-access">
        <Access words={words} route={route} />
      </td>
      <td class="c-used">
        {use === null ? (
          <span class="soft never" role="img" title={words.admin.notUsed} aria-label={words.admin.notUsed}>
            –
          </span>
        ) : (
          <Time words={words} atMs={use.lastMs} nowMs={nowMs} />
        )}
      </td>
      <td class="c-took">
        {use === null ? (
          <span class="soft never" aria-hidden="true">
            –
          </span>
        ) : (
          tookOf(use.tookMs, words)
        )}
      </td>
    </tr>
  )
}

/** The state of a route's application; of an unknown one, why it is. */
export function StateOf({ words, route }: { readonly words: Words; readonly route: RouteView }) {
  const { state, unknown, refusal } = route
  if (refusal !== null && state !== 'down') return <Health state="partly" text={words.admin.states.refuses} />
  return (
    <Health state={state} text={words.admin.states[state]}>
      {unknown === null ? null : <span class="why">{words.admin.unknown[unknown]}</span>}
    </Health>
  )
}

/** How long answers take: "12 ms", "1.4 s". */
export function tookOf(ms: number, { lang }: Words): string {
  const [value, unit] = ms < 1000 ? [Math.max(1, Math.round(ms)), 'millisecond'] : [ms / 1000, 'second']
  return new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 1 }).format(
    value,
  )
}

/** What an application refuses, in its own words, and what helps. */
export function Refuses({ words, refusal }: { readonly words: Words; readonly refusal: RefusalView }) {
  const { kind, sent, status, words: said, keys } = refusal
  return (
    <p class="small">
      {words.refuses[kind](sent, status)}
      {said === '' ? null : (
        <>
          {' '}
          <q>{said}</q>
        </>
      )}
      {keys.length === 0 ? null : ` · ${words.helps} `}
      {keys.map(key => (
        <>
          <code>{key}</code>{' '}
        </>
      ))}
    </p>
  )
}

/** So many roles or rules are in a cell; the page of the route has all. */
const IN_CELL = 3

/** Who may pass. */
export function Access(props: { readonly words: Words; readonly route: RouteView; readonly isWhole?: boolean }) {
  const { words, isWhole = false } = props
  const { access, deny } = props.route
  const all = access.kind === 'roles' ? access.roles : access.kind === 'rules' ? access.rules : []
  const shown = isWhole ? all : all.slice(0, IN_CELL)
  return (
    <>
      {access.kind === 'public' || access.kind === 'authenticated' ? words.admin.open[access.kind] : null}
      {shown.map(one => (
        <span class="tag" lang={access.kind === 'rules' ? 'en' : undefined}>
          {one.replace(/^role (?=\S+$)/, '')}
        </span>
      ))}
      {shown.length === all.length ? null : <span class="soft">{words.andMore(all.length - shown.length)}</span>}
      {deny.length === 0 ? null : isWhole ? (
        <>
          {` ${words.shutOut} `}
          <span lang="en">{deny.join('; ')}</span>
        </>
      ) : (
        <span class="soft">{` ${words.admin.exceptions(deny.length)}`}</span>
      )}
    </>
  )
}

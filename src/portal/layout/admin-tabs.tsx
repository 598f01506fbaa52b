/** @jsxImportSource hono/jsx */

/** What every page for admins has: the ways between them, and parts that several of them are made of. */

import type { Child } from 'hono/jsx'
import { type OwnPage, ownPath } from '../paths.ts'
import type { Words } from '../words/words.ts'

/** Which of the pages for admins there are, and which one this is. */
export interface Tabs {
  readonly here: 'admin' | 'sessions' | 'people' | 'audit' | 'file'
  /** Whether it is one below that. */
  readonly isBelow?: boolean
  /** Whether admins of this portal may see the file. */
  readonly hasFile: boolean
  /** Whether there is a page of users. */
  readonly hasPeople: boolean
}

/** The ways between the pages for admins, below their heading. */
export function AdminTabs({ words, tabs }: { readonly words: Words; readonly tabs: Tabs }) {
  const entries: readonly (readonly [page: OwnPage, query: string, label: string, isThere: boolean])[] = [
    ['admin', '', words.admin.overview, true],
    ['sessions', '?all=1', words.sessions, true],
    ['people', '', words.passkeys.people, tabs.hasPeople],
    ['audit', '', words.auditTrail, true],
    ['file', '', words.configuration, tabs.hasFile],
  ]
  return (
    <nav class="tabs" aria-label={words.administration}>
      {entries
        .filter(([, , , isThere]) => isThere)
        .map(([page, query, label]) => (
          <a
            href={ownPath(page) + query}
            aria-current={page !== tabs.here ? undefined : tabs.isBelow ? 'true' : 'page'}
          >
            {label}
          </a>
        ))}
    </nav>
  )
}

/** A part of a page: a heading, maybe with something beside it, and what is below; folded on a narrow screen, where it is not what one came for. */
export function Part(props: {
  readonly heading: string
  readonly id?: string
  /** How many there are below. */
  readonly count?: string
  readonly beside?: Child
  readonly isFolded?: boolean
  readonly children?: Child
}) {
  const { heading, isFolded = false, children } = props
  return (
    <section class={isFolded ? 'part folds' : 'part'} id={props.id} aria-label={heading}>
      <div class="part-head">
        <h2>
          {heading}
          {props.count === undefined ? null : <span class="count">{props.count}</span>}
        </h2>
        {props.beside === undefined ? null : <p>{props.beside}</p>}
      </div>
      {isFolded ? (
        <details class="narrow">
          <summary>{heading}</summary>
          {children}
        </details>
      ) : (
        children
      )}
    </section>
  )
}

/** One line of a list: what it is about, more of it, and at its end how it is. */
export function Line(props: { readonly title: Child; readonly end?: Child; readonly children?: Child }) {
  return (
    <li class="item">
      <div>
        <h3>{props.title}</h3>
        {props.children}
      </div>
      {props.end === undefined ? null : <div class="end">{props.end}</div>}
    </li>
  )
}

/** A state in words, with a sign before it for a quick look. */
export function Health(props: {
  readonly state: 'up' | 'partly' | 'down' | 'unknown' | 'own'
  readonly text: Child
  readonly children?: Child
}) {
  return (
    <span class={`health ${props.state}`}>
      <span>
        {props.text}
        {props.children}
      </span>
    </span>
  )
}

/** Where a list goes on: what is shown of it, and the pages before and after. */
export function Pages(props: {
  readonly words: Words
  readonly label: string
  readonly shown: string | null
  readonly before: string | null
  readonly beforeLabel?: string
  readonly after: string | null
  readonly afterLabel?: string
}) {
  const { words, label, shown, before, after } = props
  const { beforeLabel = words.admin.before, afterLabel = words.admin.after } = props
  if (shown === null && before === null && after === null) return null
  return (
    <nav class="pages" aria-label={label}>
      {shown === null ? null : <span class="soft">{shown}</span>}
      {before === null ? null : (
        <a class="act" href={before} rel="prev">
          {beforeLabel}
        </a>
      )}
      {after === null ? null : (
        <a class="act" href={after} rel="next">
          {afterLabel}
        </a>
      )}
    </nav>
  )
}

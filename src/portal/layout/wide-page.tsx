/** @jsxImportSource hono/jsx */

/** The frame of pages with lists: a bar with the menu, and one heading. */

import type { Child } from 'hono/jsx'
import type { Words } from '../words/words.ts'
import { Document, Mark } from './narrow-page.tsx'

/** One way on from a page for people who are signed in. */
export interface MenuEntry {
  readonly label: string
  readonly address: string
  /** Whether it is the page that is shown. */
  readonly isHere: boolean
  /** How many requests for access wait there. */
  readonly waiting: number
}

/** A page with room for lists: a bar with the portal's name and the menu, and below it one heading and the content. */
export function WidePage(props: {
  readonly words: Words
  /** What the portal is called. */
  readonly title: string
  readonly heading: string
  readonly menu: readonly MenuEntry[]
  /** The way back, above the heading; and what is before the heading, below it, and at the end of its line where there is room. */
  readonly above?: Child
  readonly mark?: Child
  readonly lead?: Child
  readonly beside?: Child
  /** Whether it is a column in the middle: for forms. */
  readonly isSlim?: boolean
  readonly children?: Child
}) {
  const { words, title, heading, menu } = props
  return (
    <Document words={words} title={heading === title ? title : `${heading} · ${title}`}>
      <div class="hall">
        <header class="bar">
          <Mark />
          <span class="name">{title}</span>
          {/* A narrow screen has the entries behind a button; wider ones show them, and so does a browser that knows no popover. */}
          <button class="menu" type="button" popovertarget="menu">
            {words.menu}
          </button>
          <nav id="menu" popover="auto" aria-label={words.accountMenu}>
            {menu.map(({ label, address, isHere, waiting }) => (
              <a href={address} aria-current={isHere ? 'page' : undefined}>
                {label}
                {waiting === 0 ? null : (
                  <span class="badge" role="img" aria-label={words.requestsWait(waiting)}>
                    {waiting}
                  </span>
                )}
              </a>
            ))}
          </nav>
        </header>
        <main class={props.isSlim === true ? 'slim' : undefined}>
          {props.above}
          <div class="top">
            {props.mark}
            <div>
              <h1>{heading}</h1>
              {props.lead}
            </div>
            {props.beside}
          </div>
          {props.children}
        </main>
      </div>
    </Document>
  )
}

/** Facts about one row of a list, in a line below what it is called; null: there is none. A name goes in `bdi`, and stays as it is spelt. */
export function Facts({ facts }: { readonly facts: readonly (Child | null)[] }) {
  return (
    <p class="soft small bits">
      {facts
        .filter(fact => fact !== null)
        .map((fact, index) => (
          <>
            {index === 0 ? null : <i> · </i>}
            <span>{fact}</span>
          </>
        ))}
    </p>
  )
}

/** A field that looks for something on a page; its label stands in it. */
export function SearchField(props: {
  readonly id?: string
  readonly name: string
  readonly value: string
  readonly label: string
}) {
  const { id, name, value, label } = props
  return (
    <input
      id={id}
      name={name}
      type="search"
      value={value}
      maxlength={200}
      autocomplete="off"
      placeholder={label}
      aria-label={label}
    />
  )
}

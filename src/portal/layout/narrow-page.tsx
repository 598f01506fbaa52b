/** @jsxImportSource hono/jsx */

/** The frame of pages with one thing to do: sign-in, errors, questions. */

import { type Child, useContext } from 'hono/jsx'
import { GROUNDS } from '../../config/values/colour.ts'
import type { Contact } from '../../config/values/email.ts'
import type { Words } from '../words/words.ts'
import { MARK, SCRIPTS, SHEETS, STYLE } from './assets.ts'
import { BrandContext, brandStyle, ScriptContext, SheetContext } from './draw-page.tsx'

/** The portal's logo, or a gate seen from outside: a round arch, its inner door ajar. Decoration: hidden from screen readers. */
export function Mark() {
  const brand = useContext(BrandContext)
  if (brand !== null && brand.logo !== null) return <Logo light={brand.logo} dark={brand.logoDark} />
  return (
    <svg class="mark" viewBox="0 0 48 48" fill="none" stroke="currentColor" stroke-width="2.25" aria-hidden="true">
      <path d="M5.5 43.5h37M9.5 43.5V21a14.5 14.5 0 0 1 29 0v22.500" stroke-linecap="round" />
      <path d="M16 43.500V22a8 8 0 0 1 16 0v21.500" stroke-linecap="round" />
      <path d="M16 22a8 8 0 0 1 8-8v29.500h-8z" fill="currentColor" stroke="none" opacity=".9" />
      <path d="M24 6.500v7.250M13.600 10.800l4.900 5.400M34.400 10.800l-4.900 5.400" stroke-linecap="round" />
    </svg>
  )
}

function Logo({ light, dark }: { readonly light: string; readonly dark: string | null }) {
  if (dark === null) return <img class="mark" src={light} alt="" />
  return (
    <picture>
      <source srcset={dark} media="(prefers-color-scheme: dark)" />
      <img class="mark" src={light} alt="" />
    </picture>
  )
}

/** The mark as the page's icon, drawn inline so that no further request is made. */
const ICON = `data:image/svg+xml,${encodeURIComponent(MARK)}`

/**
 * A whole page of Sallyport's. `onward` redirects to an address at once, without scripts: unlike an HTTP redirect, it
 * shows where it comes from.
 */
export function Document(props: {
  readonly words: Words
  readonly title: string
  readonly onward?: string | null
  readonly children?: Child
}) {
  const { onward = null } = props
  const style = brandStyle(useContext(BrandContext))
  const script = useContext(ScriptContext)
  const sheet = useContext(SheetContext)
  return (
    <html lang={props.words.lang}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <meta name="color-scheme" content="light dark" />
        <meta name="theme-color" media="(prefers-color-scheme: light)" content={GROUNDS.light[0]} />
        <meta name="theme-color" media="(prefers-color-scheme: dark)" content={GROUNDS.dark[0]} />
        {onward === null ? null : <Onward to={onward} isScripted={script !== null} />}
        <title>{props.title}</title>
        <link rel="icon" href={ICON} />
        {/* A constant: escaped, it would not match its hash in the policy. */}
        <style dangerouslySetInnerHTML={{ __html: STYLE }} />
        {sheet === null ? null : <style dangerouslySetInnerHTML={{ __html: SHEETS[sheet] }} />}
        {style === null ? null : <style dangerouslySetInnerHTML={{ __html: style }} />}
      </head>
      <body>
        {props.children}
        {script === null ? null : <script dangerouslySetInnerHTML={{ __html: SCRIPTS[script] }} />}
      </body>
    </html>
  )
}

/** A redirect. Where the page has a script, the script redirects, and this is for browsers that run none. */
function Onward({ to, isScripted }: { readonly to: string; readonly isScripted: boolean }) {
  const refresh = <meta http-equiv="refresh" content={`0;url=${to}`} />
  return isScripted ? <noscript>{refresh}</noscript> : refresh
}

/** A document with one thing to say: the arch, the mark, and below it the words. */
export function NarrowPage(props: {
  readonly words: Words
  readonly title: string
  readonly place?: string
  readonly onward?: string | null
  /** Whether it saves height, so that all of it can be seen on a phone. */
  readonly isShort?: boolean
  readonly children?: Child
}) {
  const title = props.place === undefined ? props.title : `${props.title} · ${props.place}`
  return (
    <Document words={props.words} title={title} onward={props.onward ?? null}>
      <main class="door">
        <div class={props.isShort === true ? 'panel low' : 'panel'}>
          <Mark />
          {props.place === undefined ? null : <p class="place">{props.place}</p>}
          {props.children}
        </div>
      </main>
    </Document>
  )
}

/** A way on from a page. After `againS` a script takes it by itself, and counts down in it. */
export interface Act {
  readonly label: string
  readonly address: string
  readonly againS?: number
  /** Whether it is the main one, in place of the first. */
  readonly isMain?: boolean
}

/** Links that are acts, the first one the main one where none says that it is. */
export function Acts({ acts }: { readonly acts: readonly Act[] }) {
  if (acts.length === 0) return null
  const main = acts.find(({ isMain }) => isMain) ?? acts[0]
  return (
    <div class="acts">
      {acts.map(act => (
        <a class={act === main ? 'act main' : 'act'} href={act.address} data-again={act.againS}>
          {act.label}
        </a>
      ))}
    </div>
  )
}

/** What is for whoever runs the place, folded away from everybody else. */
export function Operators(props: {
  readonly words: Words
  /** Which status the answer has, where it is a fault. */
  readonly status?: number | null
  readonly isOpen?: boolean
  readonly children?: Child
}) {
  const { words, status = null, isOpen = false, children } = props
  return (
    <details class="operators small" open={isOpen}>
      <summary>{status === null ? words.details : `${words.error(status)} · ${words.details}`}</summary>
      <div>{children}</div>
    </details>
  )
}

/** Under which id the log has what the page is about. */
export function Reference({ words, id }: { readonly words: Words; readonly id: string }) {
  return (
    <p>
      {`${words.reference} `}
      <code>{id}</code>
    </p>
  )
}

/** Whom to ask, where the portal names somebody. */
export function Help({ words, contact }: { readonly words: Words; readonly contact: Contact | null }) {
  if (contact === null) return null
  return (
    <span class="help">
      {`${words.help} `}
      {contact.address === null ? contact.text : <a href={contact.address}>{contact.text}</a>}
    </span>
  )
}

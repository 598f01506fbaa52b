/** @jsxImportSource hono/jsx */

/**
 * Parts of the pages for tokens, guest links and invitations: the new secret with a copy button, forms, and revoking.
 */

import type { Child } from 'hono/jsx'
import { type OwnPage, ownPath } from '../paths.ts'
import type { Words } from '../words/words.ts'
import { Moment } from './time.tsx'

interface MadeView {
  readonly words: Words
  readonly lead: string
  readonly text: string
  /** What its owner will know it by, under what the form asked for it with. */
  readonly label: string
  readonly name: string
  readonly untilMs: number
  /** The address that it opens, where it is for one place; null for a credential of a user. */
  readonly place: string | null
  /** What else there is to know of it. */
  readonly note?: string
  /** Whether it is for somebody else: then a phone offers to send it. */
  readonly mayShare?: boolean
  readonly children?: Child
}

/** A text to be taken elsewhere, with buttons that a script shows. */
export function Copyable(props: { readonly words: Words; readonly text: string; readonly mayShare?: boolean }) {
  const { words, text, mayShare = false } = props
  return (
    <div class="copyable">
      <code>{text}</code>
      <button class="quiet" type="button" data-copy={words.copied} aria-live="polite" hidden>
        {words.copy}
      </button>
      {mayShare ? (
        <button class="quiet" type="button" data-share hidden>
          {words.share}
        </button>
      ) : null}
    </div>
  )
}

/** What was made a moment ago, under what there is to say of it; it is never shown again. */
export function Made({ words, lead, text, label, name, untilMs, place, note, mayShare, children }: MadeView) {
  const facts: readonly (readonly [what: string, value: Child])[] = [
    [label, name],
    ...(place === null ? [] : [[words.madeAt, place] as const]),
    [words.madeUntil, <Moment words={words} atMs={untilMs} />],
  ]
  return (
    <div class="made" role="status">
      <p>{lead}</p>
      <Copyable words={words} text={text} mayShare={mayShare === true} />
      <dl class="facts">
        {facts.map(([what, value]) => (
          <div>
            <dt>{what}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {note === undefined ? null : <p class="small">{note}</p>}
      {children}
    </div>
  )
}

/** The form for a new one: behind the main button of the page, or open where there is nothing else to look at. */
export function NewForm(props: {
  readonly words: Words
  readonly label: string
  readonly isAlone: boolean
  readonly isOpen?: boolean
  readonly children?: Child
}) {
  const { words, label, isAlone, isOpen = false, children } = props
  if (isAlone) return <section class="new card">{children}</section>
  return (
    <details class="new" open={isOpen}>
      <summary class="act main">
        <span class="to-open">{label}</span>
        <span class="to-close">{words.editLeave}</span>
      </summary>
      <div class="card">{children}</div>
    </details>
  )
}

/** What a form that makes one carries unseen. */
export function Creates({ proof }: { readonly proof: string }) {
  return (
    <>
      <input type="hidden" name="proof" value={proof} />
      <input type="hidden" name="act" value="create" />
    </>
  )
}

/** The field for what its owner will know it by. */
export function NameField({ label, value }: { readonly label: string; readonly value?: string }) {
  return (
    <>
      <label for="name">{label}</label>
      <input id="name" name="name" type="text" required maxlength={100} autocomplete="off" value={value ?? ''} />
    </>
  )
}

interface RevokeView {
  readonly words: Words
  readonly page: OwnPage
  readonly id: string
  /** What its owner knows it by. */
  readonly name: string
  readonly proof: string
}

/** The button that ends one. */
export function Revoke({ words, page, id, name, proof }: RevokeView) {
  return (
    <form method="post" action={ownPath(page)}>
      <input type="hidden" name="proof" value={proof} />
      <input type="hidden" name="act" value="revoke" />
      <input type="hidden" name="id" value={id} />
      <button class="quiet end" type="submit" aria-label={words.revokeNamed(name)}>
        {words.revoke}
      </button>
    </form>
  )
}

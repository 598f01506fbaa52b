/** @jsxImportSource hono/jsx */

/** The form whose button creates or shows a passkey. */

import type { Child } from 'hono/jsx'
import { sayError, type Words } from '../words/words.ts'

/** A form whose button has the browser create a passkey, or show one. */
export interface PasskeyFormView {
  readonly words: Words
  readonly address: string
  /** What the browser is asked for, as JSON. */
  readonly options: object
  /** What the form carries unseen. */
  readonly hidden: Readonly<Record<string, string>>
  readonly label: string
  readonly isMain?: boolean
  /** Whether what the browser has just sent was refused. */
  readonly isWrong?: boolean
  /** What else it asks. */
  readonly children?: Child
}

/** Without its script the form does nothing, and says so: a browser makes and shows passkeys by a script alone. */
export function PasskeyForm({ words, address, options, hidden, label, isMain, isWrong, children }: PasskeyFormView) {
  const { failed, known, noPasskeys, needsScripts } = words.passkeys
  return (
    <form method="post" action={address} data-options={JSON.stringify(options)} data-quiet={isWrong === true}>
      {Object.entries({ ...hidden, passkey: '' }).map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      {isWrong === true ? (
        <p class="wrong" role="alert">
          {sayError(words, 'access.passkey')}
        </p>
      ) : null}
      <p class="wrong" role="alert" data-when="failed" hidden>
        {failed}
      </p>
      <p class="wrong" role="alert" data-when="known" hidden>
        {known}
      </p>
      <p class="small soft" data-when="none" hidden>
        {noPasskeys}
      </p>
      <noscript>
        <p class="small soft">{needsScripts}</p>
      </noscript>
      {children}
      <div class="acts">
        <button class={isMain === true ? 'act main' : 'act'} type="button" hidden>
          {label}
        </button>
      </div>
    </form>
  )
}

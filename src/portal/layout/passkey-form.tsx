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
      <div class={isMain === true ? 'acts' : 'acts short'}>
        <button class={isMain === true ? 'act main' : 'act'} type="button" hidden>
          <svg
            class="glyph"
            viewBox="0 0 24 24"
            fill="none"
            stroke="currentColor"
            stroke-width="1.8"
            aria-hidden="true"
          >
            <path
              d="M5.5 7.250a4 4 0 1 0 8 0 4 4 0 0 0-8 0M2.5 20.500c0-4 2.800-6.500 7-6.500 1.300 0 2.400.2 3.400.6M15 14.500a3 3 0 1 0 6 0 3 3 0 0 0-6 0M18 17.500v5M18 20.500h2.200"
              stroke-linecap="round"
            />
          </svg>
          <span>{label}</span>
        </button>
      </div>
    </form>
  )
}

/** @jsxImportSource hono/jsx */

/** Parts of the page that asks where to sign in: what waits, the providers with their icons, and the field for a code. */

import { findGlyph } from '../../config/values/icon-set.ts'
import { around, type Words } from '../words/words.ts'
import { Picture } from './pictures.tsx'

/** An application that opens after the sign-in. */
export interface Waiting {
  readonly name: string
  /** Its picture as an address that holds it whole; null: it is shown as a letter. */
  readonly picture: string | null
}

/** Which application waits for the sign-in. */
export function WaitsFor({ words, waiting }: { readonly words: Words; readonly waiting: Waiting }) {
  const [before, after] = around(words.toOpen)
  return (
    <p class="waits">
      <Picture {...waiting} />
      <span>
        {before}
        <strong>{waiting.name}</strong>
        {after}
      </span>
    </p>
  )
}

/** A provider to sign in with. */
export interface Choice {
  readonly label: string
  readonly address: string
  /** Of its protocol or its issuer, where that alone says whose it is: a host. */
  readonly host: string | null
}

/** The providers, each with its icon. Below a form they are the other way, and short: their labels alone. */
export function Providers(props: {
  readonly words: Words
  readonly choices: readonly Choice[]
  readonly isBelowForm: boolean
}) {
  const { words, choices, isBelowForm } = props
  if (choices.length === 0) return null
  return (
    <div class={isBelowForm ? 'acts short' : 'acts'}>
      {choices.map(({ label, address, host }, index) => {
        const whole = words.continueWith(label)
        return (
          <a
            class={index === 0 && !isBelowForm ? 'act main' : 'act'}
            href={address}
            {...(isBelowForm ? { 'aria-label': whole } : {})}
          >
            <ProviderIcon label={label} host={host} />
            <span>{isBelowForm ? label : whole}</span>
          </a>
        )
      })}
    </div>
  )
}

/** Issuers that say by their host whose they are; the last labels of it, and the icon. */
const BY_HOST: readonly (readonly [host: string, icon: string])[] = [
  ['accounts.google.com', 'google'],
  ['github.com', 'github'],
  ['gitlab.com', 'gitlab'],
  ['discord.com', 'discord'],
  ['appleid.apple.com', 'apple'],
  ['auth0.com', 'auth0'],
  ['okta.com', 'okta'],
]

/** By the host where that says it, else by the label; a key for any other provider. */
function ProviderIcon({ label, host }: { readonly label: string; readonly host: string | null }) {
  const known = BY_HOST.find(([end]) => host === end || host?.endsWith(`.${end}`) === true)
  const glyph = findGlyph(known?.[1] ?? label)
  return (
    <svg class="glyph" viewBox="0 0 24 24" fill="currentColor" aria-hidden="true">
      <path d={glyph?.path ?? KEY} />
    </svg>
  )
}

const KEY =
  'M20.1 2.1 10 12.1A5.25 5.25 0 1 0 11.9 14l3.7-3.8 1.7 1.7 1.8-1.8-1.7-1.7 1.4-1.4 1.7 1.7 1.8-1.8-1.7-1.7 1.3-1.3zM7.25 14.25a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z'

/** The field for a code of an authenticator app. `note`: the id of what explains it. */
export function CodeInput(props: { readonly words: Words; readonly note?: string; readonly isRequired?: boolean }) {
  const { words, note, isRequired = false } = props
  return (
    <>
      <label for="code">{words.code}</label>
      <input
        id="code"
        name="code"
        inputmode="numeric"
        autocomplete="one-time-code"
        maxlength={16}
        required={isRequired}
        aria-describedby={note}
        autofocus
      />
    </>
  )
}

/** @jsxImportSource hono/jsx */

/** The sign-in page, and the page that asks for a code. */

import type { Child } from 'hono/jsx'
import { sayError, type Words } from '../words/words.ts'
import { NarrowPage } from './narrow-page.tsx'
import { PasskeyForm, type PasskeyFormView } from './passkeys.tsx'
import { type Choice, CodeInput, Providers, type Waiting, WaitsFor } from './sign-in-parts.tsx'
import { spanOf } from './time.tsx'

/** For people of a file of our own: what shows that a form is from this page, and where it goes. */
interface OwnForm {
  readonly browser: string
  readonly proof: string
  readonly address: string
  readonly isWrong: boolean
  /** The user name that was just sent; empty before. */
  readonly name: string
}

/** Whether the sign-in is to outlive the browser's window: `value` says so in an address, and `address` is this page with the other choice. */
interface Remembering {
  readonly isOn: boolean
  readonly lifetimeMs: number
  readonly address: string
  readonly value: string
}

/** What a form for a passkey needs. */
type OwnPasskey = Pick<PasskeyFormView, 'address' | 'options' | 'hidden' | 'isWrong'>

/** Where to sign in, when a portal leaves the choice, and for how long, when it leaves that. */
export function SignInPage(props: {
  readonly words: Words
  readonly title: string
  readonly choices: readonly Choice[]
  /** What opens after the sign-in; null where that is the portal itself, or not to be told. */
  readonly waiting: Waiting | null
  readonly form?: OwnForm
  readonly passkey?: OwnPasskey
  readonly remember?: Remembering
}) {
  const { words, choices, form, passkey, remember } = props
  // Where there is a form it is a box in it, which a script hands on to the other ways; else a link to this page with the choice.
  const keep = form === undefined ? undefined : remember
  const isBelowForm = form !== undefined || passkey !== undefined
  // All that is not the form is the other way: a passkey too, where there is a form for a password.
  const or = isBelowForm && choices.length > 0 ? <p class="or">{words.or}</p> : null
  return (
    <NarrowPage words={words} title={words.signIn} place={props.title} isShort>
      <h1>{words.signIn}</h1>
      {props.waiting === null ? null : <WaitsFor words={words} waiting={props.waiting} />}
      {form === undefined ? null : <PasswordForm words={words} {...form} keep={keep} />}
      {form === undefined ? null : or}
      {passkey === undefined ? null : (
        <>
          {form === undefined ? <p class="soft">{words.passkeys.signInLead}</p> : null}
          <PasskeyForm words={words} {...passkey} label={words.passkeys.signIn} isMain={form === undefined} />
        </>
      )}
      {form === undefined ? or : null}
      <Providers words={words} choices={choices} isBelowForm={isBelowForm} />
      {remember === undefined ? null : keep === undefined ? (
        <Remember words={words} {...remember} />
      ) : choices.length === 0 ? null : (
        <noscript>
          <Remember words={words} {...remember} />
        </noscript>
      )}
    </NarrowPage>
  )
}

/**
 * Asks for the code of a second factor, once the password was right: only who has both sees that this user has one.
 * `passed` shows that in the next step.
 */
export function CodePage(props: {
  readonly words: Words
  readonly title: string
  readonly form: OwnForm & { readonly passed: string }
}) {
  const { words, form } = props
  return (
    <NarrowPage words={words} title={words.codeTitle} place={props.title} isShort>
      <h1>{words.codeTitle}</h1>
      <p class="soft">{form.name}</p>
      <UserForm {...form} words={words} wrong={words.codeWrong} below={<RecoveryCode words={words} />}>
        <input type="hidden" name="name" value={form.name} />
        <input type="hidden" name="passed" value={form.passed} />
        <div class="wide">
          <CodeInput words={words} note="code-note" />
        </div>
        <p class="small soft wide" id="code-note">
          {words.codeNote}
        </p>
      </UserForm>
      <p class="note">
        <a class="quiet" href={form.address}>
          {words.useOtherAccount}
        </a>
      </p>
    </NarrowPage>
  )
}

/** In place of a code of the app. */
function RecoveryCode({ words }: { readonly words: Words }) {
  return (
    <details class="operators">
      <summary>{words.ownAccount.recoveryUse}</summary>
      <div class="fields">
        <div class="wide">
          <label for="recovery">{words.ownAccount.recoveryCode}</label>
          <input
            id="recovery"
            name="recovery"
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            maxlength={32}
          />
        </div>
      </div>
    </details>
  )
}

function PasswordForm(props: OwnForm & { readonly words: Words; readonly keep: Remembering | undefined }) {
  const { words, name, keep } = props
  return (
    <UserForm {...props} wrong={sayError(words, 'access.password')}>
      <div class="wide">
        <label for="name">{words.userName}</label>
        <input
          id="name"
          name="name"
          value={name}
          autocomplete="username webauthn"
          autocapitalize="none"
          spellcheck={false}
          required
          autofocus={name === ''}
        />
      </div>
      <div class="wide">
        <label for="password">{words.password}</label>
        <input
          id="password"
          name="password"
          type="password"
          autocomplete="current-password"
          required
          autofocus={name !== ''}
        />
      </div>
      {keep === undefined ? null : (
        <label class="check wide">
          <input type="checkbox" name="keep" value="1" checked={keep.isOn} data-offer={keep.value} />
          <span>{words.rememberOn}</span>
        </label>
      )}
    </UserForm>
  )
}

/** `wrong`: what is said of a form that was just sent and is wrong. */
function UserForm(
  props: OwnForm & {
    readonly words: Words
    readonly wrong: string
    readonly children: Child
    /** Below its button. */
    readonly below?: Child
  },
) {
  const { words, browser, proof, address, isWrong, wrong, children } = props
  return (
    <form method="post" action={address}>
      <input type="hidden" name="browser" value={browser} />
      <input type="hidden" name="proof" value={proof} />
      {isWrong ? (
        <p class="wrong" role="alert">
          {wrong}
        </p>
      ) : null}
      <div class="fields">{children}</div>
      <div class="acts">
        <button class="act main" type="submit">
          {words.signIn}
        </button>
      </div>
      {props.below}
    </form>
  )
}

function Remember({ words, isOn, lifetimeMs, address }: { readonly words: Words } & Remembering) {
  const [before, after] = words.remembered
  return isOn ? (
    <p class="keep">
      <span class="tick on">
        {before}
        {spanOf(lifetimeMs, words)}
        {after}
      </span>
      <a class="quiet" href={address}>
        {words.rememberOff}
      </a>
    </p>
  ) : (
    <p class="keep">
      <a class="quiet tick" href={address}>
        {words.rememberOn}
      </a>
    </p>
  )
}

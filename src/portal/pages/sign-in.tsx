/** @jsxImportSource hono/jsx */
import { sayError, type Words } from '../words/words.ts'
import { Acts, NarrowPage } from './narrow-page.tsx'
import { spanOf } from './time.tsx'

/** Where to sign in, when a portal leaves the choice, and for how long, when it leaves that. */
export function SignInPage(props: {
  readonly words: Words
  readonly title: string
  readonly choices: readonly { readonly label: string; readonly address: string }[]
  /** For people of a file of our own: what shows that the form is from this page, and where it goes. */
  readonly form?: {
    readonly browser: string
    readonly proof: string
    readonly address: string
    readonly isWrong: boolean
    /**
     * Whether any user has a second factor. A user without one leaves the field empty, so the field reveals nothing
     * about a user.
     */
    readonly asksForCode: boolean
  }
  readonly remember?: { readonly isOn: boolean; readonly lifetimeMs: number; readonly address: string }
}) {
  const { words, choices, form, remember } = props
  return (
    <NarrowPage words={words} title={words.signIn} place={props.title}>
      <h1>{words.signIn}</h1>
      {form === undefined ? null : <UserForm words={words} {...form} />}
      {choices.length > 1 ? <p class="soft">{words.chooseAccount}</p> : null}
      <Acts
        acts={choices.map(({ label, address }) => ({ label: words.continueWith(label), address }))}
        hasMain={form !== undefined}
      />
      {remember === undefined ? null : <Remember words={words} {...remember} />}
    </NarrowPage>
  )
}

function UserForm(props: {
  words: Words
  browser: string
  proof: string
  address: string
  isWrong: boolean
  asksForCode: boolean
}) {
  const { words, browser, proof, address, isWrong, asksForCode } = props
  return (
    <form method="post" action={address}>
      <input type="hidden" name="browser" value={browser} />
      <input type="hidden" name="proof" value={proof} />
      {isWrong ? (
        <p class="wrong" role="alert">
          {asksForCode ? words.codeWrong : sayError(words, 'access.password')}
        </p>
      ) : null}
      <div class="fields">
        <div class="wide">
          <label for="name">{words.userName}</label>
          <input
            id="name"
            name="name"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            required
            autofocus
          />
        </div>
        <div class="wide">
          <label for="password">{words.password}</label>
          <input id="password" name="password" type="password" autocomplete="current-password" required />
        </div>
        {asksForCode ? (
          <div class="wide">
            <label for="code">{words.code}</label>
            <input
              id="code"
              name="code"
              inputmode="numeric"
              autocomplete="one-time-code"
              maxlength={16}
              aria-describedby="code-note"
            />
          </div>
        ) : null}
      </div>
      {asksForCode ? (
        <p class="small soft" id="code-note">
          {words.codeNote}
        </p>
      ) : null}
      <div class="acts">
        <button class="act main" type="submit">
          {words.signIn}
        </button>
      </div>
    </form>
  )
}

function Remember(props: { words: Words; isOn: boolean; lifetimeMs: number; address: string }) {
  const { words, isOn, lifetimeMs, address } = props
  const [before, after] = words.remembered
  return isOn ? (
    <p class="note">
      {before}
      {spanOf(lifetimeMs, words)}
      {after}
      <a class="quiet" href={address}>
        {words.rememberOff}
      </a>
    </p>
  ) : (
    <p class="note">
      {words.notRemembered}
      <a class="quiet" href={address}>
        {words.rememberOn}
      </a>
    </p>
  )
}

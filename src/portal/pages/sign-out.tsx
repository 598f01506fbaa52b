/** @jsxImportSource hono/jsx */
import type { Identity } from '../../identity/identity.ts'
import { ownPath } from '../place.ts'
import type { Words } from '../words/words.ts'
import { Acts, NarrowPage } from './narrow-page.tsx'
import { detailOf, nameOf } from './person.ts'

/** Asks before signing out. `proof` shows that the form came from this page; `action` is where it goes. */
export function SignOutPage(props: {
  readonly words: Words
  readonly title: string
  readonly identity: Identity
  readonly proof: string
  readonly action: string
}) {
  const { words, action } = props
  const [before, after] = words.signOutWho
  const detail = detailOf(props.identity)
  return (
    <NarrowPage words={words} title={words.signOut} place={props.title}>
      <h1>{words.signOutQuestion}</h1>
      <p class="who">
        {before}
        <strong>{nameOf(props.identity)}</strong>
        {detail === null ? null : <span class="soft"> ({detail})</span>}
        {`${after} ${words.signOutMeaning}`}
      </p>
      <div class="acts">
        <form method="post" action={action}>
          <input type="hidden" name="proof" value={props.proof} />
          <button class="act main" type="submit">
            {words.signOut}
          </button>
        </form>
        <a class="act" href={ownPath('')}>
          {words.staySignedIn}
        </a>
      </div>
    </NarrowPage>
  )
}

/**
 * Says that someone is signed out: with `providerAddress`, here, and the page leads on to the provider by itself; with
 * `provider`, there too.
 */
export function SignedOutPage(props: {
  readonly words: Words
  readonly title: string
  readonly signInAddress: string
  readonly providerAddress: string | null
  readonly provider: string | null
}) {
  const { words, title, signInAddress, providerAddress, provider } = props
  if (providerAddress !== null) {
    return (
      <NarrowPage words={words} title={words.signedOut} place={title} onward={providerAddress}>
        <h1>{words.signedOutHere}</h1>
        <p class="soft">
          <span class="wait" aria-hidden="true" />
          {words.signingOutAtProvider}
        </p>
        <Acts acts={[{ label: words.goOn, address: providerAddress }]} />
      </NarrowPage>
    )
  }
  return (
    <NarrowPage words={words} title={words.signedOut} place={title}>
      <h1>{words.youAreSignedOut}</h1>
      <p class="soft">{provider === null ? words.sharedComputer : words.hereAndAt(provider)}</p>
      <Acts acts={[{ label: words.signInAgain, address: signInAddress }]} />
    </NarrowPage>
  )
}

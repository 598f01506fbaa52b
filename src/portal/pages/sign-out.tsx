/** @jsxImportSource hono/jsx */
import type { Identity } from '../../identity/identity.ts'
import { ownPath } from '../place.ts'
import { Acts, Door } from './layout.tsx'
import { detailOf, nameOf } from './person.ts'

/** Asks before signing out. `proof` shows that the form came from this page. */
export function SignOutPage(props: { readonly title: string; readonly identity: Identity; readonly proof: string }) {
  const detail = detailOf(props.identity)
  return (
    <Door title="Sign out" place={props.title}>
      <h1>Sign out?</h1>
      <p class="who">
        You are signed in as <strong>{nameOf(props.identity)}</strong>
        {detail === null ? null : <span class="soft"> ({detail})</span>}. This ends it for every application here.
      </p>
      <div class="acts">
        <form method="post" action={ownPath('logout')}>
          <input type="hidden" name="proof" value={props.proof} />
          <button class="act main" type="submit">
            Sign out
          </button>
        </form>
        <a class="act" href={ownPath('')}>
          Stay signed in
        </a>
      </div>
    </Door>
  )
}

/** At once: there is nothing to read that the provider's own page does not say. */
const ONWARD_AFTER_S = 0

/**
 * Says that someone is signed out: with `providerAddress`, here, and the page leads on to the provider by itself; with
 * `provider`, there too.
 */
export function SignedOutPage(props: {
  readonly title: string
  readonly signInAddress: string
  readonly providerAddress: string | null
  readonly provider: string | null
}) {
  const { title, signInAddress, providerAddress, provider } = props
  if (providerAddress !== null) {
    return (
      <Door title="Signed out" place={title} refresh={{ afterS: ONWARD_AFTER_S, address: providerAddress }}>
        <h1>You are signed out here</h1>
        <p class="soft">
          <span class="wait" aria-hidden="true" />
          Signing out at your sign-in provider…
        </p>
        <Acts acts={[{ label: 'Go on', address: providerAddress }]} />
      </Door>
    )
  }
  return (
    <Door title="Signed out" place={title}>
      <h1>You are signed out</h1>
      <p class="soft">
        {provider === null
          ? 'On a shared computer, sign out at your sign-in provider too.'
          : `Here, and at ${provider}.`}
      </p>
      <Acts acts={[{ label: 'Sign in again', address: signInAddress }]} />
    </Door>
  )
}

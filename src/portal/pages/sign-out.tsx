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

export function SignedOutPage(props: { readonly title: string; readonly signInAddress: string }) {
  return (
    <Door title="Signed out" place={props.title}>
      <h1>You are signed out</h1>
      <p class="soft">On a shared computer, sign out at your sign-in provider too.</p>
      <Acts acts={[{ label: 'Sign in again', address: props.signInAddress }]} />
    </Door>
  )
}

/** @jsxImportSource hono/jsx */
import { Acts, Door } from './layout.tsx'
import { spanOf } from './time.ts'

/** Where to sign in, when a portal leaves the choice, and for how long, when it leaves that. */
export function SignInPage(props: {
  readonly title: string
  readonly choices: readonly { readonly label: string; readonly address: string }[]
  readonly remember?: { readonly isOn: boolean; readonly lifetimeMs: number; readonly address: string }
}) {
  const { choices, remember } = props
  return (
    <Door title="Sign in" place={props.title}>
      <h1>Sign in</h1>
      {choices.length > 1 ? <p class="soft">Choose where your account is.</p> : null}
      <Acts acts={choices.map(({ label, address }) => ({ label: `Continue with ${label}`, address }))} />
      {remember === undefined ? null : <Remember {...remember} />}
    </Door>
  )
}

function Remember({ isOn, lifetimeMs, address }: { isOn: boolean; lifetimeMs: number; address: string }) {
  return isOn ? (
    <p class="note">
      You will stay signed in on this device for {spanOf(lifetimeMs)}.<br />
      <a href={address}>Only until the browser is closed</a>
    </p>
  ) : (
    <p class="note">
      You will be signed out when the browser is closed.
      <br />
      <a href={address}>Keep me signed in on this device</a>
    </p>
  )
}

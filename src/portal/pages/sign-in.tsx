/** @jsxImportSource hono/jsx */
import { Acts, Door } from './layout.tsx'

/** Where to sign in, when a portal leaves the choice. */
export function SignInPage(props: {
  readonly title: string
  readonly choices: readonly { readonly label: string; readonly address: string }[]
}) {
  return (
    <Door title="Sign in" place={props.title}>
      <h1>Sign in</h1>
      <p class="soft">Choose where your account is.</p>
      <Acts acts={props.choices.map(({ label, address }) => ({ label: `Continue with ${label}`, address }))} />
    </Door>
  )
}

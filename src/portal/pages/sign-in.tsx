/** @jsxImportSource hono/jsx */
import type { Words } from '../words/words.ts'
import { Acts, NarrowPage } from './narrow-page.tsx'
import { spanOf } from './time.tsx'

/** Where to sign in, when a portal leaves the choice, and for how long, when it leaves that. */
export function SignInPage(props: {
  readonly words: Words
  readonly title: string
  readonly choices: readonly { readonly label: string; readonly address: string }[]
  readonly remember?: { readonly isOn: boolean; readonly lifetimeMs: number; readonly address: string }
}) {
  const { words, choices, remember } = props
  return (
    <NarrowPage words={words} title={words.signIn} place={props.title}>
      <h1>{words.signIn}</h1>
      {choices.length > 1 ? <p class="soft">{words.chooseAccount}</p> : null}
      <Acts acts={choices.map(({ label, address }) => ({ label: words.continueWith(label), address }))} />
      {remember === undefined ? null : <Remember words={words} {...remember} />}
    </NarrowPage>
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

/** @jsxImportSource hono/jsx */
import type { Words } from '../words/words.ts'
import { NarrowPage } from './narrow-page.tsx'

/** A tab that waits to be looked at: its script goes on then, to `now`, or to `later` once that is too old; without one, there is a button. */
export function WaitingPage(props: {
  readonly words: Words
  readonly title: string
  readonly now: string
  readonly later: string
}) {
  const { words, now, later } = props
  return (
    <NarrowPage words={words} title={words.signIn} place={props.title}>
      <h1>{words.signIn}</h1>
      <p class="soft">{words.waitsToBeSeen}</p>
      <div class="acts" data-now={now} data-later={later}>
        <a class="act main" href={now}>
          {words.goOn}
        </a>
      </div>
    </NarrowPage>
  )
}

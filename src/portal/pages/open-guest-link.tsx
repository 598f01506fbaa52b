/** @jsxImportSource hono/jsx */
import type { HeldGuestLink } from '../../session/credentials/guest-links.ts'
import { ownPath } from '../place.ts'
import type { Words } from '../words/words.ts'
import { NarrowPage } from './narrow-page.tsx'
import { momentOf } from './time.tsx'

/** What a guest sees first: who invites them, to what, and a button. */
export function InvitationPage(props: {
  readonly words: Words
  readonly title: string
  readonly held: HeldGuestLink
  /** What the application is called. */
  readonly name: string
  /** The link's secret. */
  readonly text: string
  /** Shows that the form came from this page. */
  readonly proof: string
}) {
  const { words, title, held, name, text, proof } = props
  const { maker } = held.grant
  const until = momentOf(held.session.expiresAtMs, words)
  return (
    <NarrowPage words={words} title={words.invited} place={title}>
      <h1>{words.invitedTo(name)}</h1>
      <p class="soft">{words.invitation(maker.name === '' ? title : maker.name, until)}</p>
      <div class="acts">
        <form method="post" action={ownPath('guest')}>
          <input type="hidden" name="link" value={text} />
          <input type="hidden" name="proof" value={proof} />
          <button class="act main" type="submit">
            {words.openIt}
          </button>
        </form>
      </div>
      <p class="note">{words.invitationNote}</p>
    </NarrowPage>
  )
}

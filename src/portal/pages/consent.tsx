/** @jsxImportSource hono/jsx */
import type { Identity } from '../../identity/identity.ts'
import type { Words } from '../words/words.ts'
import { NarrowPage } from './narrow-page.tsx'
import { nameOf } from './person.ts'

/** Which program wants to use what, in whose name, and where it is sent back to. All that it says of itself may be untrue. */
export function ConsentPage(props: {
  readonly words: Words
  readonly title: string
  /** What the program calls itself; empty where it says nothing. */
  readonly client: string
  /** The host at which the program is described; null where it has registered. */
  readonly publisher: string | null
  readonly redirectHost: string
  /** What is to be used. */
  readonly name: string
  readonly address: string
  readonly identity: Identity
  /** The address that was asked, where the form goes. */
  readonly action: string
  readonly proof: string
}) {
  const { words, client, publisher, redirectHost, name, address } = props
  const shown = client === '' ? redirectHost : client
  return (
    <NarrowPage words={words} title={words.consent} place={props.title}>
      <h1>{words.consentQuestion(shown, name)}</h1>
      <p class="who">{words.consentMeaning(nameOf(props.identity), address)}</p>
      {publisher === null ? null : <p class="note">{words.consentPublisher(publisher)}</p>}
      <p class="note">{words.consentWhere(redirectHost)}</p>
      <div class="acts">
        <form method="post" action={props.action}>
          <input type="hidden" name="proof" value={props.proof} />
          <input type="hidden" name="answer" value="allow" />
          <button class="act main" type="submit">
            {words.consentAllow}
          </button>
        </form>
        <form method="post" action={props.action}>
          <input type="hidden" name="proof" value={props.proof} />
          <input type="hidden" name="answer" value="deny" />
          <button class="act" type="submit">
            {words.consentDeny}
          </button>
        </form>
      </div>
      <p class="note">{words.consentNote}</p>
    </NarrowPage>
  )
}

/** @jsxImportSource hono/jsx */
import { ownPath } from '../place.ts'
import type { KeptForm } from '../portal.ts'
import type { Words } from '../words/words.ts'
import { NarrowPage } from './narrow-page.tsx'
import { agoOf, sizeOf } from './time.tsx'

/**
 * What someone was sending when their sign-in ran out, and whether to send it now. `field` names the field of the id
 * in the button that sends it, `proof` shows that a form came from here.
 */
export function KeptPage(props: {
  readonly words: Words
  readonly title: string
  readonly form: KeptForm
  readonly field: string
  readonly id: string
  readonly origin: string
  readonly nowMs: number
  readonly proof: string
}) {
  const { words, form, id, origin } = props
  return (
    <NarrowPage words={words} title={words.sendQuestion} place={props.title}>
      <h1>{words.sendQuestion}</h1>
      <p class="soft">{words.sendLead(form.name)}</p>
      <dl class="facts">
        <div>
          <dt>{words.sendTo}</dt>
          <dd>{origin.replace(/^https?:\/\//, '') + (form.path.split('?', 1)[0] ?? '')}</dd>
        </div>
        <div>
          <dt>{words.sendSize}</dt>
          <dd>{sizeOf(form.body.byteLength, words)}</dd>
        </div>
        <div>
          <dt>{words.sendKept}</dt>
          <dd>{agoOf(form.atMs, props.nowMs, words)}</dd>
        </div>
      </dl>
      <div class="acts">
        {/* To its own address, so that the application's answer stands under that. */}
        <form method="post" action={form.path}>
          <input type="hidden" name={props.field} value={id} />
          <button class="act main" type="submit">
            {words.sendNow}
          </button>
        </form>
        <form method="post" action={ownPath('kept')}>
          <input type="hidden" name="proof" value={props.proof} />
          <input type="hidden" name="act" value="discard" />
          <input type="hidden" name="form" value={id} />
          <button class="act" type="submit">
            {words.sendDiscard}
          </button>
        </form>
      </div>
    </NarrowPage>
  )
}

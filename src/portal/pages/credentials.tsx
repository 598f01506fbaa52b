/** @jsxImportSource hono/jsx */
import { type OwnPage, ownPath } from '../place.ts'
import type { Words } from '../words/words.ts'

/** What was made a moment ago, under what there is to say of it; it is never shown again. */
export function Made({ lead, text }: { readonly lead: string; readonly text: string }) {
  return (
    <div class="made" role="status">
      <p>{lead}</p>
      <p>
        <code>{text}</code>
      </p>
    </div>
  )
}

/** What a form that makes one carries unseen. */
export function Creates({ proof }: { readonly proof: string }) {
  return (
    <>
      <input type="hidden" name="proof" value={proof} />
      <input type="hidden" name="act" value="create" />
    </>
  )
}

/** The field for what its owner will know it by. */
export function NameField({ label }: { readonly label: string }) {
  return (
    <>
      <label for="name">{label}</label>
      <input id="name" name="name" type="text" required maxlength={100} autocomplete="off" />
    </>
  )
}

interface RevokeView {
  readonly words: Words
  readonly page: OwnPage
  readonly id: string
  /** What its owner knows it by. */
  readonly name: string
  readonly proof: string
}

/** The button that ends one. */
export function Revoke({ words, page, id, name, proof }: RevokeView) {
  return (
    <form method="post" action={ownPath(page)}>
      <input type="hidden" name="proof" value={proof} />
      <input type="hidden" name="act" value="revoke" />
      <input type="hidden" name="id" value={id} />
      <button class="act" type="submit" aria-label={words.revokeNamed(name)}>
        {words.revoke}
      </button>
    </form>
  )
}

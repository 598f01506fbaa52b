/** @jsxImportSource hono/jsx */
import type { Contact } from '../../config/types/portals.ts'
import type { Words } from '../words/words.ts'

/** Whom to ask, where the portal names somebody. */
export function Help({ words, contact }: { readonly words: Words; readonly contact: Contact | null }) {
  if (contact === null) return null
  return (
    <span class="help">
      {`${words.help} `}
      {contact.address === null ? contact.text : <a href={contact.address}>{contact.text}</a>}
    </span>
  )
}

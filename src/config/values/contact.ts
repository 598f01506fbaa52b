import { bad, good, type Parsed } from '../text/outcome.ts'
import { quote } from '../text/raw.ts'
import type { Contact } from '../types/portals.ts'

const LONGEST = 200

/** What a page can lead to: mail, a page, a telephone. Nothing that a browser runs. */
const LINK = /^(?:https?:\/\/[^/\s]|mailto:[^@\s]+@[^@\s]+$|tel:\+?[0-9]|xmpp:[^\s@]+@|matrix:)/i
const MAIL = /^[^\s@:/]+@[^\s@:/]+\.[^\s@:/]+$/

/** Whom people ask: an address that a page can lead to, a bare mail address, or words. */
export function parseContact(text: string): Parsed<Contact> {
  const trimmed = text.trim()
  if (trimmed === '') return bad('portal.contact', 'the contact is empty', 'whom people ask: "mailto:it@example.com"')
  if (trimmed.length > LONGEST) {
    return bad('portal.contact', 'the contact is too long', `${LONGEST} characters; for more, lead to a page`)
  }
  if (MAIL.test(trimmed)) return good({ text: trimmed, address: `mailto:${trimmed}` })
  if (LINK.test(trimmed) && URL.canParse(trimmed)) {
    return good({
      text: trimmed.replace(/^(?:mailto|tel|xmpp):|^https?:\/\//i, '').replace(/\/$/, ''),
      address: trimmed,
    })
  }
  if (/^[a-z][a-z0-9+.-]*:\S/i.test(trimmed)) {
    return bad(
      'portal.contact',
      `${quote(trimmed)} is nothing that a page can lead to`,
      'mailto:, https:, http:, tel:, xmpp: or matrix:, or words such as "Ada, extension 12"',
    )
  }
  return good({ text: trimmed, address: null })
}

/** E-mail addresses and their domains, and whom a page names as its contact. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'

const ASCII = /^[\x21-\x7e]+$/
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/

/**
 * A whole e-mail address, lower-case. Exactly one @ and ASCII only: look-alike letters and addresses that two programs split
 * differently must not be able to name someone else.
 */
export function parseEmail(text: string): Parsed<string> {
  const not = `${quote(text)} is not an e-mail address`
  if (!ASCII.test(text)) return bad('email.invalid', not, 'ASCII letters only, and no spaces')
  const [local = '', domain = '', ...more] = text.split('@')
  if (text.includes('*')) return bad('email.invalid', not, 'for everyone at a domain: domains = ["example.com"]', '*')
  if (domain === '' || local === '' || more.length > 0)
    return bad('email.invalid', not, 'exactly one @, with something on both sides')
  if (!DOMAIN.test(domain.toLowerCase())) return bad('email.invalid', not, 'what follows the @ is not a domain', domain)
  return good(text.toLowerCase())
}

/** The domain of e-mail addresses, lower-case and whole: subdomains are other domains. */
export function parseEmailDomain(text: string): Parsed<string> {
  const not = `${quote(text)} is not a domain`
  if (text === '*') return bad('domain.invalid', not, 'for everyone who can sign in: any = true')
  if (text.includes('@')) {
    const hint = text.startsWith('@')
      ? `without the @: "${text.slice(1)}"`
      : `a whole address goes into emails: emails = [${quote(text)}]`
    return bad('domain.invalid', not, hint, '@')
  }
  if (text.includes('*')) return bad('domain.invalid', not, 'name each domain; there are no wildcards here', '*')
  if (!ASCII.test(text)) return bad('domain.invalid', not, 'ASCII only: an international domain as xn--…')
  if (!DOMAIN.test(text.toLowerCase())) return bad('domain.invalid', not, 'as in "example.com"')
  return good(text.toLowerCase())
}

/** What pages show of `contact`, and its link; null for words without a link. */
export interface Contact {
  readonly text: string
  readonly address: string | null
}

const LONGEST = 200

/** What a page can lead to: mail, a page, a telephone. Nothing that a browser runs. */
const LINK = /^(?:https?:\/\/[^/\s]|mailto:[^@\s]+@[^@\s]+$|tel:\+?[0-9]|xmpp:[^\s@]+@|matrix:)/i
const MAIL = /^[^\s@:/]+@[^\s@:/]+\.[^\s@:/]+$/

/** Whom people ask: an address that a page can lead to, a bare mail address, or words. */
export function parseContact(text: string): Parsed<Contact> {
  const trimmed = text.trim()
  if (trimmed === '') return bad('portal.contact', 'the contact is empty', 'whom people ask: "mailto:it@example.com"')
  if (trimmed.length > LONGEST) {
    return bad(
      'portal.contact',
      'the contact is too long',
      `at most ${LONGEST} characters; for more, name the address of a page`,
    )
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
      `${quote(trimmed)} is no address that a page can link to`,
      'mailto:, https:, http:, tel:, xmpp: or matrix:, or words such as "Ada, extension 12"',
    )
  }
  return good({ text: trimmed, address: null })
}

import { bad, good, type Parsed } from '../text/outcome.ts'
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

import { bad, good, type Parsed } from '../text/outcome.ts'
import { quote } from '../text/raw.ts'
import { parsed } from './value.ts'

const MAX_LENGTH = 512

/** A pattern of whole texts, in which a star is anything at all: `*-admins`. */
export const starPattern = parsed(
  { label: 'pattern', expected: 'text in which a star is anything, such as "*-admins"' },
  parseStarPattern,
)

/** The same for e-mail addresses, lower-case: `*@example.com`. */
export const emailPattern = parsed(
  { label: 'pattern', expected: 'a pattern of e-mail addresses such as "*@example.com"' },
  parseEmailPattern,
)

/** A pattern in its one spelling: no two stars side by side. */
export function parseStarPattern(text: string): Parsed<string> {
  if (text.length > MAX_LENGTH)
    return bad('pattern.invalid', `${quote(text)} is too long for a pattern`, `${MAX_LENGTH} characters are the most`)
  return good(text.replace(/\*{2,}/g, '*'))
}

/** Refused: what can hold for no address that counts, which has ASCII letters and one @. */
export function parseEmailPattern(text: string): Parsed<string> {
  const not = `${quote(text)} is not a pattern of e-mail addresses`
  if (!/^[!-~]+$/.test(text)) return bad('pattern.invalid', not, 'ASCII letters only, and no spaces')
  if (text.split('@').length > 2) return bad('pattern.invalid', not, 'an address has one @', '@')
  if (!/[@*]/.test(text)) return bad('pattern.invalid', not, `a star is anything: "${text}@*", "*@${text}"`)
  return parseStarPattern(text.toLowerCase())
}

/**
 * The end of a pattern of addresses that is meant for a domain, and holds for others that end in the same letters; null for any other.
 */
export function looseDomain(pattern: string): string | null {
  return /\*([a-z0-9-]+(?:\.[a-z0-9-]+)+)$/.exec(pattern)?.[1] ?? null
}

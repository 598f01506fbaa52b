/** Subjects that this gate gives itself, to users of a file, guests and services; no provider may use them. */

import { GateError } from '../base/errors.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { HTPASSWD } from '../config/values/htpasswd.ts'

/** How the subjects begin that are given here, and not by a provider. */
export const OWN_SUBJECTS = {
  /** The subject of a user of a password file. */
  password: `${HTPASSWD}:`,
  /** The subject of a guest. */
  guest: 'guest:',
  service: 'token:',
} as const

/** The same without their colons, as `readings` leaves them. */
const RESERVED = new Set(Object.values(OWN_SUBJECTS).map(prefix => prefix.slice(0, -1)))

/** Nothing is escaped more often by accident, and a subject is short. */
const MOST_ESCAPES = 8

/**
 * Whether a subject is one of our own, in this or any spelling that an application may take for it.
 *
 * No provider's `sub` may be: it would be that person to rules with `subjects`, and to every application. Applications fold names in
 * ways of their own, so what counts is how the part before the first colon reads with escapes undone, in compatibility form (a
 * full-width colon is a colon), without accents, case, blanks, marks and signs. What is refused in vain by that has a name like
 * `Guest:` for its accounts.
 */
export function isOwnSubject(subject: string): boolean {
  let text = subject
  for (let times = 0; times <= MOST_ESCAPES; times++) {
    if (RESERVED.has(nameBeforeColon(text))) return true
    const next = unescapeOnce(text)
    if (next === text) return false
    text = next
  }
  // A text with this many escapes was written to be misread.
  return true
}

function nameBeforeColon(text: string): string {
  const plain = text.normalize('NFKD')
  const colon = plain.indexOf(':')
  if (colon === -1) return ''
  // Upper case first: only that turns a sharp s into two letters.
  return plain
    .slice(0, colon)
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^\p{L}\p{N}]/gu, '')
}

function unescapeOnce(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, run => Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'))
}

/** Throws `provider.subject` for a `sub` that rules and applications would take for a subject of Sallyport's own. */
export function refuseOwnSubject(subject: string, { name }: Pick<ProviderConfig, 'name'>): void {
  if (!isOwnSubject(subject)) return
  const prefixes = Object.values(OWN_SUBJECTS).join(', ')
  throw new GateError('provider.subject', 'the provider states a sub that only Sallyport gives', {
    hint: `subjects that begin with ${prefixes}, or that can be read so, are ours: let the provider state another sub`,
    facts: { provider: name, subject, check: 'sub' },
  })
}

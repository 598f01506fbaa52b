/** How long a code is good: as long as a redirect takes (RFC 6749 §4.1.2). */
export const CODE_MS = 60_000

/** How long it is known which token came of a code, so that a second use takes that away. */
export const USED_CODE_MS = 10 * 60_000

/** What a code stands for, sealed in the store. */
export interface StoredCode {
  /** The id of the session of whoever agreed. */
  readonly session: string
  /** The SHA-256 of the client's id. */
  readonly client: string
  /** What the token is called in its person's list. */
  readonly name: string
  readonly redirect: string
  readonly resource: string
  readonly challenge: string
}

/** A code as it was kept; null for anything else. */
export function readCode(value: unknown): StoredCode | null {
  if (typeof value !== 'object' || value === null) return null
  const code = value as StoredCode
  const texts = [code.session, code.client, code.name, code.redirect, code.resource, code.challenge]
  return texts.every(text => typeof text === 'string') ? code : null
}

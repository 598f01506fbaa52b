/** The scopes for a provider in the new file. */

import type { Outcome } from './notes.ts'

/** What an OpenID provider is asked for, and what to say of it. */
export interface Scopes {
  /** Each once, with "openid" among them, unless nothing was named. */
  readonly list: readonly string[]
  readonly outcome: Outcome
  readonly say: string
}

/**
 * The scopes of an old file, in its order. "openid" may be missing: the old program added it automatically, or did not
 * need an ID token.
 *
 * Source: OpenID Connect Core 1.0 §3.1.2.1 (a request without "openid" is not an OpenID Connect request).
 */
export function openidScopes(stated: readonly string[]): Scopes {
  const list = [...new Set(stated)]
  if (list.length === 0 || list.includes('openid')) return { list, outcome: 'kept', say: 'scopes' }
  return {
    list: ['openid', ...list],
    outcome: 'changed',
    say: 'scopes, with "openid": without it a provider need not name the user',
  }
}

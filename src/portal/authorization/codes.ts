/** Authorization codes for MCP clients: redeemed once; a second use ends what the first one got. */

import type { ApiTokens } from '../../session/credentials/api-tokens.ts'
import type { Sessions } from '../../session/session.ts'

/** How long a code is good: as long as a redirect takes (RFC 6749 §4.1.2). */
export const CODE_MS = 60_000

/** How long it is known which token comes of a code, and that it came again, so that a second use takes that away. */
const USED_CODE_MS = 10 * 60_000

/** The record of a code, sealed in the store. */
export interface StoredCode {
  /** The id of the session of the user who agreed. */
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
function readCode(value: unknown): StoredCode | null {
  if (typeof value !== 'object' || value === null) return null
  const code = value as StoredCode
  const texts = [code.session, code.client, code.name, code.redirect, code.resource, code.challenge]
  return texts.every(text => typeof text === 'string') ? code : null
}

export interface CodeTools {
  readonly sessions: Pick<Sessions, 'putOneTime' | 'consumeOneTime' | 'peekOnce'> & {
    readonly tokens: Pick<ApiTokens, 'newId'>
  }
}

/** A code as a client sends it. `token` is the id of the token for it, which the first use creates. */
export type CodeUse =
  | { readonly kind: 'first'; readonly code: StoredCode; readonly token: string }
  | { readonly kind: 'again'; readonly token: string }

/**
 * Uses a code up; null for an invalid code, or one that has expired unused. Throws `session.store`.
 *
 * The token's id exists before the token. So a second use of the code knows which token to end, on any machine and in
 * the very moment of the first use (RFC 6749 §4.1.2). Each side writes before it reads: the second use records that it
 * came, then ends the token. The first makes the token, then asks `cameAgain`. One of them finds the other.
 */
export async function takeCode({ sessions }: CodeTools, text: string): Promise<CodeUse | null> {
  if (readCode(await sessions.peekOnce('code', text)) !== null) {
    const token = sessions.tokens.newId()
    if (await sessions.putOneTime('used-code', text, { token }, { lifetimeMs: USED_CODE_MS, owner: token })) {
      // Null where it was used so long ago that the record of that use is gone.
      const code = readCode(await sessions.consumeOneTime('code', text))
      return code === null ? null : { kind: 'first', code, token }
    }
  }
  const used = await sessions.peekOnce('used-code', text)
  if (typeof used !== 'object' || used === null || !('token' in used) || typeof used.token !== 'string') return null
  const { token } = used
  await sessions.putOneTime('repeated-code', text, {}, { lifetimeMs: USED_CODE_MS, owner: token })
  return { kind: 'again', token }
}

/** Whether a code has come again. Throws `session.store`. */
export async function cameAgain({ sessions }: CodeTools, text: string): Promise<boolean> {
  return (await sessions.peekOnce('repeated-code', text)) !== null
}

/** PKCE: the code verifier and its challenge (RFC 7636). */

import * as oauth from 'oauth4webapi'
import { randomToken } from '../base/bytes.ts'
import type { Ports } from '../base/ports.ts'

/**
 * A new code verifier of 256 random bits, one per sign-in. By it the client that redeems a code shows that it started
 * the sign-in.
 *
 * Source: RFC 7636 §4.1 and §7.1.
 */
export function createCodeVerifier(random: Ports['random']): string {
  return randomToken(random)
}

/** What the authorization request says of a verifier: its hash. Absent on purpose: `plain`, which protects nothing (RFC 9700 §2.1.1). */
export async function challengeParameters(
  codeVerifier: string,
): Promise<{ readonly code_challenge: string; readonly code_challenge_method: 'S256' }> {
  return { code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier), code_challenge_method: 'S256' }
}

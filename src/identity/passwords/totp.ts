/** Codes of authenticator applications (TOTP, RFC 6238). */

import { Secret, TOTP } from 'otpauth'

/** As authenticator applications take them for granted (RFC 6238 §4.1; the "Key URI Format" that QR codes hold). */
const KIND = { algorithm: 'SHA1', digits: 6, period: 30 } as const

/** One step to either side: clocks differ, and a code is typed for a while (RFC 6238 §5.2). */
const WINDOW = 1

/** How long a code is taken at most, from when its step begins for the earliest clock. */
export const CODE_LIFETIME_MS = (2 * WINDOW + 1) * KIND.period * 1000

/** The step that a code of this secret (Base32) is of, by which it is known once it was used; null for a code that is not right now. */
export function totpStep(secret: string, code: string, nowMs: number): number | null {
  const token = code.replaceAll(/\s/g, '')
  if (!/^[0-9]{6}$/.test(token)) return null
  const delta = TOTP.validate({
    ...KIND,
    token,
    secret: Secret.fromBase32(secret),
    timestamp: nowMs,
    window: WINDOW,
  })
  return delta === null ? null : TOTP.counter({ period: KIND.period, timestamp: nowMs }) + delta
}

/** A secret of 160 bits in Base32: the output length of its hash function (RFC 4226 §4 R6). */
export function makeTotpSecret(random: (count: number) => Uint8Array<ArrayBuffer>): string {
  return new Secret({ buffer: random(20).buffer }).base32
}

/** What an authenticator application reads from a QR code: `otpauth://totp/…`. */
export function totpAddress(secret: string, name: string, issuer: string): string {
  return new TOTP({ ...KIND, secret, issuer, label: name }).toString()
}

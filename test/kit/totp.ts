import { TOTP } from 'otpauth'
import { plant } from './log/planted.ts'

/** The secret of an authenticator application, in Base32. */
export const SECOND_FACTOR = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
plant(SECOND_FACTOR, 'the secret of a second factor')

/** What the application shows then. */
export function codeAt(nowMs: number, secret = SECOND_FACTOR): string {
  return new TOTP({ secret, algorithm: 'SHA1', digits: 6, period: 30 }).generate({ timestamp: nowMs })
}

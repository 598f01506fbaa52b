import { sha256 } from './bytes.ts'

const LENGTH = 12

/**
 * What logs and the audit trail call a session: the same for each of its requests, and nothing that leads to it or to its cookie.
 */
export function sessionMark(sessionId: string): string {
  return sha256(sessionId).slice(0, LENGTH)
}

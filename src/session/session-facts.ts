/** A session and its user in the words of log and audit trail. */

import type { AuditFacts } from '../audit/record.ts'
import { sha256 } from '../base/bytes.ts'
import type { Identity } from '../identity/identity.ts'
import type { Session } from './session.ts'

/** Who somebody is, for the audit trail. */
export function personFacts({ subject, provider, preferredUsername, email, name }: Identity): AuditFacts {
  return { user: subject, name: preferredUsername ?? email ?? name ?? undefined, provider }
}

export function sessionFacts({ id, portal, identity }: Session): AuditFacts {
  return { ...personFacts(identity), portal, session: sessionMark(id) }
}

const LENGTH = 12

/**
 * What logs and the audit trail call a session: the same for each of its requests, and nothing that leads to it or to its cookie.
 */
export function sessionMark(sessionId: string): string {
  return sha256(sessionId).slice(0, LENGTH)
}

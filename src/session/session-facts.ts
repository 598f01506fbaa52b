import type { AuditFacts } from '../audit/record.ts'
import { sessionMark } from '../base/session-mark.ts'
import type { Identity } from '../identity/identity.ts'
import type { Session } from './session.ts'

/** Who somebody is, for the audit trail. */
export function personFacts({ subject, provider, preferredUsername, email, name }: Identity): AuditFacts {
  return { user: subject, name: preferredUsername ?? email ?? name ?? undefined, provider }
}

/** Whose session it is, and where. */
export function sessionFacts({ id, portal, identity }: Session): AuditFacts {
  return { ...personFacts(identity), portal, session: sessionMark(id) }
}

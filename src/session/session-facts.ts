/** A session and its user in the words of log and audit trail, and as JSON for scripts. */

import type { AuditFacts } from '../audit/record.ts'
import { sha256 } from '../base/bytes.ts'
import type { Identity } from '../identity/identity.ts'
import type { Session, SessionEntry } from './session.ts'

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

/** A session as scripts see it. Names are part of the interface; times are ISO 8601. */
interface EntryJson {
  readonly id: string
  readonly portal: string
  readonly provider: string
  readonly subject: string
  readonly name: string | null
  readonly email: string | null
  readonly device: string
  readonly address: string
  readonly is_remembered: boolean
  /** Present where it is bound to a device. */
  readonly is_bound?: true
  readonly signed_in_at: string
  readonly last_used_at: string
  readonly expires_at: string
}

/** A session for scripts: no cookie, no token. */
export function describeEntry({ session, agent, client, lastSeenMs }: SessionEntry): EntryJson {
  const { id, portal, identity, isRemembered, createdAtMs, expiresAtMs } = session
  return {
    id,
    portal,
    provider: identity.provider,
    subject: identity.subject,
    name: identity.name,
    email: identity.email,
    device: agent,
    address: client,
    is_remembered: isRemembered,
    ...(session.bound === undefined ? {} : { is_bound: true }),
    signed_in_at: new Date(createdAtMs).toISOString(),
    last_used_at: new Date(lastSeenMs).toISOString(),
    expires_at: new Date(expiresAtMs).toISOString(),
  }
}

/** A session as JSON for scripts. */

import type { SessionEntry } from '../../session/session.ts'

/** A session as scripts see it. Names are part of the interface; times are ISO 8601. */
export interface EntryJson {
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

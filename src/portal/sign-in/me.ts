import type { Session } from '../../session/session.ts'
import type { Told } from '../portal.ts'

/** Who is signed in, for scripts: what `/.sallyport/me` answers. Names are part of the interface. */
export interface Person {
  readonly subject: string
  readonly provider: string
  readonly name: string | null
  readonly username: string | null
  readonly email: string | null
  readonly email_verified: boolean | null
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  /** ISO 8601. */
  readonly signed_in_at: string
  readonly expires_at: string
}

/** A session as `me` shows it: no id, no token; of the person what applications are told. */
export function describePerson({ createdAtMs, expiresAtMs }: Session, { identity, roles }: Told): Person {
  return {
    subject: identity.subject,
    provider: identity.provider,
    name: identity.name,
    username: identity.preferredUsername,
    email: identity.email,
    email_verified: identity.emailVerified,
    groups: identity.groups,
    roles,
    signed_in_at: new Date(createdAtMs).toISOString(),
    expires_at: new Date(expiresAtMs).toISOString(),
  }
}

/** `/.sallyport/me`: who is signed in, as JSON for scripts. */

import { toldSubject } from '../../identity/claim-bounds.ts'
import type { Session } from '../../session/session.ts'
import { jsonAnswer } from '../answer.ts'
import type { PortalRequest, Told } from '../portal-request.ts'
import { signInProblem } from '../problem.ts'

/** Who is signed in, for scripts: what `/.sallyport/me` answers. Names are part of the interface. */
interface Person {
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

/** The signed-in user, for scripts of this host: 401 without a session. */
export function sayPerson(ctx: PortalRequest): Response {
  return ctx.session === null ? signInProblem(ctx) : jsonAnswer(describePerson(ctx.session, ctx.told(ctx.session)))
}

/** A session as `me` shows it: no id, no token. Of the user it has what applications get. */
function describePerson({ createdAtMs, expiresAtMs }: Session, { identity, roles }: Told): Person {
  return {
    subject: toldSubject(identity),
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

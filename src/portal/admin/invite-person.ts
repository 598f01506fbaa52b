/** An admin invites a user of the file to create a passkey: whom an admin may invite, and the link. `people.tsx` is the page. */

import { GateError } from '../../base/errors.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { GRANTED, type Identity } from '../../identity/identity.ts'
import { type FilePerson, passkeyAmr, userIdentity, userSubject } from '../../identity/passwords/users.ts'
import type { StepUp } from '../../identity/step-up.ts'
import { EMPTY } from '../../session/accounts/account.ts'
import { groundOf } from '../../session/accounts/accounts.ts'
import type { Invitations } from '../../session/accounts/invitations.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session } from '../../session/session.ts'
import { adminUntilMs } from '../admins.ts'
import { ownPath, portalOrigin } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest } from '../portal-request.ts'
import { isSignedInWithin } from '../sign-in/ask-step-up.ts'

interface InviteTools extends AuditTools {
  readonly sessions: { readonly grants: Pick<Grants, 'of' | 'list'>; readonly invitations: Invitations }
}

/** An invitation may take over an account: its maker has signed in within half an hour. */
const RECENT_S = 30 * 60

/** The sign-in that this demands. */
export const RECENT: StepUp = { maxAgeS: RECENT_S, acr: [], amr: [] }

/** What was made a moment ago. */
export interface MadeInvitation {
  readonly name: string
  readonly address: string
  readonly expiresAtMs: number
}

/**
 * Makes a link by which a user of the file creates a passkey.
 *
 * It signs in whoever has it as that user. So its maker has signed in lately (`isRecent`), is an admin for good, and has
 * every role of that user for good, at each portal with this file: by a rule of it, or by a grant that does not end.
 *
 * Throws `access.denied`, `session.store`.
 */
export async function invitePerson(
  ctx: PortalRequest,
  tools: InviteTools,
  session: Session,
  whose: Looked,
): Promise<MadeInvitation> {
  const { provider, person } = whose
  // Whoever comes by the link stays that user for good.
  if ((await adminUntilMs(ctx, tools.sessions.grants, session)) !== null)
    throw new GateError('access.denied', 'an admin for a limited time cannot invite users', {
      hint: 'another admin can, or: sallyport user invite',
    })
  const missing = missingRoles(ctx, tools, session, whose)
  if (missing.length > 0) {
    throw new GateError(
      'access.denied',
      'an admin cannot invite a user who has roles that the admin does not have permanently',
      {
        hint: 'an admin with these roles can, or: sallyport user invite',
        facts: { missing },
      },
    )
  }
  const { subject: by } = session.identity
  const { text, expiresAtMs } = await tools.sessions.invitations.make(person, { portal: ctx.portal.name, by })
  const facts = { ...askedFacts(ctx), name: person.name, provider: provider.name, by }
  await tools.audit.keep('invitation.made', { ...facts, user: userSubject(person.name) })
  return { name: displayNameOf(provider, person), address: invitationAddress(portalOrigin(ctx), text), expiresAtMs }
}

/** The link of an invitation. Its secret travels in the query, which no log of Sallyport's has. */
export function invitationAddress(origin: string, text: string): string {
  return `${origin}${ownPath('invitation')}?link=${text}`
}

export function isRecent(session: Session, nowMs: number): boolean {
  return isSignedInWithin(session, RECENT_S, nowMs)
}

/** A user of the file, who is looked at by an admin. */
export interface Looked {
  readonly provider: ProviderConfig
  readonly person: FilePerson
  readonly nowMs: number
}

/** A user of the file as they would be signed in by a passkey. */
function asSignedIn({ provider, person, nowMs }: Looked): Identity | null {
  const how = { account: groundOf(person, EMPTY), amr: passkeyAmr({ isBackupEligible: true }) }
  return userIdentity(provider, person.name, nowMs, how)
}

/**
 * What a user has and this admin has not, or for a time alone: roles, and the way into a portal that has `members`. Also of
 * other portals with this file: whoever is signed in by an invitation may set a password, which counts there, too.
 */
export function missingRoles(
  ctx: PortalRequest,
  { sessions: { grants } }: Pick<InviteTools, 'sessions'>,
  { identity: own }: Session,
  whose: Looked,
): readonly string[] {
  const theirs = asSignedIn(whose)
  if (theirs === null) return []
  return [...ctx.rolesByPortal(whose.provider.name)].flatMap(([portal, rolesOf]) => {
    const granted = (identity: Identity) => grants.of({ portal, identity }).grants
    const lasting = granted(own).filter(({ untilMs }) => untilMs === null)
    const wanted = rolesOf({ ...theirs, [GRANTED]: granted(theirs).map(({ role }) => role) })
    if (wanted === null) return []
    const held = rolesOf({ ...own, [GRANTED]: lasting.map(({ role }) => role) })
    if (held === null) return [`membership of ${portal}`]
    return wanted
      .filter(role => !held.includes(role))
      .map(role => (portal === ctx.portal.name ? role : `${role} of ${portal}`))
  })
}

export function displayNameOf({ users }: ProviderConfig, { name }: FilePerson): string {
  return users?.entries.get(name)?.displayName ?? name
}

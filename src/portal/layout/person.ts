/** How pages name a person. */

import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { Identity } from '../../identity/identity.ts'

/** How a page names someone: the friendliest claim first, the subject when there is nothing else. */
export function nameOf(identity: Identity): string {
  return identity.name ?? identity.preferredUsername ?? identity.email ?? identity.subject
}

/** The detail that distinguishes two accounts of the same name, or null when the name already does. */
export function detailOf(identity: Identity): string | null {
  const name = nameOf(identity)
  const detail = identity.email ?? identity.preferredUsername
  return detail === null || detail === name ? null : detail
}

/** Whether people come to a portal from more than one place, in each of which a name is somebody else's: lists then say from which. */
export function hasSeveral({ providers, passwords }: Pick<PortalConfig, 'providers' | 'passwords'>): boolean {
  return providers.length + (passwords === null ? 0 : 1) > 1
}

/** Who somebody is: subjects are an issuer's own, and a name of a file of users may be another user's later. */
type Person = Pick<Identity, 'issuer' | 'subject' | 'userId'>

/** Whether two sign-ins, or what somebody made, are one person's (OpenID Connect Core 1.0 §5.7). */
export function isSamePerson(one: Person, other: Person): boolean {
  return one.issuer === other.issuer && one.subject === other.subject && one.userId === other.userId
}

/** Which providers and users the current file trusts at each portal. */

import type { Facts } from '../base/errors.ts'
import type { PortalConfig } from '../config/resolve/portals.ts'
import type { ProviderConfig, UsersConfig } from '../config/resolve/providers.ts'
import { HTPASSWD } from '../config/values/htpasswd.ts'
import type { Identity } from '../identity/identity.ts'
import { isOwnSubject } from '../identity/own-subjects.ts'
import { credentialOf, passwordUsers, userNameOf, userSubject } from '../identity/passwords/users.ts'
import type { Session } from './session.ts'

/** Someone at a portal, as a provider described them or as we did. */
type Someone = Pick<Session, 'portal' | 'identity'>

/** What a file says of portals and their providers. */
interface Said {
  readonly portals: ReadonlyMap<
    string,
    Pick<PortalConfig, 'name' | 'providers'> & Partial<Pick<PortalConfig, 'passwords' | 'passwordGroups'>>
  >
  readonly providers: ReadonlyMap<string, Pick<ProviderConfig, 'issuer' | 'users'>>
}

/** Which providers each portal trusts, by the current file. */
export interface ProviderTrust {
  /**
   * One for each provider of each portal, with its issuer, and for each user where that is a file, with what a sign-in of theirs stands
   * on; a key that is gone has been withdrawn.
   */
  readonly keys: ReadonlySet<string>
  /**
   * Whether the provider that vouched for someone is one of their portal's, under the name and with the issuer that it had then:
   * another issuer under an old name is another provider, whose `sub` may be another person's. No provider's word makes anybody
   * one of our own; a file of users does, by the password that it has now.
   */
  counts(someone: Someone): boolean
  /** The files of users at each portal. */
  readonly files: readonly UsersFile[]
}

/** Who may have a session at a portal. */
export interface Members {
  /** Whether somebody may: with the groups and the granted roles that count now. */
  has(identity: Identity): boolean
  /** What somebody came with who may not, for the log, and what can be done about it where that is known. */
  cameWith(identity: Identity): { readonly facts: Facts; readonly hint: string | null }
  /** A mark of everything that decides it: it changes where other users may be members. */
  readonly mark: string
}

/** Members by portal: at one that is not among them, everybody is one for whom somebody vouches. */
export type MembersAt = ReadonlyMap<string, Members>

/** A file of users at a portal: that of a provider, or the portal's own `htpasswd`. */
export interface UsersFile {
  readonly portal: string
  /** The provider's; empty for `htpasswd`. */
  readonly issuer: string
  readonly names: ReadonlySet<string>
  /** Whether its users have ids, which distinguish two users of one name. */
  readonly hasIds: boolean
}

/** The providers of each portal. Issuers are as discovery has to repeat them, to the letter, so that nothing needs to be asked. */
export function providerTrustOf({ portals, providers }: Said): ProviderTrust {
  const keys = new Set<string>()
  const files: UsersFile[] = []
  const add = (portal: string, provider: string, issuer: string, users: UsersConfig) => {
    for (const user of users.entries.keys()) {
      const credential = credentialOf(users, user)
      if (credential !== null) keys.add(keyOf(portal, { provider, issuer, credential }, userSubject(user)))
    }
    const hasIds = [...users.entries.values()].some(({ id }) => id !== null)
    files.push({ portal, issuer, names: new Set(users.entries.keys()), hasIds })
  }
  for (const portal of portals.values()) {
    if (portal.passwords) add(portal.name, HTPASSWD, '', passwordUsers(portal))
    for (const name of portal.providers) {
      const provider = providers.get(name)
      if (provider === undefined) continue
      const { issuer, users } = provider
      if (users === null) keys.add(keyOf(portal.name, { provider: name, issuer }))
      else add(portal.name, name, issuer, users)
    }
  }
  return Object.freeze({
    keys,
    files,
    counts: ({ portal, identity }: Someone) =>
      keys.has(keyOf(portal, identity, identity.subject)) &&
      (identity.credential !== undefined || !isOwnSubject(identity.subject)),
  })
}

/**
 * Whether this identity needs no provider: a service's token, or a guest. Every provider has an issuer; a name of
 * `htpasswd` needs its file.
 */
export function needsNoProvider({ issuer, subject }: Pick<Identity, 'issuer' | 'subject'>): boolean {
  return issuer === '' && userNameOf(subject) === null
}

/**
 * Whether something belongs to a name that a file without ids no longer has: the next user of that name must not get
 * it. Where a file has ids, something without an id is older than the ids, and belongs to no user.
 */
export function isLeftBehind(
  files: readonly UsersFile[],
  portal: string,
  { issuer, subject, userId }: Pick<Identity, 'issuer' | 'subject' | 'userId'>,
): boolean {
  const name = userNameOf(subject)
  const file = files.find(one => one.portal === portal && one.issuer === issuer)
  if (file === undefined || name === null || userId !== undefined) return false
  return file.hasIds || !file.names.has(name)
}

/** The files that say less of who belongs to a name than they did: there may be something that is left behind. */
export function filesWithLess(before: readonly UsersFile[], now: readonly UsersFile[]): readonly UsersFile[] {
  return now.filter(({ portal, issuer, names, hasIds }) => {
    const old = before.find(one => one.portal === portal && one.issuer === issuer)
    return old === undefined || old.hasIds !== hasIds || [...old.names].some(name => !names.has(name))
  })
}

/** What a change of the file has taken away. */
export interface Withdrawn {
  /** Portals that have lost a provider. */
  readonly portals: readonly string[]
  /** Whether someone was vouched for by a provider that is gone. */
  includes(someone: Someone): boolean
}

/** The portals at which somebody who was a member may be none any more. */
export function portalsWithOthers(before: MembersAt, now: MembersAt): readonly string[] {
  return [...now].filter(([portal, { mark }]) => before.get(portal)?.mark !== mark).map(([portal]) => portal)
}

/** What counted before and does not now. */
export function withdrawnBetween(before: ProviderTrust, now: ProviderTrust): Withdrawn {
  const lost = new Set([...before.keys].filter(key => !now.keys.has(key)))
  return {
    portals: [...new Set(Array.from(lost, portalOf))],
    includes: ({ portal, identity }) => lost.has(keyOf(portal, identity, identity.subject)),
  }
}

/** Of a user of a file, whom it names and by which password; of anybody else, their provider. */
function keyOf(
  portal: string,
  { provider, issuer, credential }: Pick<Identity, 'provider' | 'issuer' | 'credential'>,
  subject = '',
): string {
  return JSON.stringify(
    credential === undefined ? [portal, provider, issuer] : [portal, provider, issuer, subject, credential],
  )
}

function portalOf(key: string): string {
  return String((JSON.parse(key) as unknown[])[0])
}

/** The people who are signed in, for whom a preview is made. */

import type { Config } from '../../config/resolve/config.ts'
import type { Identity } from '../../identity/identity.ts'
import { membersOf } from '../../policy/members.ts'
import { keyOf } from '../../session/grants/grants.ts'
import { isLiveInStore, lifetimesAt, limitsOf, momentsOf } from '../../session/lifetimes.ts'
import type { SessionEntry } from '../../session/session.ts'
import { countGrants, type Grants, rolesIn, withRoles } from './granted-roles.ts'
import type { IdentityAt } from './judge.ts'

/** A sign-in that lasts, as far as it matters to what its owner may do. */
export type SignedIn = Pick<SessionEntry, 'client' | 'lastSeenMs'> & {
  readonly session: Pick<
    SessionEntry['session'],
    'portal' | 'identity' | 'createdAtMs' | 'expiresAtMs' | 'isRemembered'
  >
}

/** Sign-ins of one person at one portal. */
export interface Person {
  readonly portal: string
  readonly identity: Identity
  readonly sessions: readonly SignedIn[]
}

/** Sign-ins by who they are, in the order in which each person comes first. */
export function groupPeople(entries: Iterable<SignedIn>): readonly Person[] {
  const groups = new Map<string, SignedIn[]>()
  for (const entry of entries) {
    const { portal, identity } = entry.session
    const key = keyOf(portal, identity)
    const same = groups.get(key)
    if (same === undefined) groups.set(key, [entry])
    else same.push(entry)
  }
  return [...groups.values()].flatMap(sessions => {
    const first = sessions[0]?.session
    return first === undefined ? [] : [{ portal: first.portal, identity: first.identity, sessions }]
  })
}

/** Who a sign-in would be by a file. */
export interface SessionStates {
  /**
   * Whether the session continues: its portal exists, its provider is trusted, the user is a member, and its lifetime
   * is not over.
   */
  lasts(entry: SignedIn): boolean
  /** Anonymous where it does not continue, and at any other portal. */
  whoAt(entry: SignedIn): IdentityAt
}

/** Who people would be by a file at this time, with what was granted to them. */
export function createSessionStates(config: Config, grants: Grants, nowMs: number): SessionStates {
  const members = membersOf(config)
  const limits = limitsOf(config, members, 0)
  const grantedAt = countGrants(config, grants)
  const knownAs = ({ portal, identity }: SignedIn['session']): Identity =>
    withRoles(identity, rolesIn(grantedAt(identity, portal, nowMs)))
  const lasts = ({ session, lastSeenMs }: SignedIn): boolean => {
    if (!config.portals.has(session.portal) || !limits.providerTrust.counts(session)) return false
    if (members.get(session.portal)?.has(knownAs(session)) === false) return false
    // Whether a provider was asked lately is not this file's to change.
    const dated = { ...session, checkedAtMs: nowMs, isRefreshable: false }
    return isLiveInStore(momentsOf(dated, lifetimesAt(limits, session.portal)), lastSeenMs, nowMs)
  }
  return {
    lasts,
    whoAt(entry) {
      if (!lasts(entry)) return () => null
      const { portal: own } = entry.session
      const known = knownAs(entry.session)
      return portal => (portal === own ? known : null)
    },
  }
}

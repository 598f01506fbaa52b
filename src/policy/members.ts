/** Members: who may have a session at a portal. */

import type { Config } from '../config/resolve/config.ts'
import type { PortalConfig } from '../config/resolve/portals.ts'
import { HTPASSWD } from '../config/values/htpasswd.ts'
import { isEmailVouched, ruleTrust, type TrustedEmails } from '../identity/claim-trust.ts'
import type { Identity } from '../identity/identity.ts'
import { offeredRoles } from '../session/grants/offered.ts'
import type { Members as SessionMembers } from '../session/provider-trust.ts'
import { type Facts, NO_FACTS } from './condition.ts'
import { describeRule } from './describe.ts'
import { tellGroups, type UnverifiedEmail, waysOut } from './needs.ts'
import { type Decision, type Denial, decidePolicy, type Policy } from './policy.ts'
import { tellReason } from './reasons.ts'
import { compileRoles, type Roles } from './roles.ts'
import { allows, compileLists } from './rule-set.ts'
import type { Truth } from './truth.ts'

/** Whether a user may have a session at a portal. Guests who come by a link need not be members. */
export type MemberJudge = (identity: Identity) => Truth

/**
 * `members` of a portal as a function of an identity; null where every user of its providers is a member.
 *
 * It looks only at the user, so its answer holds as long as the identity does. Only `yes` makes a member.
 */
export function compileMembers({ members }: Pick<PortalConfig, 'members'>, roles: Roles): MemberJudge | null {
  if (members.kind === 'authenticated') return null
  const rules = compileLists({ allow: members, deny: [] }, roles)
  return identity => {
    try {
      return allows(rules, { identity, facts: NO_FACTS, light: 'now' })
    } catch {
      return 'unknown'
    }
  }
}

/** Whether anybody can come to a portal as this user: by one of its providers, by its passwords, or as one who needs no provider. */
export function canComeTo(
  { providers, passwords }: Pick<PortalConfig, 'providers' | 'passwords'>,
  { provider }: Pick<Identity, 'provider'>,
): boolean {
  return provider === '' || providers.includes(provider) || (passwords !== null && provider === HTPASSWD)
}

/** What a known user who is not a member sees on a route that needs a member. */
export const NOT_A_MEMBER: Denial = Object.freeze({
  verdict: 'deny',
  reason: 'member.none',
  roles: Object.freeze([]),
  trials: Object.freeze([]),
  ...tellReason('member.none'),
})

/** A user who is not a member counts as anonymous: public routes let them pass, and a sign-in would change nothing. */
export function decideOutsider(policy: Policy, facts: Facts): Decision {
  const decision = decidePolicy(policy, null, facts)
  return decision.verdict === 'sign-in' ? NOT_A_MEMBER : decision
}

/** The same as sessions ask it, for each portal that has `members`. */
export function membersOf(config: Config): ReadonlyMap<string, SessionMembers> {
  const offered = offeredRoles(config)
  const found = new Map<string, SessionMembers>()
  for (const portal of config.portals.values()) {
    const trust = ruleTrust(portal, config.providers)
    const { trusted, fileGroups } = trust
    const judge = compileMembers(portal, compileRoles(portal.roles, trust))
    if (judge === null) continue
    const decides = [portal.members, portal.roles, [...trusted], fileGroups, [...(offered.get(portal.name) ?? [])]]
    found.set(portal.name, {
      has: identity => judge(identity) === 'yes',
      cameWith(identity) {
        const groups = tellComing(portal, identity)
        const unverified = findUnverifiedMember(identity, trusted, who => judge(who) === 'yes')
        const facts = {
          ...(groups === null ? {} : { groups }),
          ...(unverified === null ? {} : { alone: `${unverified.email} is not verified at ${unverified.provider}` }),
        }
        return { facts, hint: unverified === null ? null : waysOut(unverified) }
      },
      mark: JSON.stringify(decides, (_, value: unknown) =>
        value instanceof Map || value instanceof Set ? [...value] : value,
      ),
    })
  }
  return found
}

/**
 * The unverified e-mail address that is the only reason why a user is not a member; null where there is another
 * reason. Only for operators, like `UnverifiedEmail`.
 */
export function findUnverifiedMember(
  identity: Identity,
  trusted: TrustedEmails,
  isMember: (identity: Identity) => boolean,
): UnverifiedEmail | null {
  const { email, provider } = identity
  if (email === null || isEmailVouched(identity, trusted) || !isMember({ ...identity, emailVerified: true }))
    return null
  return { email, provider, isAlone: true }
}

/** A log is no place for a list of a thousand addresses. */
const MAX_LENGTH = 300

/** What a user needs to be a member, in the words of the file. Only for operators, since it names users and groups. */
export function describeMembers({ members }: Pick<PortalConfig, 'members'>): string {
  if (members.kind === 'authenticated') return 'signed in'
  const text =
    members.kind === 'roles' ? `role ${members.roles.join(' or ')}` : members.rules.map(describeRule).join(', or ')
  const whole = `a member of the portal: ${text}`
  return whole.length > MAX_LENGTH ? `${whole.slice(0, MAX_LENGTH - 1)}…` : whole
}

/** The groups that somebody came with who is no member, and those that `members` asks for; null where groups have no part in it. */
export function tellComing({ members, roles }: Pick<PortalConfig, 'members' | 'roles'>, who: Identity): string | null {
  return tellGroups({ allow: members, deny: [] }, roles, who, ['group.missing', 'rule.excluded'])
}

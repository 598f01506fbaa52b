/** Lifetimes: when a session ends (`lifetime`, `idle`), and when its provider is asked again (`refresh`). */

import type { LifetimeConfig, PortalLifetimes } from '../config/keys/sessions.ts'
import type { Config } from '../config/resolve/config.ts'
import { type FilePerson, peopleOf } from '../identity/passwords/users.ts'
import { type OfferedRoles, offeredRoles } from './grants/offered.ts'
import { type MembersAt, type ProviderTrust, providerTrustOf } from './provider-trust.ts'
import type { Directory } from './scim/resource.ts'
import type { StoredSession } from './store.ts'

/** The lifetimes and sizes of the file, and who vouches for people; a reload may change them while sessions live. */
export interface SessionLimits extends Partial<LifetimeConfig> {
  readonly lifetimeMs: number
  readonly idleMs: number
  /** Memory that sessions may take in front of the store; tokens, and guest links, a quarter of it each. */
  readonly cacheBytes: number
  /** By portal; a portal that is not among them has the ones above. */
  readonly portals?: ReadonlyMap<string, PortalLifetimes>
  /** How long a token that follows its owner works after the provider last vouched for them, by portal. */
  readonly tokenRests?: ReadonlyMap<string, number>
  /** The roles that may be asked for, by portal; none where this is absent. */
  readonly offeredRoles?: OfferedRoles
  /** Whom these do not vouch for has no session, and no token or guest link that works. */
  readonly providerTrust: ProviderTrust
  /** Everybody of every provider that is a file of users. */
  readonly people?: readonly FilePerson[]
  /** Neither has who is not among these. */
  readonly members?: MembersAt
  /** Where providers push their people. */
  readonly directories?: readonly Directory[]
}

/**
 * The lifetimes of a file. The caller, who knows rules, decides who is a member, and how much memory the cache may take where the file
 * does not say.
 */
export function limitsOf(config: Config, members: MembersAt, usualCacheBytes: number): SessionLimits {
  const { sessions, portals } = config
  return {
    ...sessions,
    cacheBytes: sessions.cacheBytes ?? usualCacheBytes,
    portals: new Map([...portals].map(([name, { lifetimes }]) => [name, lifetimes])),
    tokenRests: new Map([...portals].map(([name, { personalTokensRestMs }]) => [name, personalTokensRestMs])),
    offeredRoles: offeredRoles(config),
    providerTrust: providerTrustOf(config),
    members,
    people: [...config.providers.values()].flatMap(peopleOf),
    directories: directoriesOf(config),
  }
}

function directoriesOf({ providers, portals }: Config): readonly Directory[] {
  return [...providers.values()].flatMap(({ name, issuer, scim }) => {
    if (scim === null) return []
    const own = [...portals.values()].filter(portal => portal.providers.includes(name))
    return { provider: name, issuer, portals: own.map(portal => portal.name), groups: scim.groups }
  })
}

export function lifetimesAt(limits: SessionLimits, portal: string): PortalLifetimes {
  const { lifetimeMs, idleMs, refreshMs = null, refreshLimitMs = 0 } = limits
  return limits.portals?.get(portal) ?? { lifetimeMs, idleMs, refreshMs, refreshLimitMs, rememberMs: null }
}

/** The longest time for which any session may go unused. */
export function longestIdleMs(limits: SessionLimits): number {
  const portals = [...(limits.portals?.values() ?? [])]
  return Math.max(limits.idleMs, ...portals.flatMap(({ idleMs, rememberMs }) => [idleMs, rememberMs ?? 0]))
}

/** When a sign-in that begins now ends at the latest, regardless of later files. */
export function expiryOf(rules: PortalLifetimes, isRemembered: boolean, nowMs: number): number {
  return nowMs + absoluteMs(rules, isRemembered)
}

/** The moments of one session, worked out once, so that a request only compares numbers. */
export interface Moments {
  /** Before that it cannot have been made: the clock was set back, which must not prolong anything. */
  readonly notBeforeMs: number
  readonly overAtMs: number
  readonly idleMs: number
  /** When to ask the provider again; infinite for never. */
  readonly dueAtMs: number
  /** From then on what the provider said no longer counts. */
  readonly limitAtMs: number
}

/** How far clocks may be apart, or one may have been set back, before a session from the future is refused. */
export const CLOCK_SLACK_MS = 60 * 60 * 1000

type Dated = Pick<StoredSession, 'createdAtMs' | 'expiresAtMs' | 'isRemembered' | 'checkedAtMs' | 'isRefreshable'>

/**
 * The times of a session by the current lifetimes.
 *
 * A shorter lifetime in the file ends older sessions at once. A longer one never extends a session beyond its limit at
 * sign-in. A session without a refresh token is never due.
 */
export function momentsOf(session: Dated, rules: PortalLifetimes): Moments {
  const isRemembered = session.isRemembered && rules.rememberMs !== null
  const isChecked = session.isRefreshable && rules.refreshMs !== null
  return {
    notBeforeMs: session.createdAtMs - CLOCK_SLACK_MS,
    overAtMs: Math.min(session.expiresAtMs, session.createdAtMs + absoluteMs(rules, isRemembered)),
    idleMs: isRemembered ? (rules.rememberMs ?? rules.idleMs) : rules.idleMs,
    dueAtMs: isChecked ? session.checkedAtMs + (rules.refreshMs ?? 0) : Number.POSITIVE_INFINITY,
    limitAtMs: isChecked ? session.checkedAtMs + rules.refreshLimitMs : Number.POSITIVE_INFINITY,
  }
}

/** Whether a session that was last used at this time still lives. */
export function isLive(moments: Moments, lastSeenMs: number, nowMs: number): boolean {
  return nowMs < moments.overAtMs && nowMs >= moments.notBeforeMs && nowMs - lastSeenMs < moments.idleMs
}

/** What part of `idle` may pass until a process writes a further use of a session. */
const WRITTEN_PARTS = 20

/** How long a use may be on its way to the store once it is to be written. */
const LONGEST_WAY_MS = 10_000

/** A use is written once it is this much newer than what the store knows: a busy session costs the store as little as an idle one. */
export function useGrainMs({ idleMs }: Pick<Moments, 'idleMs'>): number {
  return idleMs / WRITTEN_PARTS
}

/** How much later a session may have been used than the store knows. */
export function longestUnwrittenMs(idleMs: number): number {
  const grainMs = useGrainMs({ idleMs })
  return grainMs + Math.min(grainMs, LONGEST_WAY_MS)
}

/**
 * Whether a session lives by what the store knows of its last use. Another process may know of a later one: so a user is not signed out too
 * early, and one who did not come back is signed out a little later.
 */
export function isLiveInStore(moments: Moments, storedSeenMs: number, nowMs: number): boolean {
  return isLive(moments, storedSeenMs + longestUnwrittenMs(moments.idleMs), nowMs)
}

function absoluteMs(rules: PortalLifetimes, isRemembered: boolean): number {
  return isRemembered ? (rules.rememberMs ?? rules.lifetimeMs) : rules.lifetimeMs
}

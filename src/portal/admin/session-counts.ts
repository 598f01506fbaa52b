/** How many people are signed in, for the page `admin`. */

import type { PortalConfig } from '../../config/resolve/portals.ts'
import { isBound } from '../../session/bound-sessions.ts'
import type { SessionEntry, Sessions } from '../../session/session.ts'

export interface SessionCounts {
  readonly sessions: number
  /** How many people these are of, and how many were used within `ACTIVE_MINUTES`; null where there are too many to look at each. */
  readonly people: number | null
  readonly active: number | null
  /** How many of `looked`, the newest, are bound to a device; null where the portal binds none. */
  readonly bound: number | null
  readonly looked: number
  /** The latest sign-ins, newest first. */
  readonly latest: readonly SessionEntry[]
}

export const ACTIVE_MINUTES = 15
const ACTIVE_MS = ACTIVE_MINUTES * 60_000

/** So many are read for the page, however many there are. */
const READ = 100
const SHOWN = 5

/** Counts the live sessions of a portal. Throws `session.store`. */
export async function countSessions(
  sessions: Pick<Sessions, 'list' | 'countAt'>,
  { name: portal, bindSessions }: Pick<PortalConfig, 'name' | 'bindSessions'>,
  nowMs: number,
): Promise<SessionCounts> {
  const { entries, next } = await sessions.list(portal, { after: null, limit: READ })
  const known = {
    bound: bindSessions === null ? null : entries.filter(({ session }) => isBound(session)).length,
    looked: entries.length,
    latest: entries.slice(0, SHOWN),
  }
  if (next !== null) return { sessions: await sessions.countAt(portal), people: null, active: null, ...known }
  return {
    sessions: entries.length,
    people: new Set(entries.map(({ session: { identity } }) => `${identity.issuer} ${identity.subject}`)).size,
    active: entries.filter(({ lastSeenMs }) => lastSeenMs > nowMs - ACTIVE_MS).length,
    ...known,
  }
}

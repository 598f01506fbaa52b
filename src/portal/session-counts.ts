import type { SessionEntry, Sessions } from '../session/session.ts'

/** Who is in, counted. */
export interface SessionCounts {
  readonly sessions: number
  readonly people: number
  /** Sessions that were used within `ACTIVE_MS`. */
  readonly active: number
  /** Whether there are more, older ones that were not counted. */
  readonly hasMore: boolean
  /** Those that were used last, latest first. */
  readonly latest: readonly SessionEntry[]
}

export const ACTIVE_MINUTES = 15
const ACTIVE_MS = ACTIVE_MINUTES * 60_000

/** So many are read at a time, and counted in all: a page must not cost the more the longer the gate has been running. */
const PART = 250
const COUNTED = 2_000
const SHOWN = 8

/** Counts the live sessions of a portal, the newest first. Throws `session.store`. */
export async function countSessions(sessions: Sessions, portal: string, nowMs: number): Promise<SessionCounts> {
  const entries: SessionEntry[] = []
  let after: string | null = null
  do {
    const page: Awaited<ReturnType<Sessions['list']>> = await sessions.list(portal, { after, limit: PART })
    entries.push(...page.entries)
    after = page.next
  } while (after !== null && entries.length < COUNTED)
  return {
    sessions: entries.length,
    people: new Set(entries.map(({ session: { identity } }) => `${identity.issuer} ${identity.subject}`)).size,
    active: entries.filter(({ lastSeenMs }) => lastSeenMs > nowMs - ACTIVE_MS).length,
    hasMore: after !== null,
    latest: entries.toSorted((one, other) => other.lastSeenMs - one.lastSeenMs).slice(0, SHOWN),
  }
}

/** Lists and ends sessions for people, admins and providers, from the store. */

import type { Ports } from '../base/ports.ts'
import type { Identity } from '../identity/identity.ts'
import type { TokenOwner } from './credentials/owners.ts'
import { type EndedMatch, isOfMatch } from './ended.ts'
import { isLiveInStore, lifetimesAt, momentsOf, type SessionLimits } from './lifetimes.ts'
import { guarded, openSecrets, parseSession } from './rows.ts'
import type { SignedOut } from './scim/signed-out.ts'
import type { Sealer } from './seal.ts'
import type { SessionEntry, Sessions } from './session.ts'
import type { SessionStore, StoredSession } from './store.ts'

export interface ManageTools {
  readonly store: SessionStore
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'now'>
  limits(): SessionLimits
  /**
   * The current identity of a user; null where the portal no longer trusts their provider, or they are not a member or
   * not active.
   */
  trustedIdentity(someone: TokenOwner): Identity | null
  /** A use that the store does not know of yet; 0 where there is none. */
  lastUseOf(sessionId: string): number
  end(...sessionIds: readonly string[]): Promise<void>
  /** Ends sessions that are only in memory, and makes every other process do the same. */
  endEverywhere(match: EndedMatch): Promise<number>
  readonly signedOut: SignedOut
}

const PAGE = 200

/** How sessions are looked at and ended by people and providers, off the path of requests: straight from the store. */
export function createManagement(
  tools: ManageTools,
): Pick<Sessions, 'secretsOf' | 'describe' | 'ofOwner' | 'hostsOf' | 'isKnownAt' | 'list' | 'stored' | 'endFor'> {
  const { store, sealer, ports } = tools

  function entryOf(row: StoredSession): SessionEntry | null {
    const session = parseSession(row)
    const identity = session === null ? null : tools.trustedIdentity(session)
    const lastSeenMs = Math.max(row.lastSeenMs, tools.lastUseOf(row.id))
    const moments = momentsOf(row, lifetimesAt(tools.limits(), row.portal))
    if (session === null || identity === null || !isLiveInStore(moments, lastSeenMs, ports.now())) return null
    return { session: { ...session, identity }, agent: row.agent, client: row.client, lastSeenMs }
  }

  function entriesOf(rows: readonly StoredSession[]): SessionEntry[] {
    return rows.map(entryOf).filter(entry => entry !== null)
  }

  async function hostsOf(sessionId: string): Promise<readonly string[]> {
    return guarded(() => store.findHosts(sessionId))
  }

  async function isKnownAt(sessionId: string, host: string): Promise<boolean> {
    return (await hostsOf(sessionId)).includes(host)
  }

  return {
    async secretsOf(sessionId) {
      const row = await guarded(() => store.findById(sessionId))
      return row === null ? null : openSecrets(row, sealer)
    },
    async describe(sessionId) {
      const row = await guarded(() => store.findById(sessionId))
      return row === null ? null : entryOf(row)
    },
    hostsOf,
    isKnownAt,
    async ofOwner({ portal, identity }, host) {
      const rows = await guarded(() => store.findBySubject(identity.issuer, identity.subject))
      const own = entriesOf(rows.filter(row => row.portal === portal))
      if (host === null) return own
      const isHere = await Promise.all(own.map(({ session }) => isKnownAt(session.id, host)))
      return own.filter((_, index) => isHere[index])
    },
    async list(portal, page) {
      const { sessions, next } = await guarded(() => store.list(portal, page))
      return { entries: entriesOf(sessions), next }
    },
    async *stored(portal, match) {
      for (let after: string | null = null, isMore = true; isMore; isMore = after !== null) {
        const page = await guarded(() => store.list(portal, { after, limit: PAGE }))
        for (const row of page.sessions) if (isOfMatch(match, row)) yield { id: row.id, session: parseSession(row) }
        after = page.next
      }
    },
    async endFor({ saidAtS, ...named }) {
      const { issuer, providers, subject, sid, isVerified } = named
      // Noted before the search: a sign-in after this line finds the note, and the search finds every earlier one.
      if (saidAtS !== undefined) await tools.signedOut.note(named, saidAtS)
      const rows =
        sid !== null
          ? await guarded(() => store.findBySid(issuer, sid))
          : subject !== null
            ? await guarded(() => store.findBySubject(issuer, subject))
            : []
      const ids = rows.filter(row => {
        const provider = parseSession(row)?.identity.provider
        // A row that cannot be read is of this issuer all the same.
        const isOfThese = provider === undefined || providers.includes(provider)
        return isOfThese && (subject === null || row.subject === subject)
      })
      if (ids.length > 0) await tools.end(...ids.map(({ id }) => id))
      // What the store does not have may live on in the memory of any process.
      if (!isVerified && ids.length === 0) return 0
      return ids.length + (await tools.endEverywhere({ issuer, subject, sid }))
    },
  }
}

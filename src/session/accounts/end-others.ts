/** Ends what else a user of a file has, once what they sign in by has changed. */

import type { Identity } from '../../identity/identity.ts'
import type { ApiTokens } from '../credentials/api-tokens.ts'
import type { GuestLinks } from '../credentials/guest-links.ts'
import type { EndedMatch } from '../ended.ts'
import type { UsersFile } from '../provider-trust.ts'
import { guarded } from '../rows.ts'
import type { SessionStore } from '../store.ts'

export interface EndedOthers {
  readonly sessions: number
  readonly clients: number
  readonly tokens: number
  readonly links: number
}

/**
 * Ends a user's sessions at every portal, and the MCP clients that they let in. `keep`: the id of a session that stays;
 * null: none does. `endsTokens`: so do API tokens and guest links that the user made; those of an operator stay. Throws
 * `session.store`.
 */
export type EndOthers = (
  whose: Pick<Identity, 'issuer' | 'subject' | 'userId'>,
  how: { readonly keep: string | null; readonly endsTokens: boolean },
) => Promise<EndedOthers>

export interface EndOthersTools {
  readonly store: Pick<SessionStore, 'findBySubject'>
  readonly tokens: Pick<ApiTokens, 'list'>
  readonly links: Pick<GuestLinks, 'list'>
  end(...ids: readonly string[]): Promise<void>
  endEverywhere(match: EndedMatch): Promise<number>
  /** The files of users at each portal. */
  files(): readonly UsersFile[]
}

export function createEndOthers({ store, tokens, links, end, endEverywhere, files }: EndOthersTools): EndOthers {
  return async ({ issuer, subject, userId }, { keep, endsTokens }) => {
    const isTheirs = (one: Pick<Identity, 'issuer' | 'subject' | 'userId'>) =>
      one.issuer === issuer && one.subject === subject && one.userId === userId
    const rows = await guarded(() => store.findBySubject(issuer, subject))
    const sessions = rows.map(({ id }) => id).filter(id => id !== keep)
    // Sessions first: who has none can make nothing new.
    await end(...sessions)
    await endEverywhere({ issuer, subject, sid: null })
    const clients: string[] = []
    const others: string[] = []
    const guests: string[] = []
    for (const portal of new Set(files().flatMap(file => (file.issuer === issuer ? [file.portal] : [])))) {
      for (const { session, limits, owner } of await tokens.list(portal)) {
        if (owner === null || !isTheirs(session.identity)) continue
        if (limits.resource !== undefined) clients.push(session.id)
        else if (endsTokens) others.push(session.id)
      }
      if (!endsTokens) continue
      for (const { session, grant } of await links.list(portal)) if (isTheirs(grant.maker)) guests.push(session.id)
    }
    await end(...clients, ...others, ...guests)
    return { sessions: sessions.length, clients: clients.length, tokens: others.length, links: guests.length }
  }
}

/** What the bar of every page of an account leads to. */

import type { Session } from '../../session/session.ts'
import { isAdmin } from '../admins.ts'
import type { MenuEntry } from '../layout/wide-page.tsx'
import { type OwnPage, ownPath } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import type { Words } from '../words/words.ts'
import { fileUserOf } from './change-account.ts'
import { linksOf, mayRevokeAll } from './guest-link-address.ts'

/** What the bar of every page for people who are signed in leads to; `here` is the page that it is on, null for one that it does not name. */
export function menuOf(ctx: PortalRequest, session: Session, words: Words, here: OwnPage | null): readonly MenuEntry[] {
  const hasLinks = linksOf(ctx, session) !== null || mayRevokeAll(ctx, session)
  const entries: readonly (readonly [page: OwnPage, label: string, isThere: boolean])[] = [
    ['', words.applications, true],
    ['account', words.ownAccount.title, fileUserOf(ctx, session) !== null],
    ['sessions', words.yourSessions, true],
    ['tokens', words.yourTokens, hasTokens(ctx)],
    ['guests', words.guestLinks, hasLinks],
    ['admin', words.administration, isAdmin(ctx, session)],
    ['logout', words.signOut, true],
  ]
  return entries
    .filter(([, , isThere]) => isThere)
    .map(([page, label]) => ({
      label,
      address: ownPath(page),
      isHere: page === here,
      waiting: page === 'admin' ? ctx.waitingRequests() : 0,
    }))
}

/** Whether anyone may have tokens here: of their own making, or of a program that they let use an MCP server. */
export function hasTokens({ portal, resources }: Pick<PortalRequest, 'portal' | 'resources'>): boolean {
  return portal.personalTokens || resources.hasOwn
}

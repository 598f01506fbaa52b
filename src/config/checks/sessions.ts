/** Checks lifetimes of sessions: which have to be shorter than others. */

import type { RootTable } from '../keys/keys.ts'
import { itemsOf, type Path, type Raw, type RawTable, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean } from '../text/suggest.ts'

/** What lifetimes say about each other, in `[sessions]` and in each portal, and whom a portal lets see all sessions. */
export function checkSessions(root: RootTable, report: Report): void {
  const common = root.values.sessions
  if (common === undefined) return
  checkLifetimes(common, common.values, report)
  for (const portal of root.values.portals?.values() ?? []) {
    const { values, raw, at } = portal
    if (['lifetime', 'idle', 'refresh', 'refresh_limit'].some(key => raw.entries.has(key))) {
      const own = {
        lifetime: values.lifetime ?? common.values.lifetime,
        idle: values.idle ?? common.values.idle,
        refresh: values.refresh ?? common.values.refresh,
        refresh_limit: values.refresh_limit ?? common.values.refresh_limit,
      }
      checkLifetimes(portal, own, report)
    }
    const lifetime = values.lifetime ?? common.values.lifetime
    if (values.remember && lifetime && values.remember <= lifetime) {
      const hint = 'make it longer than lifetime, or leave it out'
      report.mistake([...at, 'remember'], 'sessions.remember', 'remember is not longer than lifetime', { hint })
    }
    checkOwnRoles(raw, report)
  }
}

interface Lifetimes {
  readonly lifetime: number | null | undefined
  readonly idle: number | null | undefined
  readonly refresh: number | 'off' | null | undefined
  readonly refresh_limit: number | null | undefined
}

function checkLifetimes(
  table: { readonly at: Path; readonly raw: RawTable },
  { lifetime, idle, refresh, refresh_limit: limit }: Lifetimes,
  report: Report,
): void {
  const has = (key: string) => table.raw.entries.has(key)
  if (idle && lifetime && idle > lifetime && (has('idle') || has('lifetime'))) {
    report.warn(
      [...table.at, has('idle') ? 'idle' : 'lifetime'],
      'sessions.idle',
      'idle is longer than lifetime, and so never ends a session',
      { hint: 'make idle shorter, or take it out' },
    )
  }
  if (typeof refresh === 'number' && limit && limit < refresh && (has('refresh') || has('refresh_limit'))) {
    report.mistake(
      [...table.at, has('refresh_limit') ? 'refresh_limit' : 'refresh'],
      'sessions.refresh_limit',
      'refresh_limit is shorter than refresh: no user would stay signed in between two refreshes',
      { hint: 'give refresh_limit a few times the length of refresh, or leave it out' },
    )
  }
}

/** The roles that a portal names itself: the admin role, and the roles of users who make guest links. */
function checkOwnRoles(portal: RawTable, report: Report): void {
  const links = portal.entries.get('guest_links')
  const named = [portal.entries.get('admin_role'), links?.kind === 'table' ? links.entries.get('allow') : undefined]
  for (const role of named.flatMap(itemsOf)) checkOwnRole(role, portal.entries.get('roles'), report)
}

function checkOwnRole(role: Raw, roles: Raw | undefined, report: Report): void {
  if (role.kind !== 'text' || role.text === null || role.text === '') return
  if (roles !== undefined && roles.kind !== 'table') return
  const known = [...(roles?.entries.keys() ?? [])]
  if (known.includes(role.text)) return
  const hint = role.isFilled ? '' : didYouMean(role.text, known, 'give it in this portal’s roles')
  report.mistake(role.at, 'role.undefined', `this portal has no role ${showRaw(role)}`, { hint })
}

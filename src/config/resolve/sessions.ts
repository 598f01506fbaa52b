import type { SESSIONS } from '../keys/server.ts'
import type { PORTAL_SESSIONS } from '../keys/sessions.ts'
import type { Known, Table } from '../keys/table.ts'
import type { LifetimeConfig, PortalLifetimes } from '../types/sessions.ts'

/** How many refreshes may fail before old answers no longer count, where the file does not say. */
const REFRESHES_MISSED = 4

/** The lifetimes of `[sessions]`. */
export function buildLifetimes(sessions: Known<Table<typeof SESSIONS>>): LifetimeConfig {
  const refreshMs = offOrMs(sessions.refresh)
  return {
    lifetimeMs: sessions.lifetime,
    idleMs: sessions.idle,
    refreshMs,
    refreshLimitMs: sessions.refresh_limit ?? limitOf(refreshMs),
  }
}

/** The lifetimes of one portal: its own, and for the rest those of `[sessions]`. */
export function buildPortalLifetimes(
  portal: Known<Table<typeof PORTAL_SESSIONS>>,
  sessions: Known<Table<typeof SESSIONS>>,
): PortalLifetimes {
  const refreshMs = offOrMs(portal.refresh ?? sessions.refresh)
  return {
    lifetimeMs: portal.lifetime ?? sessions.lifetime,
    idleMs: portal.idle ?? sessions.idle,
    refreshMs,
    refreshLimitMs: portal.refresh_limit ?? sessions.refresh_limit ?? limitOf(refreshMs),
    rememberMs: portal.remember,
  }
}

function offOrMs(refresh: number | 'off'): number | null {
  return refresh === 'off' ? null : refresh
}

function limitOf(refreshMs: number | null): number {
  return (refreshMs ?? 0) * REFRESHES_MISSED
}

/** `[sessions]`, and what a portal says otherwise, as the program takes them. */

import type { SESSIONS } from '../keys/server.ts'
import type { PORTAL_SESSIONS } from '../keys/sessions.ts'
import type { Known, Table } from '../keys/table.ts'
import type { StoreConfig } from '../values/store.ts'

/** How long sign-ins last and how often they are checked: of `[sessions]`, or of one portal. */
export interface LifetimeConfig {
  /** Absolute: from sign-in. */
  readonly lifetimeMs: number
  /** Since the last request. */
  readonly idleMs: number
  /** How often the provider is asked again; null: never. */
  readonly refreshMs: number | null
  /** How long an old answer counts while the provider cannot be asked; of no meaning where `refreshMs` is null. */
  readonly refreshLimitMs: number
}

export interface PortalLifetimes extends LifetimeConfig {
  /** The lifetime, absolute and idle, of a sign-in that its owner chose to keep; null: there is no such choice. */
  readonly rememberMs: number | null
}

export interface SessionsConfig extends LifetimeConfig {
  readonly store: StoreConfig
  /** Of 32 bytes as base64url, at least one: the first seals, and all open. Null: a file beside the database. */
  readonly keys: readonly string[] | null
  /** Sessions kept in memory. */
  readonly cacheEntries: number
}

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

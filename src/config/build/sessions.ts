import { known } from '../keys/known.ts'
import type { SESSIONS } from '../keys/server.ts'
import type { PORTAL_SESSIONS } from '../keys/sessions.ts'
import type { Values } from '../keys/table.ts'
import type { LifetimeConfig, PortalLifetimes } from '../types/sessions.ts'

/** How many refreshes may fail before old answers no longer count, where the file does not say. */
const REFRESHES_MISSED = 4

/** The lifetimes of `[sessions]`. */
export function buildLifetimes(values: Values<typeof SESSIONS>): LifetimeConfig {
  const refreshMs = offOrMs(known(values.refresh, 'refresh'))
  return {
    lifetimeMs: known(values.lifetime, 'lifetime'),
    idleMs: known(values.idle, 'idle'),
    refreshMs,
    refreshLimitMs: known(values.refresh_limit, 'refresh_limit') ?? limitOf(refreshMs),
  }
}

/** The lifetimes of one portal: its own, and for the rest those of `[sessions]`. */
export function buildPortalLifetimes(
  values: Values<typeof PORTAL_SESSIONS>,
  common: Values<typeof SESSIONS>,
): PortalLifetimes {
  const base = buildLifetimes(common)
  const own = known(values.refresh, 'refresh')
  const refreshMs = own === null ? base.refreshMs : offOrMs(own)
  return {
    lifetimeMs: known(values.lifetime, 'lifetime') ?? base.lifetimeMs,
    idleMs: known(values.idle, 'idle') ?? base.idleMs,
    refreshMs,
    refreshLimitMs: known(values.refresh_limit, 'refresh_limit') ?? common.refresh_limit ?? limitOf(refreshMs),
    rememberMs: known(values.remember, 'remember'),
  }
}

function offOrMs(refresh: number | 'off'): number | null {
  return refresh === 'off' ? null : refresh
}

function limitOf(refreshMs: number | null): number {
  return (refreshMs ?? 0) * REFRESHES_MISSED
}

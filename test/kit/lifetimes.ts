import type { PortalLifetimes } from '../../src/config/types.ts'

/** A portal's lifetimes as the file has them by default, but for refreshes, which only some tests want. */
export const LIFETIMES: PortalLifetimes = {
  lifetimeMs: 12 * 3_600_000,
  idleMs: 2 * 3_600_000,
  refreshMs: null,
  refreshLimitMs: 0,
  rememberMs: null,
}

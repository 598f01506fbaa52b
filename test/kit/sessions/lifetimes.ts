import type { PortalLifetimes } from '../../../src/config/keys/sessions.ts'
import type { DeferredEnds } from '../../../src/session/deferred-ends.ts'
import type { ProviderTrust } from '../../../src/session/provider-trust.ts'

/** A portal's lifetimes as the file has them by default, but for refreshes, which only some tests want. */
export const LIFETIMES: PortalLifetimes = {
  lifetimeMs: 12 * 3_600_000,
  idleMs: 2 * 3_600_000,
  refreshMs: null,
  refreshLimitMs: 0,
  rememberMs: null,
}

/** For tests in which it does not matter who vouches: any provider's word counts. */
export const ANY_PROVIDER: ProviderTrust = { keys: new Set(), files: [], counts: () => true }

/** For tests in which no file changes: nothing is left over. */
export const NO_DEFERRED_ENDS: Pick<DeferredEnds, 'add' | 'tend'> = {
  add: () => undefined,
  tend: async () => undefined,
}

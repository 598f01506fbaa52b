/** Tokens of providers for applications (`pass_token`), renewed before they are over. */

import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Ports } from '../base/ports.ts'
import type { ProviderTokenKind } from '../config/keys/pass-token.ts'
import { idTokenExpiryMs } from '../identity/id-token.ts'
import type { Refreshes } from './refresh.ts'
import { guarded, openSecrets } from './rows.ts'
import type { Sealer } from './seal.ts'
import type { Session } from './session.ts'
import type { HeldSession, OpenedToken, OpenedTokens, SessionCache } from './session-cache.ts'
import type { SessionStore } from './store.ts'

/** The tokens of a live session at its provider, for applications that are to have them. */
export interface ProviderTokens {
  /**
   * A token that is good now, or null: there is none, or it is over and no new one can be had. One that is over is renewed first, with
   * one question to the provider for everyone who waits. Throws `session.store`.
   */
  find(session: Session, kind: ProviderTokenKind): MaybePromise<string | null>
}

export interface ProviderTokenTools {
  readonly store: SessionStore
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'now'>
  readonly cache: SessionCache
  /** Null where no provider is ever asked. */
  readonly refreshes: Refreshes | null
}

/** What a field can carry; no provider's token is anything else (RFC 6750 §2.1). */
const SENDABLE = /^[!-~]+$/

/** A token that is about to be over would be refused on arrival. */
const MARGIN_MS = 10_000

/**
 * Reads tokens from the store on the first use, and after each check of the session by any process.
 *
 * A renewal that brings nothing better is not repeated before the session's next check.
 */
export function createProviderTokens(tools: ProviderTokenTools): ProviderTokens {
  const { store, sealer, ports, cache, refreshes } = tools

  const isGood = (token: OpenedToken | null) => token !== null && ports.now() < token.expiresAtMs - MARGIN_MS
  const textOf = (token: OpenedToken | null) => (token !== null && ports.now() < token.expiresAtMs ? token.text : null)

  function mayRenew(held: HeldSession, opened: OpenedTokens, kind: ProviderTokenKind): boolean {
    if (refreshes === null || !held.isRefreshable || held.moments.dueAtMs === Number.POSITIVE_INFINITY) return false
    return ports.now() >= held.retryAtMs && !opened.vain.has(kind)
  }

  async function open(sessionId: string): Promise<OpenedTokens | null> {
    const row = await guarded(() => store.findById(sessionId))
    const secrets = row === null ? null : await openSecrets(row, sealer)
    if (row === null || secrets === null) return null
    const { access, idToken } = secrets
    const held = cache.held(sessionId)
    const before = held?.opened
    const opened: OpenedTokens = {
      checkedAtMs: row.checkedAtMs,
      vain: before?.checkedAtMs === row.checkedAtMs ? before.vain : new Set(),
      access:
        access && SENDABLE.test(access.token)
          ? { text: access.token, expiresAtMs: access.expiresAtMs ?? Number.POSITIVE_INFINITY }
          : null,
      // A user who signed in by Sallyport's own form has none.
      id: idToken === '' ? null : { text: idToken, expiresAtMs: idTokenExpiryMs(idToken) ?? Number.POSITIVE_INFINITY },
    }
    if (held === undefined) return opened
    held.opened = opened
    cache.weigh(sessionId)
    return opened
  }

  async function look({ id }: Session, kind: ProviderTokenKind): Promise<string | null> {
    const opened = await open(id)
    const held = cache.held(id)
    if (opened === null) return null
    if (isGood(opened[kind]) || held === undefined || refreshes === null || !mayRenew(held, opened, kind))
      return textOf(opened[kind])
    await refreshes.run(held)
    const after = await open(id)
    if (after === null) return null
    if (after.checkedAtMs !== opened.checkedAtMs) {
      for (const one of ['access', 'id'] as const) if (!isGood(after[one])) after.vain.add(one)
    }
    return textOf(after[kind])
  }

  return {
    find(session, kind) {
      const held = cache.held(session.id)
      const opened = held?.opened
      if (held === undefined || !opened || opened.checkedAtMs !== held.checkedAtMs) return look(session, kind)
      const token = opened[kind]
      return isGood(token) || !mayRenew(held, opened, kind) ? textOf(token) : look(session, kind)
    },
  }
}

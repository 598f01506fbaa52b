/** Revokes refresh tokens of ended sessions at their providers. */

import { errorFacts } from '../base/errors.ts'
import { inTime } from '../base/maybe-promise.ts'
import type { Ports } from '../base/ports.ts'
import { openSecrets, parseSession } from './rows.ts'
import type { Sealer } from './seal.ts'
import type { Session } from './session.ts'
import type { StoredSession } from './store.ts'

/** Has the provider of a session forget its refresh token. Does nothing for a provider that the file has no more. */
export type RevokeAtProvider = (session: Session, refreshToken: string) => Promise<void>

/** What sessions leave at their providers when they end before their time. */
export interface Revocations {
  /**
   * Revokes the refresh tokens of these sessions, which are no longer in the store, at their providers. The caller
   * does not wait.
   */
  revoke(ended: readonly StoredSession[]): void
  /** The same of a token that no store ever had: it came for a session that ended meanwhile. */
  giveBack(session: Session, refreshToken: string): void
  /** Waits for what is under way, for so long at most; what comes later waits for nothing. */
  close(limitMs: number): Promise<void>
}

/**
 * How many are sent at a time, and how many may wait: many users may be signed out at once, and a provider may be
 * slow.
 */
const AT_ONCE = 8
const MOST_WAITING = 1_000

/**
 * Nothing else ends a provider's offline session.
 *
 * A failed revocation is logged, without the token, which Sallyport does not use any more. Absent on purpose: a
 * sign-in that the same user has replaced in the same browser, since both belong to one session at Keycloak; and
 * sessions that expire, which the store removes on its own.
 */
export function createRevocations(sealer: Sealer, { log }: Pick<Ports, 'log'>, ask: RevokeAtProvider): Revocations {
  const waiting: (() => Promise<void>)[] = []
  const underWay = new Set<Promise<void>>()
  let left = 0

  async function revokeOne(session: Session, refreshToken: string): Promise<void> {
    const { subject, provider } = session.identity
    try {
      await ask(session, refreshToken)
    } catch (thrown) {
      log.warn('A session has ended here, but its refresh token could not be revoked at the provider', {
        user: subject,
        provider,
        ...errorFacts(thrown),
      })
    }
  }

  /** Unsealed only now: of many that end at once, most may be left. */
  async function revokeOf(row: StoredSession): Promise<void> {
    const session = parseSession(row)
    const secrets = session === null ? null : await openSecrets(row, sealer)
    if (session !== null && secrets?.refreshToken != null) await revokeOne(session, secrets.refreshToken)
  }

  function begin(): void {
    while (underWay.size < AT_ONCE) {
      const next = waiting.shift()
      if (next === undefined) return
      const one = next().finally(() => {
        underWay.delete(one)
        begin()
      })
      underWay.add(one)
    }
  }

  function add(works: readonly (() => Promise<void>)[]): void {
    const room = Math.max(0, MOST_WAITING - waiting.length)
    waiting.push(...works.slice(0, room))
    left += works.length - Math.min(room, works.length)
    tellLeft()
    begin()
  }

  function tellLeft(): void {
    if (left === 0) return
    log.warn('Sessions have ended here, but not all of their refresh tokens were revoked at the provider', {
      number: left,
      hint: 'they were too many, or the time to stop was over; they end there by themselves, or by hand',
    })
    left = 0
  }

  async function untilDone(): Promise<void> {
    while (underWay.size > 0) await Promise.all(underWay)
  }

  return {
    revoke: ended => add(ended.map(row => () => revokeOf(row))),
    giveBack: (session, refreshToken) => add([() => revokeOne(session, refreshToken)]),
    async close(limitMs) {
      await inTime(untilDone(), limitMs, null)
      left = waiting.splice(0).length + underWay.size
      tellLeft()
    },
  }
}

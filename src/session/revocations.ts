import { errorFacts } from '../base/errors.ts'
import { inTime } from '../base/in-time.ts'
import type { Ports } from '../base/ports.ts'
import { guarded, openSecrets, parseSession } from './rows.ts'
import type { Sealer } from './seal.ts'
import type { Session } from './session.ts'
import type { SessionStore } from './store.ts'

/** Has the provider of a session forget its refresh token. Does nothing for a provider that the file has no more. */
export type RevokeAtProvider = (session: Session, refreshToken: string) => Promise<void>

/** A refresh token of a session that ends. */
interface Held {
  readonly session: Session
  readonly refreshToken: string
}

/** What sessions leave at their providers when they end before their time. */
export interface Revocations {
  /** The refresh tokens of these sessions, while the store still has them; none of those that cannot be read. Never throws. */
  heldBy(sessionIds: readonly string[]): Promise<readonly Held[]>
  /** Has the providers forget them. Nobody waits for it. */
  revoke(held: readonly Held[]): void
  /** Waits for what is under way, for so long at most. */
  close(limitMs: number): Promise<void>
}

/** How many are asked at a time, and how many may wait: many people at once may be put out, and a provider may be slow. */
const AT_ONCE = 8
const MOST_WAITING = 1_000

/**
 * Nothing else ends what a provider keeps for us without a browser.
 *
 * What a provider does not forget is in the log, and of no use here any more. Absent on purpose: a sign-in in whose place the same person
 * has signed in again in the same browser, since at Keycloak both hang on one session there; and sessions that come to the end of their
 * time, which a store removes by itself.
 */
export function createRevocations(
  store: Pick<SessionStore, 'findById'>,
  sealer: Sealer,
  { log }: Pick<Ports, 'log'>,
  ask: RevokeAtProvider,
): Revocations {
  const waiting: Held[] = []
  const underWay = new Set<Promise<void>>()
  let left = 0

  async function revokeOne({ session, refreshToken }: Held): Promise<void> {
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

  function begin(): void {
    while (underWay.size < AT_ONCE) {
      const next = waiting.shift()
      if (next === undefined) return
      const one = revokeOne(next).finally(() => {
        underWay.delete(one)
        begin()
      })
      underWay.add(one)
    }
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
    async heldBy(sessionIds) {
      const held: Held[] = []
      try {
        for (const id of sessionIds) {
          const row = await guarded(() => store.findById(id))
          const session = row?.isRefreshable === true ? parseSession(row) : null
          const secrets = row === null || session === null ? null : await openSecrets(row, sealer)
          if (session !== null && secrets?.refreshToken != null) {
            held.push({ session, refreshToken: secrets.refreshToken })
          }
        }
      } catch (thrown) {
        // That keeps no end from being asked for: one that fails is owed, and one that was never asked for is forgotten.
        log.warn('Sessions end here, but what their provider keeps could not be read', errorFacts(thrown))
      }
      return held
    },
    revoke(held) {
      const room = Math.max(0, MOST_WAITING - waiting.length)
      waiting.push(...held.slice(0, room))
      left += held.length - Math.min(room, held.length)
      tellLeft()
      begin()
    },
    async close(limitMs) {
      await inTime(untilDone(), limitMs, null)
      left = waiting.splice(0).length + underWay.size
      tellLeft()
    },
  }
}

/** The exchanges of a process: requests under way, which end when they are no longer allowed. */

import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Target } from '../../route/target.ts'
import type { Session } from '../../session/session.ts'
import { createRoster, NOWHERE } from './roster.ts'

/** Whose an exchange is that may go on for hours, and by which route it was allowed. */
export interface ExchangeOwner {
  readonly routeId: string
  readonly session: Session | null
  /**
   * Where that is null: the session, of that route's portal, by which a route of another reading allowed it; null:
   * anonymous.
   */
  readonly elsewhere: Session | null
  readonly method: string
  /** The client's address; null where it is in doubt. */
  readonly client: string | null
  /** What was asked for, in every reading. */
  readonly target: Target
  /** The request's fields, for rules that look at them. */
  readonly sent: Readonly<Record<string, string>>
  readonly isWebSocket: boolean
}

/**
 * A request that was allowed and is not over: it waits for its turn, is being sent, is not answered yet, or its answer
 * is being sent.
 */
export interface Exchange {
  readonly owner: ExchangeOwner
  /** Its place among the exchanges, which only they change; `NOWHERE` while it has none. */
  place: number
  /**
   * Ends it for both sides. An answer that has not begun becomes `access.denied`; a begun one is cut, so that the
   * client does not take it for complete.
   */
  end(reason: string): void
}

/**
 * All exchanges under way by HTTP, so that a sign-out, a reload or the end of a rule's hours ends those that are no longer allowed.
 *
 * Those that are over leave by themselves, some only when they are next looked at: to end them is harmless.
 */
export interface Exchanges {
  add(one: Exchange): void
  remove(one: Exchange): void
  owners(): Iterable<ExchangeOwner>
  /** Called whenever there is one where there was none. */
  onBusy(listener: () => void): void
  /** Ends those that are over, and notes what has changed: `whose` as `note` has it. */
  endWhere(isOver: (owner: ExchangeOwner) => boolean, reason: string, whose: string | null): void
  /**
   * Notes that decisions may have changed: those about a session, or about an owner's tokens and links, by id; null:
   * all.
   */
  note(whose: string | null): void
  /** The present moment, for `hasChanged`: how many changes there have been. */
  readonly moment: number
  /** Whether a decision about a user (null: an anonymous client) may have changed since an earlier moment. */
  hasChanged(since: number, session: Session | null): boolean
}

/** How many sessions and owners are remembered as changed; with one more, everybody counts as changed once. */
const MOST_NOTED = 1000

/** The exchanges of a process; none is under way. */
export function createExchanges(): Exchanges {
  const open = createRoster<Exchange>(
    one => one.place,
    (one, place) => {
      one.place = place
    },
  )
  let tellBusy = () => {}
  let moment = 0
  let everybodyAt = 0
  const changedAt = new Map<string, number>()

  function note(whose: string | null): void {
    moment++
    if (whose !== null && (changedAt.size < MOST_NOTED || changedAt.has(whose))) changedAt.set(whose, moment)
    else {
      changedAt.clear()
      everybodyAt = moment
    }
  }

  return {
    add(one) {
      open.add(one)
      if (open.members.length === 1) tellBusy()
    },
    remove: open.remove,
    owners: () => open.members.map(({ owner }) => owner),
    onBusy(listener) {
      tellBusy = listener
    },
    endWhere(isOver, reason, whose) {
      note(whose)
      // Each leaves its place when it ends.
      for (const one of open.members.filter(({ owner }) => isOver(owner))) one.end(reason)
    },
    note,
    get moment() {
      return moment
    },
    hasChanged(since, session) {
      if (since === moment) return false
      if (everybodyAt > since) return true
      if (session === null) return false
      const { id, follows } = session
      return (changedAt.get(id) ?? 0) > since || (follows !== undefined && (changedAt.get(follows) ?? 0) > since)
    },
  }
}

/**
 * Waits for `work` as one of the exchanges, and continues with `step`. Rejects as soon as its permission ends
 * (`overtaken`); then `discard` gets the result of the work.
 *
 * It leaves the exchanges in the same turn in which `step` begins. So `step` has to add the work that it starts to the
 * exchanges, or wait again, before it returns. Then no end passes unnoticed between two waits.
 */
export function whileAllowed<Found, Made>(
  exchanges: Pick<Exchanges, 'add' | 'remove'>,
  owner: ExchangeOwner,
  work: Promise<Found>,
  step: (found: Found) => MaybePromise<Made>,
  { onEnd, discard }: { readonly onEnd?: () => void; readonly discard?: (found: Found) => void } = {},
): Promise<Made> {
  const { promise, resolve, reject } = Promise.withResolvers<Made>()
  let isEnded = false
  const one: Exchange = {
    owner,
    place: NOWHERE,
    end(reason) {
      isEnded = true
      exchanges.remove(one)
      reject(overtaken(owner, reason))
      onEnd?.()
    },
  }
  exchanges.add(one)
  work.then(
    found => {
      if (isEnded) return discard?.(found)
      exchanges.remove(one)
      try {
        resolve(step(found))
      } catch (error) {
        reject(error)
      }
    },
    (error: unknown) => {
      exchanges.remove(one)
      reject(error)
    },
  )
  return promise
}

/** What allowed an exchange ended while it was under way. */
export function overtaken({ routeId }: Pick<ExchangeOwner, 'routeId'>, reason: string): GateError {
  const error = new GateError('access.denied', `${routeId}: ended while it was under way: ${reason}`, {
    facts: { route: routeId },
  })
  OVERTAKEN.add(error)
  return error
}

/** Whether something failed because what allowed it ended, and for no other reason. */
export function isOvertaken(error: unknown): error is GateError {
  return error instanceof GateError && OVERTAKEN.has(error)
}

const OVERTAKEN = new WeakSet<GateError>()

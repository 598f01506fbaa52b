import { GateError } from '../../base/errors.ts'
import type { Target } from '../../route/target.ts'
import type { Session } from '../../session/session.ts'
import { createRoster } from './roster.ts'

/** Whose an exchange is that may go on for hours, and by which route it was allowed. */
export interface ExchangeOwner {
  readonly routeId: string
  readonly session: Session | null
  /** Where that is null: as whom a route of another reading let it pass, by a session of that route's portal; null: as nobody. */
  readonly elsewhere: Session | null
  readonly method: string
  /** The client's address; null where it is in doubt. */
  readonly client: string | null
  /** What was asked for, in every reading. */
  readonly target: Target
  readonly isWebSocket: boolean
}

/** A request that was allowed and is not over: it waits for its turn, is being sent, is not answered yet, or its answer goes on. */
export interface Exchange {
  readonly owner: ExchangeOwner
  /** Its place among the exchanges, theirs alone to change; `NOWHERE` while it has none. */
  place: number
  /** Ends it for both sides. An answer that has not begun is `access.denied`; one that has is cut, so that nobody takes it for whole. */
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
  endWhere(isOver: (owner: ExchangeOwner) => boolean, reason: string): void
}

/** The exchanges of a process; none is under way. */
export function createExchanges(): Exchanges {
  const open = createRoster<Exchange>(
    one => one.place,
    (one, place) => {
      one.place = place
    },
  )
  let tellBusy = () => {}
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
    endWhere(isOver, reason) {
      // Each leaves its place when it ends.
      for (const one of open.members.filter(({ owner }) => isOver(owner))) one.end(reason)
    },
  }
}

/** Whose a request is that goes on by HTTP; `provenClient` is the client's address, or null where it is in doubt. */
export function ownerOf({
  routeId,
  session,
  elsewhere,
  method,
  provenClient,
  target,
}: Omit<ExchangeOwner, 'client' | 'isWebSocket'> & { readonly provenClient: string | null }): ExchangeOwner {
  return { routeId, session, elsewhere, method, client: provenClient, target, isWebSocket: false }
}

/** What allowed an exchange ended while it was under way. */
export function overtaken({ routeId }: Pick<ExchangeOwner, 'routeId'>, reason: string): GateError {
  return new GateError('access.denied', `${routeId}: ended while it was under way: ${reason}`, {
    facts: { route: routeId },
  })
}

/** Waits for a request's turn to be sent. */

import { GateError } from '../base/errors.ts'
import type { Turns } from './body/turns.ts'
import { type Forwarded, type ForwardTools, ownerOf } from './forwarded.ts'
import { hasLeft } from './lifetime/client-idle.ts'
import { whileAllowed } from './lifetime/exchanges.ts'

/**
 * Continues with the stamp of a request's turn to be sent, once the turn comes. Meanwhile the request is an exchange:
 * its permission may end.
 *
 * `discard` gets the stamp of a turn that came too late. Rejects like `whileAllowed` where the permission ended, and
 * with upstream.broken where the client left while its request waited.
 */
export function waitToBeSent<Made>(
  asked: Forwarded,
  { exchanges }: Pick<ForwardTools, 'exchanges'>,
  turns: Pick<Turns, 'wait'>,
  step: (stamp: number) => Promise<Made>,
  discard: (stamp: number) => void,
): Promise<Made> {
  const { route, client, front, connection } = asked
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const onEnd = turns.wait({
    client,
    hasLeft: () => hasLeft(front, connection),
    go: resolve,
    leave: () =>
      reject(new GateError('upstream.broken', `${route.config.id}: the client left before its request was sent`)),
  })
  return whileAllowed(exchanges, ownerOf(asked), promise, step, { onEnd, discard })
}

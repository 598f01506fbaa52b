import { GateError } from '../base/errors.ts'
import type { ForwardJob, ForwardTools } from './job.ts'
import { hasLeft } from './lifetime/client-idle.ts'
import { ownerOf, whileAllowed } from './lifetime/exchanges.ts'

/**
 * Goes on with the stamp of a request's turn to be sent, once it comes. Meanwhile it is an exchange: what allowed it may end.
 *
 * Rejects with what allowed it where that ended, and with upstream.broken where the client left while it waited.
 */
export function waitToBeSent<Made>(
  job: ForwardJob,
  { flows, exchanges }: ForwardTools,
  step: (stamp: number) => Promise<Made>,
): Promise<Made> {
  const { routeId, client, front, connection } = job
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const onEnd = flows.turns.wait({
    client,
    hasLeft: () => hasLeft(front, connection),
    go: resolve,
    leave: () => reject(new GateError('upstream.broken', `${routeId}: the client left before its request was sent`)),
  })
  return whileAllowed(exchanges, ownerOf(job), promise, step, { onEnd, discard: stamp => flows.begun(stamp) })
}

import { GateError } from '../base/errors.ts'
import type { ForwardJob, ForwardTools } from './job.ts'
import { hasLeft } from './lifetime/client-idle.ts'
import { type Exchange, overtaken, ownerOf } from './lifetime/exchanges.ts'
import { NOWHERE } from './lifetime/roster.ts'

/**
 * The stamp of a request's turn to be sent, once it comes. Meanwhile it is an exchange: what allowed it may end.
 *
 * Rejects with access.denied, and with upstream.broken where the client left while it waited.
 */
export function waitToBeSent(job: ForwardJob, { flows, exchanges }: ForwardTools): Promise<number> {
  const { routeId, client, front, connection } = job
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const one: Exchange = {
    owner: ownerOf(job),
    place: NOWHERE,
    end(reason) {
      giveUp()
      exchanges.remove(one)
      reject(overtaken(one.owner, reason))
    },
  }
  const giveUp = flows.turns.wait({
    client,
    hasLeft: () => hasLeft(front, connection),
    go(stamp) {
      exchanges.remove(one)
      resolve(stamp)
    },
    leave() {
      exchanges.remove(one)
      reject(new GateError('upstream.broken', `${routeId}: the client left before its request was sent`))
    },
  })
  exchanges.add(one)
  return promise
}

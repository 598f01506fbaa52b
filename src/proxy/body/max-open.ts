/** `max_open`: how many bodies each client has under way, and how much memory the stalled ones hold. */

import { Tally } from '../../base/byte-counts.ts'
import { GateError } from '../../base/errors.ts'
import { networkOf } from '../../base/net.ts'

/** One client's part: an IPv4 address or an IPv6 /64. */
export interface Share {
  readonly network: string
  /** How many bodies it has under way. */
  open: number
  /** What stalled ones of them hold, in bytes. */
  readonly held: Tally
}

/** What each client has under way. Clients without anything are not included. */
export interface Shares {
  countOf(client: string): number
  /** One more body of this client. */
  enter(client: string): Share
  /** One less. */
  leave(share: Share): void
  /** Throws `limit.open` where a client has so many under way, and still has them once `letGo` has been asked. */
  admit(client: string, maxOpen: number, letGo: (share: Share) => void): void
}

/** The shares of a process, by the network of the client; one that holds nothing is forgotten. */
export function createShares(): Shares {
  const shares = new Map<string, Share>()
  return {
    countOf: client => shares.get(networkOf(client))?.open ?? 0,
    enter(client) {
      const network = networkOf(client)
      let share = shares.get(network)
      if (share === undefined) {
        share = { network, open: 0, held: new Tally() }
        shares.set(network, share)
      }
      share.open++
      return share
    },
    leave(share) {
      if (--share.open === 0) shares.delete(share.network)
    },
    admit(client, maxOpen, letGo) {
      if (shares.size === 0) return
      const network = networkOf(client)
      const share = shares.get(network)
      if (share === undefined || share.open < maxOpen) return
      letGo(share)
      if (share.open < maxOpen) return
      throw new GateError('limit.open', `${network}: ${maxOpen} answers and uploads are under way already`, {
        facts: { network },
        hint: 'if these are honest requests, raise max_open in [server]',
        retryAfterS: 5,
      })
    },
  }
}

/** Warns about a proxy in front that `trusted_proxies` does not name. */

import { FORWARDED_FOR } from '../../base/client-address.ts'
import { isPublicAddress } from '../../base/net.ts'
import type { Log } from '../../base/ports.ts'

/** Logs a proxy in front that is not trusted. */
export interface Untrusted {
  /** A peer said in this field whom it asks for, and that was dropped. */
  note(peer: string, field: string): void
}

/** No gate has more proxies in front. */
const MOST_TOLD = 3

/**
 * Logs once for each peer that its `X-Forwarded-*` fields are dropped, and only for a few peers: anyone may send such
 * a field. Peers of the own network, where proxies are, count separately from strangers.
 */
export function createUntrusted(log: Log): Untrusted {
  const told = { inner: new Set<string>(), outer: new Set<string>() }
  return {
    note(peer, field) {
      if (told.inner.size === MOST_TOLD && told.outer.size === MOST_TOLD) return
      const kind = isPublicAddress(peer) ? 'outer' : 'inner'
      if (told[kind].size === MOST_TOLD || told[kind].has(peer)) return
      told[kind].add(peer)
      const facts = { peer, hint: `if that is your proxy, add "${peer}" to trusted_proxies of [server]` }
      const dropped =
        field === FORWARDED_FOR ? 'The X-Forwarded-* fields' : `The field ${field} and the X-Forwarded-* fields`
      const what = `${dropped} of a peer are dropped: it is no trusted proxy, and counts as the client`
      if (kind === 'inner') log.warn(what, facts)
      else log.info(what, facts)
    },
  }
}

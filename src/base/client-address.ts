/** The address of a client: its connection's, or what trusted proxies say in X-Forwarded-For. */

import { canonicalAddress, type NetworkSet } from './net.ts'

/** The one field that is a list: each proxy adds the address of who asked it. */
export const FORWARDED_FOR = 'x-forwarded-for'

/** A client's address, and whether it is known: rules about networks must not take another one for it. */
export interface FoundClient {
  readonly address: string
  readonly isProven: boolean
}

/**
 * The client's address: the peer's own, unless the peer is a trusted proxy; then what that says in `value`. Of a list
 * (X-Forwarded-For) that is the last address that no trusted proxy added; any other field is one address.
 *
 * A trusted proxy that says nothing, or no address, leaves the client unknown: the proxy's own address, often an inner one, stands in
 * for limits and the log, and is not proven. An entry of a list that is no address ends the walk at the proxy that sent it, so that
 * nothing behind it is believed.
 * Source: the walk from the right follows the caution of RFC 7239 §8.1.
 */
export function findClient(peer: string, value: string | null, trusted: NetworkSet, isList: boolean): FoundClient {
  if (trusted.isEmpty || !trusted.has(peer)) return { address: peer, isProven: true }
  if (value === null) return { address: peer, isProven: false }
  if (!isList) {
    const address = canonicalAddress(value.trim())
    return { address: address ?? peer, isProven: address !== null }
  }
  const entries = value.split(',')
  let client = peer
  for (let index = entries.length - 1; index >= 0; index--) {
    const address = canonicalAddress((entries[index] ?? '').trim())
    if (address === null) return { address: client, isProven: false }
    client = address
    if (!trusted.has(address)) break
  }
  return { address: client, isProven: true }
}

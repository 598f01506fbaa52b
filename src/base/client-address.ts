import { canonicalAddress, type NetworkSet } from './net.ts'

/**
 * The client's address: the peer's own, unless the peer is a trusted proxy; then the last address of X-Forwarded-For
 * that no trusted proxy added.
 *
 * An entry that is no address ends the walk at the proxy that sent it, so that nothing behind it is believed; the address is
 * then that proxy's, often an inner one, and not proven: rules about networks must not take it for the client's.
 * Source: the walk from the right follows the caution of RFC 7239 §8.1.
 */
export function findClient(
  peer: string,
  forwardedFor: string | null,
  trusted: NetworkSet,
): { readonly address: string; readonly isProven: boolean } {
  if (trusted.isEmpty || forwardedFor === null || !trusted.has(peer)) return { address: peer, isProven: true }
  const entries = forwardedFor.split(',')
  let client = peer
  for (let index = entries.length - 1; index >= 0; index--) {
    const address = canonicalAddress((entries[index] ?? '').trim())
    if (address === null) return { address: client, isProven: false }
    client = address
    if (!trusted.has(address)) break
  }
  return { address: client, isProven: true }
}

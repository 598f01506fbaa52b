/** Whether an address accepts connections. */

import { connect } from 'node:net'
import { afterLimit } from '../../base/time-limit.ts'
import type { UpstreamAddress } from '../../config/values/address.ts'

/**
 * Whether a connection to an address comes about within this time. Never rejects; a refusal counts as none.
 *
 * fetch does not tell that it is still connecting, so this asks beside it. A socket file needs no asking.
 */
export function reach(address: UpstreamAddress, limitMs: number): Promise<boolean> {
  if (address.kind === 'unix') return Promise.resolve(true)
  const { host, port } = splitAuthority(address.authority, address.scheme === 'https' ? 443 : 80)
  return new Promise(resolve => {
    const socket = connect({ host, port })
    const stopWaiting = afterLimit(limitMs, () => finish(false))
    function finish(isReachable: boolean): void {
      stopWaiting()
      socket.destroy()
      resolve(isReachable)
    }
    socket.once('connect', () => finish(true))
    // Stays: a socket that was given up may still report an error.
    socket.on('error', () => finish(false))
  })
}

/** Where to connect for an authority, and its own name; IPv6 without brackets. Throws TypeError where there is no host. */
export function splitAuthority(
  authority: string,
  defaultPort: number,
): { readonly host: string; readonly name: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::([0-9]+))?$/.exec(authority)
  const name = match?.[1] ?? match?.[2]
  if (name === undefined) throw new TypeError('the upstream address has no host')
  // They mean this machine (RFC 6761 §6.3): fetch knows it, node:net asks a DNS server that does not.
  const host = name.endsWith('.localhost') ? 'localhost' : name
  return { host, name, port: match?.[3] === undefined ? defaultPort : Number(match[3]) }
}

import { isIPv4 } from 'node:net'
import type { ListenAddress } from '../types/server.ts'

/**
 * These places, where `[::]` leaves IPv4 to whoever has it: it takes both families, unless a place of the file (`all` are its places)
 * has its port by IPv4, which could not be opened beside it.
 */
export function shareFamilies<T extends ListenAddress>(
  places: readonly T[],
  all: readonly ListenAddress[],
): readonly T[] {
  const ports = new Set(all.flatMap(one => (one.kind === 'tcp' && isIPv4(one.host) && one.port !== 0 ? one.port : [])))
  return places.map(one =>
    one.kind === 'tcp' && one.host === '::' && ports.has(one.port) ? { ...one, isIpv6Only: true as const } : one,
  )
}

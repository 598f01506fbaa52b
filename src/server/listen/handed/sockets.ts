import { canonicalAddress, isLoopbackHost } from '../../../base/net.ts'
import { LINUX, libc } from '../../../base/system/libc.ts'
import { descriptorsOf } from '../../../base/system/open-descriptors.ts'
import type { ListenAddress } from '../../../config/types/server.ts'
import { addressText } from '../address-text.ts'
import { addressOfSocket } from './descriptors.ts'

/** Sockets that listen already, and were handed to this process by whoever started it. */
export interface HandedSockets {
  /** The descriptors of those at an address; null in place of them where there is none, so that one has to be opened. */
  at(address: ListenAddress): readonly (number | null)[]
  /** Those that outlive this process, by the system's names: who connects there after it waits for the next one. */
  readonly kept: ReadonlySet<string>
  /** Closes those that no listener asked for, so that nobody waits there for ever; answers where they listened. */
  closeOthers(): readonly string[]
}

/** The sockets with these descriptors, which programs that this process starts do not inherit. */
export function createHanded(descriptors: readonly number[], areKept: boolean): HandedSockets {
  const system = descriptors.length > 0 ? libc() : null
  const names = areKept ? descriptorsOf('socket:') : new Map<number, string>()
  const sockets = descriptors.map(descriptor => {
    system?.fcntl(descriptor, LINUX.F_SETFD, LINUX.FD_CLOEXEC)
    return { descriptor, address: system === null ? null : addressOfSocket(descriptor, system), isAsked: false }
  })
  return {
    kept: new Set(descriptors.flatMap(descriptor => names.get(descriptor) ?? [])),
    at(wanted) {
      const here = sockets.filter(({ address }) => address !== null && isSamePlace(address, wanted))
      for (const socket of here) socket.isAsked = true
      return here.length === 0 ? [null] : here.map(({ descriptor }) => descriptor)
    },
    closeOthers() {
      const others = sockets.filter(({ isAsked }) => !isAsked)
      for (const { descriptor, address } of others) if (address !== null) system?.close(descriptor)
      return others.map(({ address }) => (address === null ? 'no listening socket' : addressText(address)))
    },
  }
}

/** Of a process that opens all of its sockets itself. */
export const NONE_HANDED = createHanded([], false)

/** Whether a socket is the one that the file means: systemd opens `[::]` for a port alone, which takes IPv4 too. */
function isSamePlace(socket: ListenAddress, wanted: ListenAddress): boolean {
  if (socket.kind === 'unix' || wanted.kind === 'unix') {
    return socket.kind === 'unix' && wanted.kind === 'unix' && socket.path === wanted.path
  }
  if (socket.port !== wanted.port) return false
  const [there, here] = [socket.host, wanted.host].map(host => canonicalAddress(host) ?? host)
  if (there === here) return true
  if (here === 'localhost') return isLoopbackHost(socket.host)
  return [there, here].every(host => host === '0.0.0.0' || host === '::')
}

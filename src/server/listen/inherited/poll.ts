/** How a descriptor is registered with epoll. */

import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import { descriptorsOf } from '../../../base/system/open-descriptors.ts'

/** Where a descriptor is waited for, and as what. */
export interface Poll {
  readonly epoll: number
  readonly event: Uint8Array
}

/** By the system's word (proc_pid_fdinfo(5)); null where it is not registered. */
export function pollOf(descriptor: number): Poll | null {
  const line = new RegExp(`^tfd:\\s*${descriptor} events:\\s*([0-9a-f]+) data:\\s*([0-9a-f]+)`, 'm')
  for (const epoll of descriptorsOf('anon_inode:[eventpoll]').keys()) {
    const [, events, data] = line.exec(readFileSync(`/proc/self/fdinfo/${epoll}`, 'utf8')) ?? []
    if (events !== undefined && data !== undefined) return { epoll, event: epollEvent(events, data) }
  }
  return null
}

/** `struct epoll_event`, which is packed only on x64. */
function epollEvent(events: string, data: string): Uint8Array {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  const isLittle = endianness() === 'LE'
  view.setUint32(0, Number.parseInt(events, 16), isLittle)
  view.setBigUint64(process.arch === 'x64' ? 4 : 8, BigInt(`0x${data}`), isLittle)
  return bytes
}

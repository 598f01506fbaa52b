/** What the machine has for this gate: how many workers, how much memory each, and when memory is given back. */

import { availableParallelism, totalmem } from 'node:os'
import { tickWhileBusy } from '../base/while-busy.ts'
import type { ServerConfig } from '../config/keys/server.ts'

/** Files of fewer routes leave so little behind that Bun's own time for it will do. */
const MANY_ROUTES = 500

/**
 * Gives back what reading a file has left behind, where that is much: ten thousand routes are read by way of some 300 MB.
 *
 * A file is read in one go, in which Bun collects little; where saves follow each other quickly, what each left would add up.
 */
export function spareMemory(routeCount: number): void {
  if (routeCount >= MANY_ROUTES) reclaimMemory()
}

/** Gives back at once what is not used any more. It takes some milliseconds for 100 MB. */
export function reclaimMemory(): void {
  Bun.gc(true)
}

/** What so many requests leave behind is some 20 MB, which Bun 1.4.5 keeps for the next ones for as long as none come. */
const MANY_REQUESTS = 10_000

/** Without requests for this long, no client has to wait for it. */
const PAUSE_MS = 1000

/** Gives back what many requests have left behind, in the first pause after them. Pairs with `close`. */
export interface SparingAfterLoad {
  noteRequest(): void
  close(): void
}

/** Counts requests, and has memory given back once they were many and none has come for `PAUSE_MS`. */
export function spareMemoryAfterLoad(reclaim: () => void = reclaimMemory): SparingAfterLoad {
  let count = 0
  let seen = 0
  const ticker = tickWhileBusy(PAUSE_MS, () => {
    if (count !== seen) {
      seen = count
      return true
    }
    if (count >= MANY_REQUESTS) {
      count = 0
      seen = 0
      reclaim()
    }
    return false
  })
  return {
    noteRequest() {
      count++
      ticker.wake()
    },
    close: ticker.close,
  }
}

/** The executable and its own data, with few routes and sessions. */
const OWN_BYTES = 80_000_000

/**
 * The memory that each process may use beyond its own size: processes share what the machine has, or what their control group may
 * have, in equal parts. Below 0 where that is less.
 */
export function memoryFor(workers: number | 'auto'): number {
  const limit = process.constrainedMemory()
  const bytes = limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  return bytes / poolSizeOf({ workers }) - OWN_BYTES
}

/** Beyond that, a collector that looks at all of it holds up requests for long. */
const MOST_CACHE_BYTES = 512_000_000
const LEAST_CACHE_BYTES = 16_000_000

/** The default of `cache`, in bytes: an eighth of the memory that each process may use. */
export function usualCacheBytes(workers: number | 'auto', usableBytes = memoryFor(workers)): number {
  return Math.floor(Math.min(MOST_CACHE_BYTES, Math.max(LEAST_CACHE_BYTES, usableBytes / 8)))
}

/** How many workers `workers` of `[server]` asks for. */
export function poolSizeOf({ workers }: Pick<ServerConfig, 'workers'>): number {
  return workers === 'auto' ? availableParallelism() : workers
}

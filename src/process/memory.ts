import { availableParallelism, totalmem } from 'node:os'

/**
 * What `stall_memory` is, in bytes, where the file does not say: a quarter of what each process of this program may use (by the
 * machine's memory or a control group's limit, in equal parts) beyond what it is itself.
 */
export function usualStallMemory(workers: number | 'auto'): number {
  const processes = workers === 'auto' ? availableParallelism() : workers
  const limit = process.constrainedMemory()
  const bytes = limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  return Math.max(LEAST_BYTES, Math.floor((bytes / processes - OWN_BYTES) / 4))
}

/** The executable and its own data, with few routes and sessions. */
const OWN_BYTES = 80_000_000

/** Four bodies that nobody takes. */
const LEAST_BYTES = 10_000_000

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

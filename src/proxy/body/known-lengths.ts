/** Which addresses answer with long bodies, as far as that is remembered. */
export interface KnownLengths {
  /** Whether anything depends on it, while so many requests have not been answered. */
  matter(inFlight: number): boolean
  /**
   * Whether a request for this address may get a long answer: an earlier one was long; or the length is not known yet,
   * and several requests wait for the first answer. `inFlight`: how many requests its upstream has not answered.
   */
  mayBeLong(address: string, inFlight: number): boolean
  /** Whether it is of interest what an address that is not long answers with. */
  readonly isAwaited: boolean
  /** What an address answers with. */
  note(address: string, isLong: boolean): void
}

/** With fewer under way nothing has to be known of any. */
const FEW = 16

/** So many may wait for the first answer of one address. */
const FIRST = 8

/** How many addresses are remembered of each kind; with one more, the oldest long one is forgotten, and all of the others. */
const MOST = 1000

/** No address is known yet. */
export function createKnownLengths(): KnownLengths {
  const longs = new Set<string>()
  const shorts = new Set<string>()
  /** How many wait for the first answer of an address. */
  const unknown = new Map<string, number>()

  return {
    matter: inFlight => longs.size > 0 || inFlight >= FEW,
    mayBeLong(address, inFlight) {
      if (longs.size > 0 && longs.has(address)) return true
      if (inFlight < FEW || shorts.has(address)) return false
      const waiting = (unknown.get(address) ?? 0) + 1
      if (unknown.size >= MOST) unknown.clear()
      unknown.set(address, waiting)
      return waiting > FIRST
    },
    get isAwaited() {
      return unknown.size > 0
    },
    note(address, isLong) {
      unknown.delete(address)
      if (!isLong) {
        if (shorts.size >= MOST) shorts.clear()
        shorts.add(address)
        return
      }
      shorts.delete(address)
      longs.delete(address)
      longs.add(address)
      if (longs.size <= MOST) return
      for (const oldest of longs) {
        longs.delete(oldest)
        return
      }
    },
  }
}

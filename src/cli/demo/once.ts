/** Values that live briefly, at most so many at a time; the oldest makes room. */
export interface ShortLived<T> {
  put(key: string, value: T): void
  /** The value while it lives, or null. */
  get(key: string): T | null
  /** The value, exactly once; null when unknown, expired or taken before. */
  take(key: string): T | null
}

/** An empty ShortLived over a clock in milliseconds. */
export function makeShortLived<T>(now: () => number, lifetimeMs: number, maxEntries: number): ShortLived<T> {
  const entries = new Map<string, { readonly value: T; readonly expiresAtMs: number }>()
  const get = (key: string): T | null => {
    const entry = entries.get(key)
    if (entry === undefined) return null
    if (entry.expiresAtMs > now()) return entry.value
    entries.delete(key)
    return null
  }
  return {
    put(key, value) {
      // One lifetime for all, so insertion order is expiry order and the first entry is always the one to go.
      const oldest = entries.keys().next()
      if (entries.size >= maxEntries && !oldest.done) entries.delete(oldest.value)
      entries.set(key, { value, expiresAtMs: now() + lifetimeMs })
    },
    get,
    take(key) {
      const value = get(key)
      entries.delete(key)
      return value
    },
  }
}

/** A value for each host: the exact name first, then the longest wildcard suffix. */
export interface HostTable<T> {
  lookup(host: string): T | undefined
}

/**
 * A table whose look-up costs one map read a host label, however many hosts it has.
 *
 * Shape: keys are lower-case names, or `*.example.com` for every name below example.com, at any depth.
 */
export function compileHostTable<T>(entries: Iterable<readonly [host: string, value: T]>): HostTable<T> {
  const exact = new Map<string, T>()
  const bySuffix = new Map<string, T>()
  for (const [host, value] of entries) {
    if (host.startsWith('*.')) bySuffix.set(host.slice(1), value)
    else exact.set(host, value)
  }
  return Object.freeze({
    lookup(host: string) {
      const own = exact.get(host)
      if (own !== undefined || bySuffix.size === 0) return own
      for (let dot = host.indexOf('.'); dot > 0; dot = host.indexOf('.', dot + 1)) {
        const found = bySuffix.get(host.slice(dot))
        if (found !== undefined) return found
      }
      return undefined
    },
  })
}

/** A value for each host: the exact name first, then the longest wildcard suffix. */
export interface HostTable<T> {
  lookup(host: string): T | undefined
}

/**
 * A table whose look-up costs one map read a host label, however many hosts it has.
 *
 * Shape: keys are lower-case names, or `*.example.com` for every name below example.com, at any depth. `deeper`, where it is given,
 * says what a wildcard has for names of more than one label: a wildcard that is not in it has nothing for them.
 */
export function compileHostTable<T>(
  entries: Iterable<readonly [host: string, value: T]>,
  deeper?: Iterable<readonly [host: string, value: T]>,
): HostTable<T> {
  const exact = new Map<string, T>()
  const bySuffix = new Map<string, T>()
  for (const [host, value] of entries) {
    if (host.startsWith('*.')) bySuffix.set(host.slice(1), value)
    else exact.set(host, value)
  }
  const atDepth = deeper === undefined ? bySuffix : suffixesOf(deeper)
  return Object.freeze({
    lookup(host: string) {
      const own = exact.get(host)
      if (own !== undefined || bySuffix.size === 0) return own
      const first = host.indexOf('.')
      for (let dot = first; dot > 0; dot = host.indexOf('.', dot + 1)) {
        const suffix = host.slice(dot)
        const found = bySuffix.get(suffix)
        if (found !== undefined) return dot === first ? found : atDepth.get(suffix)
      }
      return undefined
    },
  })
}

function suffixesOf<T>(entries: Iterable<readonly [host: string, value: T]>): ReadonlyMap<string, T> {
  return new Map([...entries].filter(([host]) => host.startsWith('*.')).map(([host, value]) => [host.slice(1), value]))
}

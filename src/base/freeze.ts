/** Values that nobody changes any more: frozen all the way down, and equal parts as one object. */

/**
 * Freezes a plain value all the way down and answers it.
 *
 * A Map's entries are not its properties, so `Object.freeze` leaves them open: its writing methods are replaced first.
 */
export function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (value instanceof Map) {
    for (const [key, entry] of value) {
      freezeDeep(key)
      freezeDeep(entry)
    }
    for (const name of ['set', 'delete', 'clear']) Object.defineProperty(value, name, { value: refuseWriting })
    return Object.freeze(value)
  }
  Object.freeze(value)
  for (const entry of Object.values(value)) freezeDeep(entry)
  return value
}

/**
 * A function that freezes, too, but shares equal parts of all values that it gets. Of ten thousand routes most differ
 * only in their host, and a frozen list costs Bun a few hundred bytes. It compares plain objects and lists by value,
 * and everything else by identity.
 */
export function createShared(): <T>(value: T) => T {
  const known = new Map<string, object>()
  const numbers = new Map<object, number>()

  function nameOf(value: unknown): string {
    if (typeof value === 'string') return `s${value.length}:${value}`
    if (typeof value !== 'object' || value === null) return `${typeof value}:${value}`
    let number = numbers.get(value)
    if (number === undefined) {
      number = numbers.size
      numbers.set(value, number)
    }
    return `#${number}`
  }

  function share(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || numbers.has(value)) return value
    if (value instanceof Map) {
      if (!Object.isFrozen(value)) for (const [key, entry] of value) value.set(key, share(entry))
      return freezeDeep(value)
    }
    const isList = Array.isArray(value)
    if (!isList && Object.getPrototypeOf(value) !== Object.prototype) return freezeDeep(value)
    let name = isList ? '[' : '{'
    for (const key of Object.keys(value)) {
      const entry: unknown = Reflect.get(value, key)
      const shared = share(entry)
      if (shared !== entry) Reflect.set(value, key, shared)
      name += isList ? `${nameOf(shared)},` : `${key.length}:${key}=${nameOf(shared)},`
    }
    const same = known.get(name)
    if (same !== undefined) return same
    known.set(name, Object.freeze(value))
    nameOf(value)
    return value
  }

  return value => share(value) as typeof value
}

function refuseWriting(): never {
  throw new TypeError('a checked configuration does not change')
}

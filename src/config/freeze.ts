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

function refuseWriting(): never {
  throw new TypeError('a checked configuration does not change')
}

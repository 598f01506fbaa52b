/** A value that a file without mistakes has. Throws TypeError otherwise: a mistake that was not reported is a bug of ours. */
export function known<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new TypeError(`${name} has no value and no diagnostic`)
  return value
}

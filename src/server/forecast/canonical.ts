/** A value of a Config as text; equal values have equal texts. For comparing: it may hold secrets. */
export function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, one: unknown) => {
      if (one instanceof Map) return ['map', ...one]
      if (one instanceof Set) return ['set', ...one]
      return typeof one === 'bigint' ? String(one) : one
    }) ?? 'undefined'
  )
}

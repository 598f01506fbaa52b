/** Any table that was read. */
interface ReadTable {
  readonly values: object
}

/** The values of a table of a file without mistakes: what the table of keys names, each with the type that it has there. */
export type Known<T extends ReadTable> = {
  readonly [Name in keyof T['values']]: Exclude<T['values'][Name], undefined>
}

/**
 * The values of a table of a file without mistakes.
 *
 * Throws TypeError where one is missing: a mistake that was not reported is a bug of ours.
 */
export function known<T extends ReadTable>({ values }: T): Known<T> {
  if (isKnown<T>(values)) return values
  const missing = Object.entries(values).find(([, value]) => value === undefined)
  throw new TypeError(`${missing?.[0]} has no value and no diagnostic`)
}

function isKnown<T extends ReadTable>(values: T['values']): values is T['values'] & Known<T> {
  return Object.values(values).every(value => value !== undefined)
}

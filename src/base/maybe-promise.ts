/** A value now, or later: what is at hand costs no promise. */
export type MaybePromise<T> = T | Promise<T>

/** What goes along from one step to the next. */
type Rest = readonly [unknown?, unknown?, unknown?, unknown?]

/**
 * Goes on with what was found: at once where it is here, and only otherwise once it is. `rest` goes along, so that no function has
 * to be made for it.
 *
 * Throws what `step` throws where it goes on at once; rejects with it, and with what was found, otherwise.
 */
export function andThen<Found, Given extends Rest, Made>(
  found: MaybePromise<Found>,
  step: (found: Found, ...rest: Given) => MaybePromise<Made>,
  ...rest: Given
): MaybePromise<Made>
// One by one: to gather and to spread them costs a request a microsecond (Bun 1.4.5).
export function andThen(
  found: unknown,
  step: (found: unknown, ...rest: Rest) => unknown,
  one?: unknown,
  two?: unknown,
  three?: unknown,
  four?: unknown,
): unknown {
  return found instanceof Promise
    ? found.then((later: unknown) => step(later, one, two, three, four))
    : step(found, one, two, three, four)
}

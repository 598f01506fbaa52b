/** Work on many things, of which none keeps the others from it. */

/** Does this with each of them in turn, whatever becomes of the others. Throws what the first that failed has thrown. */
export async function eachOf<T>(all: Iterable<T>, act: (one: T) => Promise<unknown>): Promise<void> {
  const failures: unknown[] = []
  for (const one of all) {
    try {
      await act(one)
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

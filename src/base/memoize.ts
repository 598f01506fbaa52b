/**
 * A pure function of a text that remembers its results, for the first `most` texts of at most `longest` characters. So
 * its memory is bounded for any input. Errors are not remembered.
 */
export function memoize<T>(make: (text: string) => T, most: number, longest: number): (text: string) => T {
  const known = new Map<string, T>()
  return text => {
    const before = known.get(text)
    if (before !== undefined) return before
    const made = make(text)
    if (known.size < most && text.length <= longest) known.set(text, made)
    return made
  }
}

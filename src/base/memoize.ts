/**
 * A pure function of a text that remembers its results, for `most` texts of at most `longest` characters. So its memory
 * is bounded for any input. With one more it begins anew: otherwise a stranger who names so many once would have
 * everybody's texts worked out for good. Errors are not remembered.
 */
export function memoize<T>(make: (text: string) => T, most: number, longest: number): (text: string) => T {
  const known = new Map<string, T>()
  return text => {
    const before = known.get(text)
    if (before !== undefined) return before
    const made = make(text)
    if (text.length > longest) return made
    if (known.size >= most) known.clear()
    known.set(text, made)
    return made
  }
}

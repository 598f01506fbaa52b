/**
 * A pure function of a text that remembers what it has answered, for the first `most` texts that are no longer than `longest`:
 * bounded, whoever chooses the texts. What it throws is not remembered.
 */
export function remembering<T>(make: (text: string) => T, most: number, longest: number): (text: string) => T {
  const known = new Map<string, T>()
  return text => {
    const before = known.get(text)
    if (before !== undefined) return before
    const made = make(text)
    if (known.size < most && text.length <= longest) known.set(text, made)
    return made
  }
}

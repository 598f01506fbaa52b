/**
 * The known word that was probably meant, or null.
 *
 * Spellings that differ only in case, dashes and underscores are the same word; otherwise at most a third of the letters
 * may be wrong, missing, added or swapped.
 */
export function suggest(word: string, known: Iterable<string>): string | null {
  let best: string | null = null
  let bestDistance = Math.max(1, Math.floor(Math.min(word.length, MAX_LENGTH) / 3)) + 1
  for (const candidate of known) {
    if (fold(candidate) === fold(word)) return candidate
    const distance = editDistance(fold(word), fold(candidate))
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** A hint for an unknown word: what was probably meant, else what there is to choose from. */
export function didYouMean(word: string, known: readonly string[], none = ''): string {
  const meant = suggest(word, known)
  if (meant !== null) return `did you mean "${meant}"?`
  if (known.length === 0) return none
  const shown = known.slice(0, 12).map(name => `"${name}"`)
  return `there ${known.length === 1 ? 'is only' : 'are'} ${shown.join(', ')}${known.length > 12 ? ', …' : ''}`
}

const MAX_LENGTH = 48

function fold(word: string): string {
  return word.toLowerCase().replace(/[_\s-]/g, '')
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost one each. */
function editDistance(left: string, right: string): number {
  if (left.length > MAX_LENGTH || right.length > MAX_LENGTH) return left === right ? 0 : MAX_LENGTH
  let beforeLast: number[] = []
  let last = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1]
      let cost = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      )
      if (row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]) {
        cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1)
      }
      current.push(cost)
    }
    beforeLast = last
    last = current
  }
  return last[right.length] ?? 0
}

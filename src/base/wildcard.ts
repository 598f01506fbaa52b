/** Patterns with stars, for texts of any kind. */

/** Whether a text is, as a whole, as a pattern says. */
export type TextTest = (text: string) => boolean

/**
 * A pattern in which a star matches any text, also an empty one, and every other character matches itself.
 *
 * For each star it takes time in proportion to the text's length: it looks for the pieces from left to right, each
 * once.
 */
export function compileStars(pattern: string): TextTest {
  const [first = '', ...others] = pattern.split('*')
  const last = others.pop()
  if (last === undefined) return text => text === first
  const middle = others.filter(piece => piece !== '')
  return text => {
    if (!text.startsWith(first) || !text.endsWith(last)) return false
    let at = first.length
    for (const piece of middle) {
      const found = text.indexOf(piece, at)
      if (found === -1) return false
      at = found + piece.length
    }
    return at <= text.length - last.length
  }
}

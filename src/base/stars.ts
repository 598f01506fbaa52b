/** Whether a text is, as a whole, as a pattern says. */
export type TextTest = (text: string) => boolean

/**
 * A pattern in which a star is anything at all, nothing among it, and every other character is itself.
 *
 * Takes the length of the text for each star, whatever the text is: pieces are looked for from left to right, and none twice.
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

/** Marks that turn the direction in which what stands around them is shown (Unicode, Bidi_Control; UAX #9 §2). */
const TURNING = /\p{Bidi_Control}/gu

/** What would also end a line or drive a terminal. */
const UNSEEN = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu

/** Text in which such marks are escapes, so that nobody's name can look like another's, or turn what stands beside it. */
export function showTurning(text: string): string {
  return text.replace(TURNING, escapeMark)
}

/** The same for one line of text without any of its own: control characters are escapes too. */
export function showUnseen(text: string): string {
  return text.replace(UNSEEN, escapeMark)
}

/** A JSON string that no terminal can be driven by either: JSON itself leaves what is beyond ASCII as it is. */
export function showJson(value: unknown): string {
  return showUnseen(JSON.stringify(value))
}

function escapeMark(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

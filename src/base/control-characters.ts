/** Escapes control characters and those that change the direction of text, before anything is shown. */

/** Marks that turn the direction in which what stands around them is shown (Unicode, Bidi_Control; UAX #9 §2). */
const TURNING = /\p{Bidi_Control}/gu

/** What would also end a line or drive a terminal. */
const UNSEEN = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu

/** Escapes such marks, so that a name cannot look like another name or reverse the text next to it. */
export function showTurning(text: string): string {
  return text.replace(TURNING, escapeMark)
}

/** The same for a single line: it escapes control characters, too. */
export function showUnseen(text: string): string {
  return text.replace(UNSEEN, escapeMark)
}

/** What JSON.stringify leaves of that as it is; the line breaks of an indented text are its own. */
const UNSEEN_IN_JSON = /[\x7f-\x9f\p{Bidi_Control}\u2028\u2029]/gu

/** JSON that cannot drive a terminal. `indent` is the number of spaces a level; 0 makes one line. */
export function showJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replace(UNSEEN_IN_JSON, escapeMark)
}

function escapeMark(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

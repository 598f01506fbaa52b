/** JSON that others sent: how deep it is, and whether a value is an object. */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const BRACKET = 0x5b
const BRACE = 0x7b

/**
 * Whether JSON, as UTF-8, is nested deeper than `most`, without parsing it; brackets inside of strings do not count.
 *
 * A parser accepts any depth, but code that writes or walks such a value runs out of stack, after seconds.
 */
export function isDeeper(json: Uint8Array, most: number): boolean {
  let depth = 0
  let isText = false
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]
    if (isText) {
      if (byte === BACKSLASH) at++
      else if (byte === QUOTE) isText = false
    } else if (byte === QUOTE) isText = true
    else if (byte === BRACKET || byte === BRACE) {
      depth++
      if (depth > most) return true
    } else if (byte === BRACKET + 2 || byte === BRACE + 2) depth--
  }
  return false
}

/** Whether a value is an object of JSON: neither a list nor null. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

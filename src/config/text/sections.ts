/** Splits a long file at its `[[routes]]`, so that parts of it can be handled one by one. */

/** A part of a text, from `start` to before `end`. */
export interface Stretch {
  readonly start: number
  readonly end: number
}

/** A file as parts that are TOML by themselves. */
export interface Sections {
  /** Each `[[routes]]` with the tables below it, in order. */
  readonly routes: readonly Stretch[]
  /** All that is between them, in order. */
  readonly rest: readonly Stretch[]
}

/** The beginning of a line that begins with a table's header, or looks like one. */
const HEADER = /^[ \t]*\[(\[?)[ \t]*([\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*([.\]])/gm

/**
 * Finds the routes of a text without parsing it; null where they cannot be separated.
 *
 * A line within a text or a list may look like a header. Then the result has more routes than the file, or the part
 * before that line is not valid TOML: the caller has to check both.
 */
export function splitSections(text: string): Sections | null {
  const routes: Stretch[] = []
  const rest: Stretch[] = []
  let isRoute = false
  let start = 0
  const endAt = (end: number) => {
    if (end > start) (isRoute ? routes : rest).push({ start, end })
    start = end
  }
  for (const { index, 1: second, 2: name, 3: next } of text.matchAll(HEADER)) {
    if (name === 'routes' && next === '.') {
      // It belongs to the route before it, in any place.
      if (!isRoute) return null
      continue
    }
    endAt(index)
    isRoute = second === '[' && name === 'routes'
  }
  endAt(text.length)
  return { routes, rest }
}

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
 * Where the routes of a text are, without parsing it; null where that cannot be told apart.
 *
 * A line inside of a text or a list may look like a header. Then there are more routes than the file has, or what is before that line
 * is no TOML by itself: whoever asks has to look at both.
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
      // Of the route before it, wherever that is.
      if (!isRoute) return null
      continue
    }
    endAt(index)
    isRoute = second === '[' && name === 'routes'
  }
  endAt(text.length)
  return { routes, rest }
}

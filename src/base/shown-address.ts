/** A part of a text, from `start` to before `end`. */
type Stretch = readonly [start: number, end: number]

/**
 * What of an address may be a secret: user and password, which are all before its last @, since a password from a manual has its slashes
 * as they are; and query and fragment. Of a path, the same but for the login.
 *
 * Shape: a text that is one address or path, or has some in it; stretches in UTF-16 code units, in order. What names a secret and is
 * none by itself (`${NAME}`) is for the caller to tell.
 */
export function secretStretches(text: string): readonly Stretch[] {
  const [before = ''] = /^.*?[a-z][a-z0-9+.-]*:\/\//is.exec(text) ?? []
  const at = before === '' ? -1 : text.lastIndexOf('@')
  if (at <= before.length) return queriesOf(text, 0)
  // Whether this is a password with a question mark or a query with an @, nobody knows.
  if (!/[?#]/.test(text.slice(before.length, at))) return [[before.length, at], ...queriesOf(text, at)]
  const end = endOf(text, at)
  return [[before.length, end], ...queriesOf(text, end)]
}

/** Of every address from a place on, which may be in one. */
function queriesOf(text: string, from: number): readonly Stretch[] {
  return [...text.slice(from).matchAll(ADDRESS)].flatMap(({ 0: address, index }) => {
    const mark = address.search(/[?#]/)
    const start = from + index + mark + 1
    const end = from + index + address.length
    return mark === -1 || start === end ? [] : [[start, end] as const]
  })
}

/** Or a path, or a host of which the scheme was forgotten, where a text begins with one. */
const ADDRESS = /(?:[a-z][a-z0-9+.-]*:\/\/|^["']*(?:\/|[\w-]*[.:][\w.:-]*)|^@)[^\s"'<>]*/gi

/** Where an address ends that begins before. */
function endOf(text: string, from: number): number {
  const length = text.slice(from).search(/[\s"'<>]/)
  return length === -1 ? text.length : from + length
}

/** A text that is one address, as it may be shown. */
export function shownAddress(text: string): string {
  let shown = ''
  let from = 0
  for (const [start, end] of secretStretches(text)) {
    shown += `${text.slice(from, start)}…`
    from = end
  }
  return shown + text.slice(from)
}

/** A text for people, with every address in it as it may be shown. */
export function withShownAddresses(text: string): string {
  return text.replace(/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'`<>]+/gi, shownAddress)
}

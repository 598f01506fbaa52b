/** Long enough for a sentence that says why. */
const LONGEST = 160

/** Elements whose text nobody sees. */
const UNSEEN = /^(?:head|noscript|script|style|template)(?=[\s/>]|$)/i

/**
 * What an answer says to a person, as one line that is safe to show: the text of HTML, or any other text as it is; without control
 * and format characters, and no longer than a sentence or two. Empty where nothing is left.
 *
 * Takes one pass, whatever is sent.
 */
export function wordsOf(text: string, isHtml: boolean): string {
  const seen = isHtml ? textOf(text) : text
  const line = seen.replace(/[\p{Z}\p{C}]+/gu, ' ').trim()
  return line.length <= LONGEST ? line : `${[...line.slice(0, LONGEST)].slice(0, -1).join('').trimEnd()}…`
}

function textOf(html: string): string {
  const [lead = '', ...pieces] = html.split('<')
  const seen = [lead]
  let unseen: string | null = null
  for (const piece of pieces) {
    const opened: string | undefined = unseen === null ? UNSEEN.exec(piece)?.[0].toLowerCase() : undefined
    if (opened !== undefined) unseen = opened
    else if (unseen !== null && piece.slice(0, unseen.length + 1).toLowerCase() === `/${unseen}`) unseen = null
    if (unseen !== null) continue
    const end = piece.indexOf('>')
    // A tag stands between words; what has no end is no tag.
    seen.push(' ', end === -1 ? '' : piece.slice(end + 1))
  }
  return seen.join('').replace(/&(?:#(\d{1,6})|([a-z]{2,6}));/gi, (whole, code?: string, name?: string) => {
    if (code !== undefined) return Number(code) <= 0x10ffff ? String.fromCodePoint(Number(code)) : ' '
    return ENTITIES[name?.toLowerCase() ?? ''] ?? whole
  })
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  mdash: '—',
  ndash: '–',
}

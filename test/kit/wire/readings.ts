/** What a rule says of one path: the longest one at a segment boundary decides. */
export interface PathRule {
  readonly path: string
  /** `public`, or the role that it takes. */
  readonly allow: string
}

/** One host split by path: anyone, those who signed in, admins. Whoever asks in tests is no admin. */
export const SPLIT_HOST: readonly PathRule[] = [
  { path: '/', allow: 'public' },
  { path: '/app', allow: 'user' },
  { path: '/admin', allow: 'admin' },
  { path: '/app/public', allow: 'public' },
  { path: '/Secret', allow: 'admin' },
  { path: '/kate', allow: 'admin' },
]

/** A rule as lines of a route at the portal `home`. */
export function linesOfRule({ path, allow }: PathRule): string {
  return `path = "${path}"\n${allow === 'public' ? 'allow = "public"' : `portal = "home"\nallow = ["${allow}"]`}`
}

/**
 * Every path that some backend, or some chain of them, may make of a target that it received: by decoding, also of overlong UTF-8,
 * merging slashes, turning backslashes, cutting parameters or what follows `#`, `?` or NUL, dropping control characters, resolving
 * dots, leaving out what Windows does at the end of names and marks that nobody sees, normalising Unicode and ignoring case, of UTF-8,
 * Latin-1 and Windows-1252, in any order.
 */
export function readingsOf(target: string): ReadonlySet<string> {
  const found = new Set<string>()
  const grow = (text: string, depth: number): void => {
    if (found.has(text) || depth > 6) return
    found.add(text)
    const steps = [
      text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      text.replace(/%u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      text.replace(OVERLONG, bytes => {
        const [first, last] = [bytes.charCodeAt(bytes.length - 2), bytes.charCodeAt(bytes.length - 1)]
        return String.fromCharCode(((first & 0x3f) << 6) | (last & 0x3f))
      }),
      text.replace(/\/{2,}/g, '/'),
      text.replaceAll('\\', '/'),
      text.replace(/;[^/]*/g, ''),
      text.replace(/[#?\0].*|%23.*|%00.*|%3f.*/is, ''),
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what some parsers drop
      text.replace(/[\x00-\x1f\x7f]/g, ''),
      isBytes(text) ? text.replace(/[A-Z]/g, one => one.toLowerCase()) : text.toLowerCase(),
      resolveDots(text),
      ...normalised(text),
      text.replace(/ +(?=\/|$)/g, ''),
      text.replace(/[. ]+(?=\/|$)/g, ''),
      text.replace(/:(?:[^/]*:)?\$[^/]*/g, ''),
    ]
    for (const step of steps) grow(step, depth + 1)
  }
  grow(target.split('?')[0] ?? '', 0)
  return found
}

/** An ASCII character in two to six bytes. */
const OVERLONG = /(?:[\xc0\xc1]|(?:\xe0|\xf0\x80|\xf8\x80\x80|\xfc\x80\x80\x80)[\x80\x81])[\x80-\xbf]/g

/** Whether these are bytes as characters, of which a part of one letter has no case of its own. */
function isBytes(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: bytes
  return /^[\x00-\xff]*$/.test(text)
}

/** Of bytes as characters, and of characters beyond them: Unicode's own forms, and its case folding. */
function normalised(text: string): readonly string[] {
  if (!/[^\x20-\x7e]/.test(text)) return []
  const read = isBytes(text) ? Buffer.from(text, 'latin1').toString('utf8') : text
  const seen = read.replace(/\p{Default_Ignorable_Code_Point}/gu, '')
  // Where a byte is a character, one of them is not seen.
  const seenBytes = text.replaceAll('\xad', '')
  const windows = isBytes(text) ? new TextDecoder('windows-1252').decode(Buffer.from(text, 'latin1')) : text
  const forms = [read, text, windows].flatMap(one => [one.normalize('NFKC'), one.toUpperCase().toLowerCase()])
  return [read, seen, seenBytes, read.normalize('NFC'), ...forms]
}

function resolveDots(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '.') kept.push(segment)
  }
  return `/${kept.filter((segment, index) => index > 0 || segment !== '').join('/')}`
}

/** What a path needs by these rules, for a backend that heeds case and for one that does not; null where no rule has it. */
export function needsOf(rules: readonly PathRule[], path: string): readonly (string | null)[] {
  const fold = (text: string) => text.toLowerCase()
  return [(text: string) => text, fold].map(spell => {
    const under = rules.filter(
      ({ path: rule }) => rule === '/' || spell(path) === spell(rule) || spell(path).startsWith(`${spell(rule)}/`),
    )
    return (
      under.reduce<PathRule | null>(
        (longest, rule) => (longest === null || rule.path.length > longest.path.length ? rule : longest),
        null,
      )?.allow ?? null
    )
  })
}

/** Whether a path is one of Sallyport's own, to some reader. */
export function isOwn(path: string): boolean {
  return /^\/\.sallyport(\/|$)/i.test(path)
}

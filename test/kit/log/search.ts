import { LEAST_LENGTH } from './planted.ts'
import type { Recorded } from './record.ts'

/** What looks like a secret, whoever made it. */
const SHAPES: readonly (readonly [what: string, shape: RegExp])[] = [
  ['a signed or sealed token', /\beyJ[\w-]{10,}\.[\w.-]+/g],
  ['credentials', /\b(?:Basic|Bearer) (?=\S*[\dA-Z=])[\w+/=.~-]{8,}/g],
  ['an API token or a guest link', /\bs[pg]_[\w-]{43}/g],
  ['a private key', /-----BEGIN [A-Z ]*PRIVATE KEY-----/g],
  ['a cookie of ours', /\bsallyport[\w-]*=[^\s;",]{8,}/g],
  ['a query', /(?<=\?)[\w.[\]%-]+=[^\s"'\\]+/g],
]

/**
 * What lines hold of what was planted, and what else looks like a secret: one text for each, in which the place and the line
 * are shown and the secret is not.
 */
export function searchLines(lines: readonly Recorded[], planted: ReadonlyMap<string, string>): readonly string[] {
  const found: string[] = []
  const byStart = Map.groupBy(planted, ([secret]) => secret.slice(0, LEAST_LENGTH))
  for (const { place, line } of lines) {
    const secrets = new Map<string, string>()
    for (const [what, shape] of SHAPES) for (const [text] of line.matchAll(shape)) secrets.set(text, what)
    for (let at = 0; at + LEAST_LENGTH <= line.length; at++) {
      for (const [secret, what] of byStart.get(line.slice(at, at + LEAST_LENGTH)) ?? []) {
        if (line.startsWith(secret, at)) secrets.set(secret, what)
      }
    }
    if (secrets.size === 0) continue
    let shown = line
    for (const [secret, what] of [...secrets].sort(([one], [other]) => other.length - one.length)) {
      shown = shown.replaceAll(secret, `<${what}: ${secret.length} characters>`)
    }
    found.push(`${place}: ${shown}`)
  }
  return found
}

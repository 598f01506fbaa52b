import { LEAST_LENGTH, type Planted } from './planted.ts'
import type { Recorded } from './record.ts'

/** What looks like a secret, whoever made it, and what such a one has in it, which is looked for first. */
const SHAPES: readonly (readonly [what: string, shape: RegExp, has: string])[] = [
  ['a signed or sealed token', /\beyJ[\w-]{10,}\.[\w.-]+/g, 'eyJ'],
  ['credentials', /\b(?:Basic|Bearer) (?=\S*[\dA-Z=])[\w+/=.~-]{8,}/g, ' '],
  ['an API token or a guest link', /\bs[pg]_[\w-]{43}/g, '_'],
  ['a private key', /-----BEGIN [A-Z ]*PRIVATE KEY-----/g, '-----BEGIN'],
  ['a cookie of ours', /\bsallyport[\w-]*=[^\s;",]{8,}/g, 'sallyport'],
  ['a query', /(?<=\?)[\w.[\]%-]+=[^\s"'\\]+/g, '?'],
]

/**
 * What lines hold of what was planted, and what else looks like a secret: one text for each, in which the place and the line
 * are shown and the secret is not.
 */
export function searchLines(lines: readonly Recorded[], planted: Planted): readonly string[] {
  const found: string[] = []
  for (const { place, line } of lines) {
    const secrets = new Map<string, string>()
    for (const [what, shape, has] of SHAPES) {
      if (line.includes(has)) for (const [text] of line.matchAll(shape)) secrets.set(text, what)
    }
    for (let at = 0; at + LEAST_LENGTH <= line.length; at++) {
      const alike = planted.startingAt(line, at)
      if (alike === null) continue
      for (const [secret, what] of alike) if (line.startsWith(secret, at)) secrets.set(secret, what)
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

/** Which language a page speaks (RFC 9110 §12.5.4). */

import { DE } from './words/de.ts'
import { EN } from './words/en.ts'
import { ES } from './words/es.ts'
import { FR } from './words/fr.ts'
import type { Words } from './words/words.ts'

/** The words for a client, by its browser's languages. Times are in UTC, or in the named zone. */
export function wordsFor({ headers }: Request, timeZone = 'UTC'): Words {
  const words = chooseWords(headers.get('accept-language'))
  return timeZone === words.timeZone ? words : { ...words, timeZone }
}

/** Every table of words. The first is for clients that ask for none of these languages. */
export const LANGUAGES: readonly Words[] = Object.freeze([EN, DE, FR, ES])

const MAX_LENGTH = 1000

/**
 * The table for an Accept-Language field: of those we have, the one with the greatest weight, the earlier one of equals.
 *
 * `de-CH` asks for `de`; `*` is every language that is not named; weight 0 is "not this one". What is malformed is passed over.
 * Source: RFC 9110 §12.5.4 and §12.4.2 (weights), RFC 4647 §3.4 (lookup).
 */
export function chooseWords(acceptLanguage: string | null): Words {
  const ranges = parseRanges((acceptLanguage ?? '').slice(0, MAX_LENGTH))
  let best: { readonly words: Words; readonly weight: number; readonly place: number } | null = null
  for (const words of LANGUAGES) {
    const found = find(ranges, words.lang) ?? find(ranges, '*')
    if (found === null || found.weight === 0) continue
    if (best === null || found.weight > best.weight || (found.weight === best.weight && found.place < best.place))
      best = { words, ...found }
  }
  return best?.words ?? EN
}

interface Range {
  readonly language: string
  readonly weight: number
  readonly place: number
}

function parseRanges(field: string): readonly Range[] {
  return field.split(',').flatMap((text, place) => {
    const match =
      /^\s*(?:([A-Za-z]{1,8})(?:-[A-Za-z0-9]{1,8})*|(\*))\s*(?:;\s*[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$/.exec(
        text,
      )
    if (match === null) return []
    return [{ language: (match[1] ?? '*').toLowerCase(), weight: Number(match[3] ?? 1), place }]
  })
}

/** The range for a language that weighs most. */
function find(ranges: readonly Range[], language: string): Range | null {
  let best: Range | null = null
  for (const range of ranges) {
    if (range.language === language && (best === null || range.weight > best.weight)) best = range
  }
  return best
}

import { chooseWords } from './words/choose.ts'
import type { Words } from './words/words.ts'

/** The words for whoever asks, by their browser's languages; times are told in UTC, or in the zone that is named. */
export function wordsFor({ headers }: Request, timeZone = 'UTC'): Words {
  const words = chooseWords(headers.get('accept-language'))
  return timeZone === words.timeZone ? words : { ...words, timeZone }
}

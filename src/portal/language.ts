import { chooseWords } from './words/choose.ts'
import type { Words } from './words/words.ts'

/** The words for whoever asks, by their browser's languages. */
export function wordsFor({ headers }: Request): Words {
  return chooseWords(headers.get('accept-language'))
}

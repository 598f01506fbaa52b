/**
 * The scripts of Sallyport's own pages. Each is allowed on its page by its hash, and nowhere else. A page does its
 * whole task without them.
 *
 * Each is a constant: its data is in the page, in `data-` attributes, and is never code. They run in browsers, and are
 * checked with a browser's types (`scripts/tsconfig.json`); the build makes them short.
 */
import checkFile from './scripts/check-file.js' with { type: 'text' }
import countdown from './scripts/countdown.js' with { type: 'text' }
import giveFragment from './scripts/give-fragment.js' with { type: 'text' }
import keepFragment from './scripts/keep-fragment.js' with { type: 'text' }
import search from './scripts/search.js' with { type: 'text' }
import whenSeen from './scripts/when-seen.js' with { type: 'text' }

export type Script = 'check-file' | 'countdown' | 'search' | 'when-seen' | 'keep-fragment' | 'give-fragment'

export const SCRIPTS: Readonly<Record<Script, string>> = {
  'check-file': checkFile,
  countdown,
  search,
  'when-seen': whenSeen,
  'keep-fragment': keepFragment,
  'give-fragment': giveFragment,
}

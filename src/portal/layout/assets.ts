/**
 * What pages hold beside their text: the stylesheet, the scripts and the mark. The build makes stylesheet and scripts short.
 *
 * Each script is allowed on its page by its hash, and nowhere else, and a page does its whole task without it. Its data is in the
 * page, in `data-` attributes, and is never code. Scripts are checked with a browser's types (`scripts/tsconfig.json`).
 */

import adminSheet from './admin.css' with { type: 'text' }
import { withFonts } from './font.ts'
import copy from './scripts/copy.js' with { type: 'text' }
import countdown from './scripts/countdown.js' with { type: 'text' }
import formFragment from './scripts/form-fragment.js' with { type: 'text' }
import giveFragment from './scripts/give-fragment.js' with { type: 'text' }
import keepFragment from './scripts/keep-fragment.js' with { type: 'text' }
import liveStates from './scripts/live-states.js' with { type: 'text' }
import liveTable from './scripts/live-table.js' with { type: 'text' }
import localDays from './scripts/local-days.js' with { type: 'text' }
import localTimes from './scripts/local-times.js' with { type: 'text' }
import passkey from './scripts/passkey.js' with { type: 'text' }
import search from './scripts/search.js' with { type: 'text' }
import watchAccess from './scripts/watch-access.js' with { type: 'text' }
import whenSeen from './scripts/when-seen.js' with { type: 'text' }
import stylesheet from './style.css' with { type: 'text' }

export const STYLE: string = withFonts(stylesheet)

/** What only some pages have beside it: those for admins. */
export type Sheet = 'admin'

export const SHEETS: Readonly<Record<Sheet, string>> = { admin: adminSheet }

export type Script =
  | 'live-states'
  | 'live-table'
  | 'copy'
  | 'countdown'
  | 'form-fragment'
  | 'local-days'
  | 'local-times'
  | 'passkey'
  | 'search'
  | 'watch-access'
  | 'when-seen'
  | 'keep-fragment'
  | 'give-fragment'

export const SCRIPTS: Readonly<Record<Script, string>> = {
  'live-states': liveStates,
  'live-table': liveTable,
  copy,
  countdown,
  'form-fragment': formFragment,
  'local-days': localDays,
  'local-times': localTimes,
  // A page has one script, and this one has forms, too.
  passkey: `${formFragment}\n;${passkey}`,
  search,
  'watch-access': watchAccess,
  'when-seen': whenSeen,
  'keep-fragment': keepFragment,
  'give-fragment': giveFragment,
}

/** The mark as a whole picture, without anything else. */
export const MARK =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M4 31V16a12 12 0 0 1 24 0v15z" fill="#1d6358"/><path d="M11 31V17a5 5 0 0 1 10 0v14z" fill="#fdfcfa"/></svg>'

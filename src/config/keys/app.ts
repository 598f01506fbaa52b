import { good } from '../text/outcome.ts'
import { boolean, parsed, text } from '../values/value.ts'
import { defaulted, type Keys, optional, table } from './table.ts'

/** `[routes.app]`: how a route shows among people's applications. */
export const APP = {
  icon: optional(
    parsed({ label: 'file', expected: 'the path of an SVG, PNG, WebP or ICO file' }, good),
    'icons/kuma.svg',
    'the first letter of the name',
    'A picture for it: an SVG, PNG, WebP or ICO file of at most 256 kB, read again when it changes.',
  ),
  group: optional(
    text(),
    'Monitoring',
    'none',
    'The heading under which it is listed; groups keep the order of the file.',
  ),
  description: optional(text(), 'Is everything up?', 'its address', 'A line below the name.'),
  hidden: defaulted(boolean, false, true, 'Leaves it out of the list. Whoever may open it still may.'),
} as const satisfies Keys

/** The table of these keys. */
export const app = table(APP, { title: '[routes.app]' })

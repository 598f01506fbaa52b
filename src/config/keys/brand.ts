import { good } from '../text/outcome.ts'
import type { Accent } from '../types/values.ts'
import { parseDarkColour, parseLightColour } from '../values/colour.ts'
import { parsed, type Type } from '../values/value.ts'
import { type Keys, optional } from './table.ts'

const NAMES = { label: 'colour', expected: 'a colour such as "#34624f"' }
const light: Type<Accent> = parsed(NAMES, parseLightColour)
const dark: Type<Accent> = parsed(NAMES, parseDarkColour)
const file = parsed({ label: 'file', expected: 'the path of an SVG, PNG or WebP file' }, good)

/** How a portal's pages look. */
export const BRAND = {
  logo: optional(
    file,
    'logo.svg',
    'the gate',
    'What the pages show in place of the gate: an SVG, PNG or WebP file of at most 64 kB, read again when it changes.',
  ),
  logo_dark: optional(file, 'logo-dark.svg', '`logo`', 'The logo for dark screens, where you want another.'),
  colour: optional(
    light,
    '#34624f',
    'patina',
    'The colour of links and buttons. It has to be dark enough to be read; for dark screens a lighter one is made of it.',
  ),
  colour_dark: optional(dark, '#86d2c2', 'made of `colour`', 'That colour for dark screens, where you want another.'),
} as const satisfies Keys

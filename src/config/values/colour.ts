/** Colours of pages, and whether they can be read. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'

/** A colour of our pages, and the faint one that goes behind it; both `#rrggbb`. */
export interface Accent {
  readonly accent: string
  readonly tint: string
}

/** What text in the accent stands on: the grounds and the panel of each scheme, as the stylesheet has them. */
export const GROUNDS = { light: ['#f8f6f2', '#f1eee8', '#ffffff'], dark: ['#14181a', '#0e1113', '#1c2224'] } as const

/** What stands on the accent. */
export const INKS = { light: '#ffffff', dark: '#0c1f1b' } as const

type Scheme = keyof typeof GROUNDS

/** WCAG 2.2, 1.4.3 (AA): text of ordinary size. */
const LEAST_CONTRAST = 4.5
const TINT = 0.1
const STEPS = 50

/** A colour for the light scheme that can be read on every ground, and on which white can be read. */
export const parseLightColour = (text: string) => parseAccent(text, 'light')

export const parseDarkColour = (text: string) => parseAccent(text, 'dark')

function parseAccent(text: string, scheme: Scheme): Parsed<Accent> {
  if (!/^#[0-9a-f]{6}$/i.test(text)) return bad('portal.colour', `"${text}" is not a colour`, 'six digits: "#34624f"')
  const made = makeAccent(text.toLowerCase(), scheme)
  const contrast = leastContrast(made, scheme)
  if (contrast >= LEAST_CONTRAST) return good(made)
  const has = Math.floor(contrast * 100) / 100
  const message = `${text} cannot be read well on the ${scheme} pages: its contrast is ${has}, and ${LEAST_CONTRAST} is needed`
  const nearest = towards(made.accent, scheme)
  return bad(
    'portal.colour',
    message,
    `take a ${scheme === 'light' ? 'darker' : 'lighter'} one, such as "${nearest.accent}"`,
  )
}

/** The dark scheme's colour for one of the light scheme: lightened as far as it has to be. */
export function deriveDark({ accent }: Accent): Accent {
  return towards(accent, 'dark')
}

/** The nearest colour that can be read: mixed with black for light pages, with white for dark ones. */
function towards(colour: string, scheme: Scheme): Accent {
  const goal = scheme === 'light' ? '#000000' : '#ffffff'
  let made = makeAccent(colour, scheme)
  for (let step = 1; step <= STEPS && leastContrast(made, scheme) < LEAST_CONTRAST; step++) {
    made = makeAccent(mix(colour, goal, step / STEPS), scheme)
  }
  return made
}

function makeAccent(accent: string, scheme: Scheme): Accent {
  return { accent, tint: mix(GROUNDS[scheme][2], accent, TINT) }
}

function leastContrast({ accent, tint }: Accent, scheme: Scheme): number {
  return Math.min(...[...GROUNDS[scheme], tint, INKS[scheme]].map(other => contrastOf(accent, other)))
}

/** The contrast of two colours, from 1 to 21. Source: WCAG 2.2, "contrast ratio" and "relative luminance". */
export function contrastOf(one: string, other: string): number {
  const [a, b] = [luminanceOf(one), luminanceOf(other)]
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
}

function luminanceOf(colour: string): number {
  const [red = 0, green = 0, blue = 0] = channelsOf(colour).map(value => {
    const part = value / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function mix(one: string, other: string, share: number): string {
  const others = channelsOf(other)
  const mixed = channelsOf(one).map((value, index) => Math.round(value + ((others[index] ?? value) - value) * share))
  return `#${mixed.map(value => value.toString(16).padStart(2, '0')).join('')}`
}

function channelsOf(colour: string): readonly number[] {
  return [1, 3, 5].map(at => Number.parseInt(colour.slice(at, at + 2), 16))
}
